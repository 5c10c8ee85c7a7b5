package plan

// The guardian as the run sees it that it guards.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// guardianWord, as first argument, has the program be a guardian; then follow
// PauseLimit and the numbers of the devices in use.
const guardianWord = "guard-suspended-devices"

// What the two processes say to each other, a byte each.
const (
	sayReady   = 'r' // the guardian: all is prepared
	sayRelease = 'x' // the run: nothing is suspended any more
	sayEnded   = 'e' // the guardian: the pause took too long, I/O goes on
)

// answerTime bounds the wait for the guardian, where nothing is suspended: a
// machine may be so busy that a process takes its time to begin. It is as long
// as the wait for another run.
const answerTime = LockTries * LockPause

// canGuard says that this program can be started to be a guardian.
var canGuard bool

// Guard starts this program once more. In a session of its own it does not get
// what the terminal sends to the run that it guards.
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

// guarded is a guardian as the run sees it that it guards.
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
		return fmt.Errorf("it does not say that it is ready: %v", err)
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
	return nil // if it died of itself, it was not needed
}

// end sees that the guardian is gone.
func (g *guarded) end() error {
	if g.cmd.Process != nil {
		_ = g.cmd.Process.Kill() // it has exited, or has nothing to do
		_ = g.cmd.Wait()
	}
	return errors.Join(g.say.Close(), g.hear.Close())
}
