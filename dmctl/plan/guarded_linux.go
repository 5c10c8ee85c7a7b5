package plan

// The guardian, from the side of the guarded run.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// guardianWord, as the first argument, starts the program as a guardian.
// PauseLimit and the numbers of the devices in use follow.
const guardianWord = "guard-suspended-devices"

// The messages between the two processes, one byte each.
const (
	sayReady   = 'r' // the guardian: all is prepared
	sayRelease = 'x' // the run: nothing is suspended any more
	sayEnded   = 'e' // the guardian: the pause took too long, I/O continues
)

// answerTime limits the wait for the guardian while nothing is suspended. On a
// busy machine a process may start slowly, so the limit equals the wait for
// another run.
const answerTime = LockTries * LockPause

// canGuard says that this program can be started as a guardian.
var canGuard bool

// Guard starts this program again, in a session of its own. So terminal signals
// to the guarded run do not reach it.
func (l *Linux) Guard(inUse []blockdev.DevNo) (release func() error, err error) {
	if !canGuard {
		return nil, errors.New("this program does not call BeGuardian")
	}
	hear, answer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	listen, say, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, hear.Close(), answer.Close())
	}
	cmd := exec.Command("/proc/self/exe", guardianWord, l.PauseLimit.String())
	for _, dev := range inUse {
		cmd.Args = append(cmd.Args, dev.String())
	}
	cmd.Args[0] = os.Args[0]
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = listen, answer, os.Stderr // the face of the guardian has something to say there
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(cmd.Start(), listen.Close(), answer.Close())
	g := &guarded{cmd: cmd, say: say, hear: hear}
	if err == nil {
		err = g.awaitReady()
	}
	if err != nil {
		return nil, errors.Join(err, g.end())
	}
	return g.release, nil
}

// guarded is a guardian, from the side of the guarded run.
type guarded struct {
	cmd       *exec.Cmd
	say, hear *os.File
}

func (g *guarded) awaitReady() error {
	if err := g.hear.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	said := make([]byte, 1)
	if _, err := g.hear.Read(said); err != nil || said[0] != sayReady {
		return fmt.Errorf("it did not report that it is ready: %v", err)
	}
	return nil
}

// release ends the guardian. It may have ended the pause already.
func (g *guarded) release() error {
	_, err := g.say.Write([]byte{sayRelease})
	said := make([]byte, 1)
	if err == nil {
		_ = g.hear.SetReadDeadline(time.Now().Add(answerTime))
	}
	n, _ := g.hear.Read(said)
	if err := g.end(); err != nil {
		return err
	}
	if n == 1 && said[0] == sayEnded {
		return ErrPauseTooLong
	}
	return nil // if it died by itself, it was not needed
}

// end makes sure that the guardian is gone.
func (g *guarded) end() error {
	if g.cmd.Process != nil {
		_ = g.cmd.Process.Kill() // it has exited, or has nothing to do
		_ = g.cmd.Wait()
	}
	return errors.Join(g.say.Close(), g.hear.Close())
}
