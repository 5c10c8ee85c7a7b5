// Package allocator is a model of the kernel's exception allocator
// (dm-snap-persistent.c). It completes exceptions in the order of allocation (a
// fixed kernel) or as copies finish (a leaky one). It serves for crashes that
// no log recorded, and for what a kernel does after a crash.
//
// [Simulate] puts the model under load and crashes it at random; [MeasureRates]
// does so for many loads. The package judges the results with package verify,
// and knows nothing of logs.
package allocator

// From the top down: rates, simulate, model.
