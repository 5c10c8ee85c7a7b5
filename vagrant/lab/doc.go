// Package lab boots real kernels for tests, on machines that have no device
// mapper of their own: User-mode Linux as a process, with disk files, a
// console, an exit status, a hard timeout, and SIGKILL as the crash.
package lab
