// Package clones has the test that clones outlive their machine: many of one
// image, used, reset and removed, then a power cut and another boot. It knows how
// machines are booted, and the controller's interface as its importers do.
package clones
