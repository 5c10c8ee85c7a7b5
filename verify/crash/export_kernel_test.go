//go:build kernel

package crash

// ReplayThroughModel is for tests on real kernels.
var ReplayThroughModel = replayThroughModel
