// Package allocator is a model of the kernel's allocator of exceptions
// (dm-snap-persistent.c), with completion in the order of allocation (a fixed
// kernel) or as copies finish (a leaky one): for crashes that no log recorded,
// and for what a kernel does after a crash.
//
// [Simulate] puts the model under load and crashes it at random;
// [MeasureRates] does so for many loads. The package judges what it leaves with
// package verify, and knows nothing of logs.
//
// From the top down: rates, simulate, model.
package allocator
