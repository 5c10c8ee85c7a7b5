package dmctl

// The guardian: a process of its own that stands by while devices stay
// suspended. If the run that suspended them dies, it lets I/O go on at once and
// then recovers; if that run hangs, it lets I/O go on, too. It has its memory
// locked and its calls laid out before anything is suspended.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// guardianWord, as first argument, has the program be a guardian; then follow
// pauseLimit and the numbers of the devices in use.
const guardianWord = "guard-suspended-devices"

// pauseLimit is for how long one of our plans may hold the I/O of a device
// that is in use. The flush before that is not part of it.
var pauseLimit = time.Minute

// What the two processes say to each other, a byte each.
const (
	sayReady   = 'r' // the guardian: all is prepared
	sayRelease = 'x' // the run: nothing is suspended any more
	sayEnded   = 'e' // the guardian: the pause took too long, I/O goes on
)

// answerTime bounds the wait for the guardian, where nothing is suspended.
const answerTime = 10 * time.Second

// recoverTime bounds the wait for others of us before what a dead run left is
// recovered.
const recoverTime = 2 * time.Minute

// canGuard says that this program can be started to be a guardian.
var canGuard bool

// BeGuardian is called by a program first of all, before anything else is
// made of its arguments. It returns unless the program was started by another
// run of it to stand guard. Without that call, no devices are suspended.
func BeGuardian() {
	canGuard = true
	if len(os.Args) > 2 && os.Args[1] == guardianWord {
		os.Exit(guard(os.Args[2], os.Args[3:]))
	}
}

// Guard starts this program once more. In a session of its own it does not get
// what the terminal sends to the run that it guards.
func (linuxHost) Guard(inUse []blockdev.DevNo) (release func() error, err error) {
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
	cmd := exec.Command("/proc/self/exe", guardianWord, pauseLimit.String())
	for _, dev := range inUse {
		cmd.Args = append(cmd.Args, dev.String())
	}
	cmd.Args[0] = "dmsnapctl"
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = listen, answer, os.Stderr
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

// guard is the guardian's main program; it gives an exit code.
func guard(limit string, inUse []string) int {
	if err := standGuard(limit, inUse); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "dmsnapctl: standing guard over suspended devices: %v\n", err)
		return 3
	}
	return 0
}

func standGuard(limit string, inUse []string) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	var in unix.Stat_t
	if err := unix.Fstat(unix.Stdin, &in); err != nil || in.Mode&unix.S_IFMT != unix.S_IFIFO {
		return errors.New("only another run of the program can start this")
	}
	c, err := Open()
	if err != nil {
		return err
	}
	defer c.Close()
	g, err := newGuardian(c, limit, inUse)
	if err != nil {
		return err
	}
	// Whoever runs out of memory now is not to be this one.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
	if _, err := c.h.LockMemory(); err != nil {
		return err
	}
	if g.awaitRelease() {
		return nil
	}
	g.letGo()
	ctx, cancel := context.WithTimeout(context.Background(), recoverTime)
	defer cancel()
	if err := c.lockUntil(ctx); err != nil {
		return err
	}
	if err := c.Recover(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stderr, "dmsnapctl: a run died while devices were suspended: their I/O goes on, and what it left was put in order")
	return err
}

// guardian is what must not need anything any more.
type guardian struct {
	limit time.Duration
	look  []*wire.Prepared // one for each device in use, as below
	free  []*wire.Prepared
	in    [1]unix.PollFd
	byte  [1]byte
	ended bool // the pause was too long, and the run was told so
}

func newGuardian(c *Controller, limit string, inUse []string) (*guardian, error) {
	g := &guardian{in: [1]unix.PollFd{{Fd: int32(unix.Stdin), Events: unix.POLLIN}}}
	var err error
	if g.limit, err = time.ParseDuration(limit); err != nil {
		return nil, err
	}
	k, ok := c.k.(linuxKernel)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	for _, s := range inUse {
		dev, err := blockdev.ParseDevNo(s)
		if err != nil {
			return nil, err
		}
		g.look = append(g.look, k.PrepareInfo(dev))
		g.free = append(g.free, k.PrepareResume(dev, wire.UdevPrimary))
	}
	return g, nil
}

// awaitRelease says that it is ready and waits for the end of the pause, or of
// the run that it guards: false.
func (g *guardian) awaitRelease() bool {
	g.say(sayReady)
	for held := time.Duration(0); ; {
		const glance = 100 * time.Millisecond
		n, err := unix.Poll(g.in[:], int(glance/time.Millisecond))
		switch {
		case n > 0:
			n, err = unix.Read(unix.Stdin, g.byte[:])
			if !errors.Is(err, unix.EINTR) {
				return n == 1 && g.byte[0] == sayRelease
			}
		case err != nil: // a signal of the Go runtime's own
		case !g.held():
			held = 0
		case held < g.limit:
			held += glance
		default:
			if !g.ended {
				g.ended = true
				g.say(sayEnded)
			}
			g.letGo()
		}
	}
}

func (g *guardian) say(b byte) {
	g.byte[0] = b
	_, _ = unix.Write(unix.Stdout, g.byte[:])
}

// held says whether a device in use is suspended.
func (g *guardian) held() bool {
	for _, l := range g.look {
		if flags, err := l.Run(); err == nil && flags&wire.FlagSuspend != 0 {
			return true
		}
	}
	return false
}

// letGo resumes the devices in use. A swap of tables that fails leaves the old
// one, with which the second call resumes.
func (g *guardian) letGo() {
	for _, f := range g.free {
		for range 3 {
			if _, err := f.Run(); err == nil {
				break
			}
		}
	}
}
