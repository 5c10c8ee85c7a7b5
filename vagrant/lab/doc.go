// Package lab boots real kernels for tests, on machines that have no device
// mapper of their own: User-mode Linux as a process, or a distribution's kernel
// in QEMU, with disk files, a console, an exit status, a hard timeout, and SIGKILL
// as the crash. Which kernels there are is the business of package kernels.
package lab
