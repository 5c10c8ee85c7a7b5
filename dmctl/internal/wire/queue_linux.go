package wire

// A queue for the one lock that all controllers share. The kernel wakes those
// who wait for a file lock in order, but a newcomer is faster than a process
// that is just waking up: a process that unlocks and wants the lock again
// would always win. So there are two locks on one file. The gate is taken
// first and released when the lock is held: only one process waits for the
// lock itself, and gets it next; the others wait at the gate. The gate is a
// lock on a range of bytes, which the kernel keeps separate from flock's
// locks. Both end with their process.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// overtakeAfter is how long nobody must have made progress before those at the
// gate try the lock themselves: the process before them may be stopped.
const overtakeAfter = time.Second

// queue is one caller's place among those who want the lock.
type queue struct {
	f *os.File

	mu     sync.Mutex
	wanted bool          // by a caller, who may be between two waits
	held   bool          // by a caller
	turn   chan struct{} // closed when a wait is over; nil while nobody waits
	failed error         // why a wait ended without the lock
}

// await waits for the lock until ctx ends. Then it returns false and keeps the
// place for the next await; unlock gives it up.
func (q *queue) await(ctx context.Context) (bool, error) {
	q.mu.Lock()
	q.wanted = true
	if q.turn == nil {
		if got, err := q.takeFree(); got || err != nil {
			q.mu.Unlock()
			return got, err
		}
		q.turn, q.failed = make(chan struct{}), nil
		go q.stand(q.turn)
	}
	turn := q.turn
	q.mu.Unlock()
	select {
	case <-turn:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held || q.failed != nil {
		return q.held, q.failed
	}
	if time.Since(q.advanced()) > overtakeAfter {
		return q.tryLock()
	}
	return false, nil
}

// takeFree takes the lock if nobody holds it or waits at the gate.
func (q *queue) takeFree() (bool, error) {
	if q.held {
		return true, nil
	}
	err := q.gate(unix.F_OFD_SETLK, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock the gate: %w", err)
	}
	got, err := q.tryLock()
	return got, errors.Join(err, q.gate(unix.F_OFD_SETLK, unix.F_UNLCK))
}

// stand waits at the gate, and then for the lock, as long as the lock is
// wanted.
func (q *queue) stand(turn chan struct{}) {
	raw, err := q.f.SyscallConn()
	if err == nil {
		// The file stays open meanwhile, even if it is closed soon.
		err = raw.Control(func(fd uintptr) {
			for !q.standOnce(fd) {
			}
		})
	}
	if err != nil { // the file has been closed
		q.leave(err)
	}
	close(turn)
}

func (q *queue) standOnce(fd uintptr) (over bool) {
	failed := gateOf(fd, unix.F_OFD_SETLKW, unix.F_WRLCK)
	if failed == nil && q.isWaited() {
		failed = flock(fd, unix.LOCK_EX)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	defer func() { _ = gateOf(fd, unix.F_OFD_SETLK, unix.F_UNLCK) }()
	if q.wanted && !q.held && failed == nil {
		// An unlock meanwhile has also unlocked this.
		failed = flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(failed, unix.EWOULDBLOCK) {
			return false
		}
		q.held = failed == nil
	}
	if !q.held {
		_ = flock(fd, unix.LOCK_UN)
	}
	q.turn, q.failed = nil, failed
	return true
}

func (q *queue) isWaited() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.wanted && !q.held
}

func (q *queue) leave(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn, q.failed = nil, why
}

// unlock ends await, whether or not it got the lock.
func (q *queue) unlock() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted, q.held = false, false
	_ = flock(q.f.Fd(), unix.LOCK_UN)
}

func (q *queue) tryLock() (bool, error) {
	err := flock(q.f.Fd(), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	q.held = err == nil
	return q.held, err
}

// advance tells those who wait that the holder of the lock makes progress. They
// see it as the time of the file's last change, which nobody else sets; if it
// cannot be set, they see nothing.
func (q *queue) advance() {
	now := unix.NsecToTimespec(time.Now().UnixNano())
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", q.f.Fd()), []unix.Timespec{now, now}, 0)
}

// advanced returns when anyone last called advance.
func (q *queue) advanced() time.Time {
	var s unix.Stat_t
	if unix.Fstat(int(q.f.Fd()), &s) != nil {
		return time.Time{}
	}
	return time.Unix(s.Mtim.Unix())
}

func (q *queue) gate(cmd int, kind int16) error { return gateOf(q.f.Fd(), cmd, kind) }

// gateOf locks or unlocks the gate.
func gateOf(fd uintptr, cmd int, kind int16) error {
	return blockdev.Retry(func() error {
		return unix.FcntlFlock(fd, cmd, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Len: 1})
	})
}

func flock(fd uintptr, how int) error {
	return blockdev.Retry(func() error { return unix.Flock(int(fd), how) })
}
