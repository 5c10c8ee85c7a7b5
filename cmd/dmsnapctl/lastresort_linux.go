// Last resort: when the Go runtime cannot continue, its exit code must not
// look like a verdict. The runtime ends the process with 2, which means
// "critical" here.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/shellstatus"
)

// superviseVariable names, in a supervised process, the supervisor's process
// ID. Processes started by the supervised process have another parent.
const superviseVariable = "DMSNAPCTL_SUPERVISED_BY"

// lastResort makes the runtime's fatal errors end in SIGABRT, which is not an
// exit code. If the process has a limit on its memory, another process does
// the work, and this one turns that signal into exit code 3. It cannot catch
// errors of the runtime before main in this process. It returns if the command
// is to run in this process.
func lastResort(stderr io.Writer) (code int, ended bool) {
	debug.SetTraceback("crash")
	if os.Getenv(superviseVariable) == strconv.Itoa(os.Getppid()) {
		_ = os.Unsetenv(superviseVariable) // neither fails for a valid name
		_ = os.Unsetenv("GOTRACEBACK")
		return 0, false
	}
	if !memoryIsLimited() {
		return 0, false
	}
	code, err := supervise()
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "dmsnapctl: %v\n", err)
		return exitUnknown, true
	}
	return code, true
}

func memoryIsLimited() bool {
	for _, resource := range []int{unix.RLIMIT_AS, unix.RLIMIT_DATA} {
		var limit unix.Rlimit
		if unix.Getrlimit(resource, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
			return true
		}
	}
	return false
}

// supervise runs this command line in another process and ends the same way.
func supervise() (code int, err error) {
	runtime.LockOSThread() // Pdeathsig concerns the thread that starts the process
	worker := exec.Command("/proc/self/exe")
	worker.Args = os.Args
	worker.Env = append(os.Environ(), superviseVariable+"="+strconv.Itoa(os.Getpid()), "GOTRACEBACK=crash")
	worker.Stdin, worker.Stdout, worker.Stderr = os.Stdin, os.Stdout, os.Stderr
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1)
	if err := worker.Start(); err != nil {
		return 0, fmt.Errorf("out of memory or processes: %w", err)
	}
	go func() {
		for s := range signals {
			if (s == syscall.SIGINT || s == syscall.SIGQUIT) && inForeground() {
				continue // the terminal has sent it to both
			}
			_ = worker.Process.Signal(s) // it may have ended just now
		}
	}()
	err = worker.Wait()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return 0, err
	}
	return endedAs(worker.ProcessState.Sys().(syscall.WaitStatus))
}

// endedAs returns the exit code for a worker that ended with this status.
func endedAs(status syscall.WaitStatus) (code int, err error) {
	switch {
	case status.Exited():
		return status.ExitStatus(), nil
	case status.Signal() == syscall.SIGABRT:
		return 0, errors.New("it could not continue, most likely because memory ran out (see ulimit -v and -d): there is no result")
	default:
		signal.Reset()
		_ = unix.Kill(os.Getpid(), status.Signal()) // and end the same way
		return shellstatus.BySignal(int(status.Signal())), nil
	}
}
