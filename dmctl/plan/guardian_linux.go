package plan

// The guardian: a separate process that stands by while devices stay suspended.
// If the run that suspended them dies, it resumes I/O at once and then
// recovers. If that run hangs, it resumes I/O, too. Its memory is locked and
// its calls are prepared before anything is suspended. A run hangs when it is
// stopped, or when a device stays suspended for too long. A slow flush does not
// count.

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// stopLimit is how long a run may be stopped while its devices are suspended.
// It is short, because a stop is not an accident.
const stopLimit = 2 * time.Second

// recoverTime limits the wait for other runs before recovery from a dead run.
const recoverTime = 2 * time.Minute

// BeGuardian must be called first in a program, before it reads its arguments.
// It returns nil unless another run of the program started this one as a
// guardian. In that case it guards until the end, and the program should report
// the result and exit. recover cleans up after a dead run. In a program that
// does not call BeGuardian, no plan suspends a device.
func BeGuardian(recover func(context.Context, Machine) error) *Guarded {
	canGuard = true
	if len(os.Args) < 3 || os.Args[1] != guardianWord {
		return nil
	}
	recovered, err := standGuard(os.Args[2], os.Args[3:], recover)
	return &Guarded{Recovered: recovered, Err: err}
}

func standGuard(limit string, inUse []string, recover func(context.Context, Machine) error) (recovered bool, err error) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	var in unix.Stat_t
	if err := unix.Fstat(unix.Stdin, &in); err != nil || in.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false, errors.New("only another run of the program can start this")
	}
	m, err := Open()
	if err != nil {
		return false, err
	}
	defer m.Close()
	g, err := newGuardian(m, limit, inUse)
	if err != nil {
		return false, err
	}
	// If memory runs out now, the kernel must not kill this process.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
	if _, err := m.LockMemory(); err != nil {
		return false, err
	}
	if g.awaitRelease() {
		return false, nil
	}
	g.letGo()
	ctx, cancel := context.WithTimeout(context.Background(), recoverTime)
	defer cancel()
	if err := recover(ctx, m); err != nil {
		return false, err
	}
	return true, nil
}

// guardian holds everything it needs for the rest of its life.
type guardian struct {
	limit time.Duration
	run   runState
	look  []*wire.Prepared // one for each device in use, as below
	free  []*wire.Prepared
	in    [1]unix.PollFd
	byte  [1]byte
	ended bool // the pause was too long, and the run was told
}

func newGuardian(m *Linux, limit string, inUse []string) (*guardian, error) {
	g := &guardian{in: [1]unix.PollFd{{Fd: int32(unix.Stdin), Events: unix.POLLIN}}}
	var err error
	if g.limit, err = time.ParseDuration(limit); err != nil {
		return nil, err
	}
	if g.run, err = openRunState(os.Getppid()); err != nil {
		return nil, err
	}
	for _, s := range inUse {
		dev, err := blockdev.ParseDevNo(s)
		if err != nil {
			return nil, err
		}
		g.look = append(g.look, m.PrepareInfo(dev))
		g.free = append(g.free, m.PrepareResume(dev, devices.UdevPrimary))
	}
	return g, nil
}

// awaitRelease reports that the guardian is ready, and waits for the end of the
// pause. It returns false if the guarded run ended first.
func (g *guardian) awaitRelease() bool {
	g.say(sayReady)
	for held, stopped := time.Duration(0), time.Duration(0); ; {
		const glance = 100 * time.Millisecond
		n, err := unix.Poll(g.in[:], int(glance/time.Millisecond))
		switch {
		case n > 0:
			n, err = unix.Read(unix.Stdin, g.byte[:])
			if !errors.Is(err, unix.EINTR) {
				return n == 1 && g.byte[0] == sayRelease
			}
		case err != nil: // a signal of the Go runtime
		case !g.held():
			held, stopped = 0, 0
		case held < g.limit && stopped < stopLimit:
			held += glance
			if g.run.stopped() {
				stopped += glance
			} else {
				stopped = 0
			}
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

// held reports whether a device in use is suspended.
func (g *guardian) held() bool {
	for _, l := range g.look {
		if flags, err := l.Run(); err == nil && flags&devices.FlagSuspend != 0 {
			return true
		}
	}
	return false
}

// letGo resumes the devices in use. A failed swap of tables leaves the old one,
// and the second call resumes with that.
func (g *guardian) letGo() {
	for _, f := range g.free {
		for range 3 {
			if _, err := f.Run(); err == nil {
				break
			}
		}
	}
}
