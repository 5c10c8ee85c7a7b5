// Package lab boots real kernels for tests, on machines that need no device
// mapper of their own: User-mode Linux as a process, or a distribution's kernel
// in QEMU. A machine has disk files, a console, an exit status and a hard
// timeout, and SIGKILL is its crash. Package kernels knows which kernels exist.
package lab

// From the top down: running, uml, qemu, ramdisk, machine, console, engine, failure,
// guestbuild, cache, kernel, memory.
