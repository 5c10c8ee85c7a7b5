// Package first is initialised before packages that need file descriptors in
// order to be initialised: go-fuse/splice opens a file and a pipe there, and
// panics without them, and the Go runtime exits with 2, which here means
// "critical". Where too few descriptors are left, this package ends the process
// in words. It knows nothing else.
//
// Go initialises packages by import path, each as soon as all that it imports
// are initialised. This path stands before github.com/hanwen, and the package
// must import nothing but syscall.
//
// From the top down: first.
package first
