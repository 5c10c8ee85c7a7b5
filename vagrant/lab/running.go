// A running machine: how it starts and ends. It leaves nothing behind.

//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// leash starts a machine. A second shell in the same process group waits next
// to the machine, and ends the group when the starting process is gone. The
// machine replaces the first shell, so its end is seen directly.
const leash = `(read -r _ <&5; rm -rf -- "$0"; kill -KILL 0) >/dev/null 2>&1 3>&- 4>&- &
ulimit -c 0
exec "$@" 5<&-`

// Running is a machine between its start and its end.
type Running struct {
	dir     string // the files of this machine on the host
	process *os.Process
	leash   *os.File
	console *console
	copies  sync.WaitGroup // of the machine's output

	mu     sync.Mutex
	killed error // why the machine was killed, if it was

	done chan struct{} // closed when the fields below are set
	exit int
	err  error
}

// Start boots the machine. The caller must call [Running.Wait] or
// [Running.Crash]; if the calling process ends before that, the machine ends
// with it.
func (m Machine) Start() (*Running, error) {
	dir, err := os.MkdirTemp("", "dmsnapctl-lab-")
	if err != nil {
		return nil, err
	}
	r, err := m.startIn(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go r.watch(m.Timeout)
	return r, nil
}

func (m Machine) startIn(dir string) (*Running, error) {
	j, err := m.job()
	if err != nil {
		return nil, err
	}
	if err := j.Write(dir); err != nil {
		return nil, err
	}
	disks, err := m.diskFiles(dir)
	if err != nil {
		return nil, err
	}
	l, err := m.launch(dir, disks)
	if err != nil {
		return nil, err
	}
	defer l.close()
	r := &Running{dir: dir, console: &console{next: m.Console}, done: make(chan struct{})}
	if err := r.spawn(m, l); err != nil {
		return nil, fmt.Errorf("start %s: %w", m.Kernel.Binary, err)
	}
	return r, nil
}

// spawn starts the machine's processes with their pipes.
func (r *Running) spawn(m Machine, l launch) error {
	cmd := exec.Command("/bin/sh", append([]string{"-c", leash, r.dir}, l.words...)...)
	cmd.Env = l.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	held, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	r.leash = hold
	ours := []*os.File{held} // ends that belong to the child once it runs
	defer func() {
		for _, f := range ours {
			f.Close()
		}
	}()
	for _, out := range []io.Writer{r.console, m.Stdout, m.Stderr} {
		w, err := r.pipe(out)
		if err != nil {
			hold.Close()
			return err
		}
		ours = append(ours, w)
	}
	cmd.Stdout, cmd.Stderr = ours[1], ours[1]
	cmd.ExtraFiles = append([]*os.File{ours[2], ours[3], held}, l.files...)
	if err := cmd.Start(); err != nil {
		hold.Close()
		return err
	}
	r.process = cmd.Process
	return nil
}

// pipe returns a file whose content goes to out.
func (r *Running) pipe(out io.Writer) (*os.File, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if out == nil {
		out = io.Discard
	}
	r.copies.Go(func() {
		defer from.Close()
		// If out fails, the rest is still read, so that the machine does not
		// stall on a full pipe.
		if _, err := io.Copy(out, from); err != nil {
			_, _ = io.Copy(io.Discard, from)
		}
	})
	return to, nil
}

// Wait waits for the machine to end, and returns the program's exit status
// (128+n after signal n). Without one, the error is a [*Failure].
func (r *Running) Wait() (int, error) {
	<-r.done
	return r.exit, r.err
}

// Crash ends the machine like a power cut: all its processes are killed, and
// its disks keep what was written. When Crash returns, nothing holds the disks.
// After the end of the machine it does nothing.
func (r *Running) Crash() {
	r.kill(ErrCrashed)
	<-r.done
}

// kill kills the machine's process group and notes why. The group's number
// cannot be reused by others: members remain until watch is done.
func (r *Running) kill(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.done:
		return
	default:
	}
	if r.killed == nil {
		r.killed = why
	}
	_ = syscall.Kill(-r.process.Pid, syscall.SIGKILL)
}

// watch follows the machine to its end.
func (r *Running) watch(timeout time.Duration) {
	if timeout > 0 {
		limit := time.AfterFunc(timeout, func() { r.kill(ErrTimeout) })
		defer limit.Stop()
	}
	_, waitErr := r.process.Wait()
	// The rest of the group: helper processes of the kernel, which hold the
	// locks on the disks, a file server, and the waiting shell.
	_ = syscall.Kill(-r.process.Pid, syscall.SIGKILL)
	r.copies.Wait()
	r.leash.Close()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.exit, r.err = r.judge(waitErr)
	if err := os.RemoveAll(r.dir); err != nil && r.err == nil {
		r.err = err
	}
	close(r.done)
}

// judge says how the machine ended. A reported outcome counts even if the
// machine was killed while it shut down.
func (r *Running) judge(waitErr error) (int, error) {
	outcome, err := job.ReadOutcome(r.dir)
	switch {
	case err == nil && outcome.Failure == "":
		return outcome.Exit, nil
	case err == nil:
		return -1, &Failure{Kind: ErrBoot, Reason: outcome.Failure, Console: r.console.String()}
	case !errors.Is(err, os.ErrNotExist):
		return -1, err
	case r.killed != nil:
		return -1, &Failure{Kind: r.killed, Console: r.console.String()}
	case waitErr != nil:
		return -1, waitErr
	}
	return -1, diagnose(r.console.String())
}

// launch prepares the machine's processes. runDir is the machine's directory on
// the host, which has its job.
func (m Machine) launch(runDir string, disks []string) (launch, error) {
	switch m.Kernel.Engine {
	case UML:
		return m.launchUML(runDir, disks)
	case QEMU:
		return m.launchQEMU(runDir, disks)
	}
	return launch{}, fmt.Errorf("unknown engine %q: want %s or %s", m.Kernel.Engine, UML, QEMU)
}
