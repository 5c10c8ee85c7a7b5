package mend

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// failing is a device that fails when it is written to, flushed or grown for the
// n-th time, counted over all devices that share the counter.
type failing struct {
	*disk
	left *int
	err  error
}

func (f failing) count() error {
	if *f.left--; *f.left < 0 {
		return f.err
	}
	return nil
}

func (f failing) WriteAt(p []byte, off int64) (int, error) {
	if err := f.count(); err != nil {
		return 0, err
	}
	return f.disk.WriteAt(p, off)
}

func (f failing) Flush() error {
	if err := f.count(); err != nil {
		return err
	}
	return f.disk.Flush()
}

func (f failing) Grow(n int64) error {
	if err := f.count(); err != nil {
		return err
	}
	return f.disk.Grow(n)
}

// TestErrorsAtEveryStep: a device that fails at any write or flush stops the
// run, which reports the step and the state. Nothing is lost, and a second run
// finishes.
func TestErrorsAtEveryStep(t *testing.T) {
	broken := errors.New("broken")
	for _, m := range mendings() {
		t.Run(m.name, func(t *testing.T) {
			for n := 0; ; n += thorough.Of(3, 1) {
				left := n
				store := failing{&disk{b: bytes.Clone(m.scene.store)}, &left, broken}
				origin := failing{&disk{b: bytes.Clone(m.scene.origin)}, &left, broken}
				p, err := m.planOn(store, origin)
				if err != nil {
					t.Fatal(err)
				}
				if err = p.Run(ctx, nil); err == nil {
					if n < 2*len(p.Stages) {
						t.Errorf("only %d steps of %d stages", n, len(p.Stages))
					}
					break
				}
				m.stopped(t, n, err, broken, store.b, origin.b)
			}
		})
	}
}

// TestInterruptedAtEveryStep: the same for an interrupt after each write.
func TestInterruptedAtEveryStep(t *testing.T) {
	for _, m := range mendings() {
		t.Run(m.name, func(t *testing.T) {
			for n := 1; ; n += thorough.Of(3, 1) {
				store, origin := &disk{b: bytes.Clone(m.scene.store)}, &disk{b: bytes.Clone(m.scene.origin)}
				p, err := m.planOn(store, origin)
				if err != nil {
					t.Fatal(err)
				}
				stop, cancel := context.WithCancel(ctx)
				writes := 0
				err = p.Run(stop, func(Progress) {
					if writes++; writes == n {
						cancel()
					}
				})
				cancel()
				if err == nil || writes < n { // it ran to its end
					if n < len(p.Stages) {
						t.Errorf("only %d writes in %d stages", n, len(p.Stages))
					}
					break
				}
				m.stopped(t, n, err, context.Canceled, store.b, origin.b)
			}
		})
	}
}

// stopped judges the state and the error of a run that stopped at its n-th
// step.
func (m mending) stopped(t *testing.T, n int, err, why error, store, origin []byte) {
	t.Helper()
	var stopped *Stopped
	if !errors.As(err, &stopped) || !errors.Is(err, why) || stopped.After == "" {
		t.Fatalf("step %d: %v", n, err)
	}
	if err := m.whole(m.scene, store, origin); err != nil {
		t.Fatalf("step %d: %v", n, err)
	}
	if err := m.again([][]byte{store, origin}); err != nil {
		t.Fatalf("step %d: %v", n, err)
	}
}

// unread is a device with an unreadable part.
type unread struct {
	*disk
	first, end int64
}

func (u unread) ReadAt(p []byte, off int64) (int, error) {
	if off < u.end && off+int64(len(p)) > u.first {
		return 0, syscall.EIO
	}
	return u.disk.ReadAt(p, off)
}

