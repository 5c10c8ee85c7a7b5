package plan

// The guardian: a process of its own that stands by while devices stay
// suspended. If the run that suspended them dies, it lets I/O go on at once and
// then recovers; if that run hangs, it lets I/O go on, too. It has its memory
// locked and its calls laid out before anything is suspended. A run hangs when it
// was stopped, or when a device stays suspended for too long; a flush that is
// slow is neither.

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// stopLimit is for how long a run may be stopped while its devices are
// suspended: a moment, since a stop is no accident.
const stopLimit = 2 * time.Second

// recoverTime bounds the wait for others of us before what a dead run left is
// recovered.
const recoverTime = 2 * time.Minute

// BeGuardian is called by a program first of all, before anything else is
// made of its arguments. It returns nil unless the program was started by
// another run of it to stand guard; then it has done so, and the program is to
// say what came of it and to end. recover puts in order what a dead run left.
// Without that call, no devices are suspended.
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
	// Whoever runs out of memory now is not to be this one.
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

// guardian is what must not need anything any more.
type guardian struct {
	limit time.Duration
	run   runState
	look  []*wire.Prepared // one for each device in use, as below
	free  []*wire.Prepared
	in    [1]unix.PollFd
	byte  [1]byte
	ended bool // the pause was too long, and the run was told so
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
		g.free = append(g.free, m.PrepareResume(dev, wire.UdevPrimary))
	}
	return g, nil
}

// awaitRelease says that it is ready and waits for the end of the pause, or of
// the run that it guards: false.
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
		case err != nil: // a signal of the Go runtime's own
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
