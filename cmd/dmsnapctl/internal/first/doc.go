// Package first runs before packages whose initialisation needs file
// descriptors. go-fuse/splice opens a file and a pipe, and panics if it cannot.
// The Go runtime then exits with 2, which here means "critical". If too few
// descriptors are left, this package ends the process with a message. It knows
// nothing else.
//
// Go initialises packages by import path, each as soon as all its imports are
// initialised. This path sorts before github.com/hanwen, and the package must
// import only syscall.
package first

// From the top down: first.