// TestNoPlanOfWhatCannotBeRead: the error does not call the store damaged.
func TestNoPlanOfWhatCannotBeRead(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, leaked: 13, mixed: true, seed: 2})
	g, _ := cow.NewGeometry(2)
	at := int64(g.RecordOffset(1, 0))
	var log []op
	d := unread{&disk{b: bytes.Clone(s.store), log: &log}, at, at + 1024}
	o := &disk{b: bytes.Clone(s.origin), log: &log}
	for name, plan := range map[string]func() error{
		"reclaim":    func() error { _, err := Reclaim(ctx, d, ReclaimOptions{}); return err },
		"repair":     func() error { _, err := Repair(ctx, d, RepairOptions{}); return err },
		"revalidate": func() error { _, err := Revalidate(ctx, d, RevalidateOptions{}); return err },
		"apply": func() error {
			_, _, err := Apply(ctx, d, o)
			return err
		},
		"compact": func() error { return compacted(d, &file{}, 0) },
	} {
		if err := plan(); !errors.Is(err, verify.ErrUnreadable) || errors.Is(err, verify.ErrDamaged) || len(log) > 0 {
			t.Errorf("%s: %v after %d writes", name, err, len(log))
		}
	}
}

// TestReclaimNeedsNotReadWhatLeaked: joined reads are split if they fail.
func TestReclaimNeedsNotReadWhatLeaked(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, leaked: 30, mixed: true, seed: 2})
	named := map[cow.Chunk]bool{}
	for _, e := range s.spec.Exceptions {
		named[e.New] = true
	}
	g, _ := cow.NewGeometry(2)
	leaked := g.DataChunk(89) // after what stays
	for leaked--; named[leaked] || g.IsMetadata(leaked); leaked-- {
	}
	at := int64(leaked) * 1024
	d := unread{&disk{b: bytes.Clone(s.store)}, at, at + 1024}
	p, err := Reclaim(ctx, d, ReclaimOptions{})
	mustRun(t, p, err)
	if !bytes.Equal(view(d.b, s.origin), s.shows) || verdict(d.b) != verify.Clean {
		t.Errorf("the store is %s, or the snapshot shows something else", verdict(d.b))
	}
}

// TestPlansOfDevicesThatEndEarly: what is past the end of a device is treated
// as missing, and nothing is written.
func TestPlansOfDevicesThatEndEarly(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, leaked: 13, mixed: true, seed: 2})
	shortStore, shortOrigin := s.store[:len(s.store)-20<<10], s.origin[:60<<10]
	for name, test := range map[string]struct {
		store, origin []byte
		plan          func(d, o *disk) error
	}{
		"reclaim":                 {shortStore, s.origin, func(d, _ *disk) error { _, err := Reclaim(ctx, d, ReclaimOptions{}); return err }},
		"repair":                  {shortStore, s.origin, func(d, _ *disk) error { _, err := Repair(ctx, d, RepairOptions{}); return err }},
		"revalidate":              {shortStore, s.origin, func(d, _ *disk) error { _, err := Revalidate(ctx, d, RevalidateOptions{}); return err }},
		"apply":                   {shortStore, s.origin, func(d, o *disk) error { _, _, err := Apply(ctx, d, o); return err }},
		"apply to a short origin": {s.store, shortOrigin, func(d, o *disk) error { _, _, err := Apply(ctx, d, o); return err }},
		"compact":                 {shortStore, s.origin, func(d, _ *disk) error { return compacted(d, &file{}, 0) }},
	} {
		var log []op
		d, o := &disk{b: bytes.Clone(test.store), log: &log}, &disk{b: bytes.Clone(test.origin), log: &log}
		if err := test.plan(d, o); err == nil || len(log) > 0 {
			t.Errorf("%s: %v after %d writes", name, err, len(log))
		}
	}
}

// TestTooLargeAFile: running the plan again does not help where the file system
// has no files of that size.
func TestTooLargeAFile(t *testing.T) {
	for err, again := range map[error]bool{syscall.EFBIG: false, syscall.EIO: true} {
		if stopped := (&Stopped{Err: err, Again: true}); errors.Is(stopped, ErrAgain) != again || !errors.Is(stopped, err) {
			t.Errorf("%v: the same plan does the rest: %v", err, !again)
		}
	}
}
