package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// files is a room of plain files.
type files struct {
	dir   string
	err   error // the error that reads are reported to have had
	mu    sync.Mutex
	names map[string]bool
	open  int
	most  int // files at once
}

func (f *files) show(name string, v *View, failed func(error)) (string, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names == nil {
		f.names = map[string]bool{}
	}
	if f.names[name] {
		return "", nil, fmt.Errorf("the name %s is used again", name)
	}
	f.names[name] = true
	f.open++
	f.most = max(f.most, f.open)
	path := filepath.Join(f.dir, name)
	b := make([]byte, v.Size)
	if _, err := v.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", nil, err
	}
	if f.err != nil {
		failed(f.err)
	}
	return path, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
		_ = os.Remove(path)
	}, os.WriteFile(path, b, 0o600)
}

func (f *files) close() error { return nil }

// checkedIn explores in a room of plain files.
func checkedIn(t *testing.T, ctx context.Context, k *kernel, o Options, room *files) (*crash.Report, error) {
	t.Helper()
	if room.dir == "" {
		room.dir = t.TempDir()
	}
	if o.View == "" {
		o.View = crash.OriginView
	}
	l, opt := k.done()
	r, err := explore(ctx, l, opt, &o, room)
	if room.open != 0 {
		t.Errorf("%d images are still there", room.open)
	}
	return r, err
}

func checked(t *testing.T, k *kernel, o Options) *crash.Report {
	t.Helper()
	r, err := checkedIn(t, context.Background(), k, o, &files{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// three overwrites the first chunks, whose letters become X.
func three(t *testing.T) *kernel { return newKernel(t, letters(8)).with(3) }

func (k *kernel) with(n int) *kernel {
	for c := range n {
		k.overwrite(cow.Chunk(c), 'X')
	}
	return k
}

// TestGoodSnapshotIsCheckedOnce: all states of a snapshot that nobody wrote to
// show the same image, which is checked once.
func TestGoodSnapshotIsCheckedOnce(t *testing.T) {
	about := func(s *crash.Shown) []string { return []string{"VIEW=" + string(s.View), "STATE=" + s.State.String()} }
	r := checked(t, three(t), Options{Command: `test "$(head -c 1 {})" = a && test "$VIEW" = snapshot && test -n "$STATE"`, View: crash.SnapshotView, Environment: about})
	if r.Runs != 1 || r.CheckedStates < 4 || r.FailedChecks != 0 || r.UndecidedChecks != 0 || len(r.Failures) != 0 {
		t.Errorf("%+v", r.Checks)
	}
}

// TestFailingStatesAreNamed: the failures name states in which a chunk was
// overwritten, and reading these states from the log confirms that.
func TestFailingStatesAreNamed(t *testing.T) {
	l, opt := three(t).done()
	r := checked(t, three(t), Options{Command: `grep -q X {} && { echo found in {}; exit 7; } || exit 0`})
	if r.FailedChecks == 0 || r.FailedChecks >= r.CheckedStates || r.Runs > r.CheckedStates || len(r.Failures) == 0 {
		t.Fatalf("%+v", r.Checks)
	}
	f := r.Failures[0]
	if f.ExitStatus != 7 || f.Why != "exit status 7: found in {}" || f.Undecided {
		t.Errorf("%+v", f)
	}
	for i, f := range r.Failures {
		s, err := crash.ParseState(f.State)
		if err != nil {
			t.Fatal(err)
		}
		disk, err := crash.NewOverlay(l, s, opt.Base, opt.BaseSize)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, opt.Origin.Len*512)
		if _, err := disk.ReadAt(b, 0); err != nil || !strings.Contains(string(b), "X") {
			t.Errorf("failure %d, state %s: its origin holds no X (%v)", i, f.State, err)
		}
	}
	if !strings.HasPrefix(r.Headline(), "damaged: ") {
		t.Errorf("headline %q", r.Headline())
	}
}

// TestPathIsAppended if the command does not say where the path goes, even if
// a shell would split the path.
func TestPathIsAppended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `it's a "dir" $HOME`)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := checkedIn(t, context.Background(), three(t), Options{Command: "test -s"}, &files{dir: dir})
	if err != nil || r.FailedChecks != 0 || r.CheckedStates == 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestGoodStatuses(t *testing.T) {
	for _, test := range []struct {
		good   []int
		failed bool
	}{{nil, true}, {[]int{1}, false}, {[]int{2}, true}} {
		if r := checked(t, three(t), Options{Command: "exit 1;", Good: test.good}); (r.FailedChecks == r.CheckedStates) != test.failed || (r.FailedChecks == 0) == test.failed {
			t.Errorf("%v: %+v", test.good, r.Checks)
		}
	}
}

// TestNoAnswer: a checker that takes too long, is killed or could not read has
// given no answer.
func TestNoAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		command string
		limit   time.Duration
		reads   error
		why     string
	}{
		"too long":  {"sleep 60;", 200 * time.Millisecond, nil, "it took more than 200ms"},
		"killed":    {"echo words; kill -9 $$;", time.Minute, nil, "it was killed (signal: killed): words"},
		"its child": {"sh -c 'kill -9 $$'; exit $?;", time.Minute, nil, "it was killed (exit status 137): Killed"},
		"unread":    {"exit 1;", time.Minute, io.ErrUnexpectedEOF, "the image could not be read or written: unexpected EOF"},
	} {
		r, err := checkedIn(t, context.Background(), newKernel(t, letters(4)).with(1), Options{Command: test.command, Timeout: test.limit, View: crash.SnapshotView}, &files{err: test.reads})
		if err != nil {
			t.Fatal(err)
		}
		if r.UndecidedChecks != r.CheckedStates || r.FailedChecks != 0 || len(r.Failures) == 0 || r.Failures[0].Why != test.why || !r.Failures[0].Undecided {
			t.Errorf("%s: %+v", name, r.Checks)
		}
		if !strings.HasPrefix(r.Headline(), "undetermined: ") {
			t.Errorf("%s: headline %q", name, r.Headline())
		}
	}
}

func TestCheckerThatCannotBeRun(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"a-program-that-is-not-there", plain} {
		r, err := checkedIn(t, context.Background(), three(t), Options{Command: command, Good: []int{1}}, &files{})
		if !errors.Is(err, ErrUnusable) || r != nil {
			t.Errorf("%s: %v, %v", command, r, err)
		}
	}
	l, opt := three(t).done()
	for _, o := range []Options{{View: crash.DiskView}, {Command: " ", View: crash.DiskView}, {Command: "true", View: "all"}, {Command: "true", View: crash.DiskView, Timeout: -1}, {Command: "a\x00b", View: crash.DiskView}} {
		if _, err := Explore(context.Background(), l, opt, o); err == nil || errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}

// TestInterruptEndsTheGroup: everything that a checker has started ends, and
// the results until then are reported.
func TestInterruptEndsTheGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	pids := filepath.Join(t.TempDir(), "pids")
	done := make(chan struct{})
	var r *crash.Report
	var err error
	go func() {
		defer close(done)
		r, err = checkedIn(t, ctx, three(t), Options{Command: fmt.Sprintf("sleep 61 & echo $! >>%s; wait;", pids), Jobs: 1}, &files{})
	}()
	pid := ""
	for range 200 {
		b, _ := os.ReadFile(pids)
		if pid = strings.TrimSpace(string(b)); pid != "" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	<-done
	if !errors.Is(err, context.Canceled) || r == nil || r.CheckedStates != 0 {
		t.Errorf("%v, %+v", err, r)
	}
	if pid == "" || alive(pid) {
		t.Errorf("process %q lives on", pid)
	}
}

// alive reports whether a process runs.
func alive(pid string) bool {
	for range 100 {
		status, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(status), ") Z ") {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// TestWhatCheckersLeaveBehindEnds with the checker.
func TestWhatCheckersLeaveBehindEnds(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	checked(t, newKernel(t, letters(4)).with(1), Options{Command: fmt.Sprintf("sleep 62 >/dev/null 2>&1 & echo $! >>%s; exit 0;", pids), View: crash.SnapshotView})
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(b)) {
		if alive(pid) {
			t.Errorf("process %s lives on", pid)
		}
	}
}

// TestCheckersRunAtOnce: as many as there are jobs, and no more.
func TestCheckersRunAtOnce(t *testing.T) {
	room := &files{}
	if _, err := checkedIn(t, context.Background(), three(t), Options{Command: "sleep 0.1; test -s", Jobs: 3}, room); err != nil || room.most != 3 {
		t.Errorf("%d at once, %v", room.most, err)
	}
}

// TestShardsAddUp to what a single run finds.
func TestShardsAddUp(t *testing.T) {
	o := Options{Command: `grep -q XXXX {} && exit 1 || exit 0`, View: crash.DiskView}
	want := checked(t, three(t), o).Checks
	var parts []*crash.Report
	shards := thorough.Of(2, 3)
	for i := 1; i <= shards; i++ {
		l, opt := three(t).done()
		opt.Shard = crash.Shard{Index: i, Of: shards}
		r, err := explore(context.Background(), l, opt, &o, &files{dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, r)
	}
	sum, err := crash.Combine(parts)
	if err != nil {
		t.Fatal(err)
	}
	if got := sum.Checks; got.CheckedStates != want.CheckedStates || got.FailedChecks != want.FailedChecks || got.FailedChecks == 0 || got.Failures[0] != want.Failures[0] || got.Command != o.Command {
		t.Errorf("the sum is %+v, want %+v", got, want)
	}
	parts[1].Checks.Command = "another"
	if _, err := crash.Combine(parts); !errors.Is(err, crash.ErrCombine) {
		t.Errorf("parts of different checkers: %v", err)
	}
}

func TestTail(t *testing.T) {
	var s tail
	for range 1000 {
		_, _ = io.WriteString(&s, "0123456789\n")
	}
	_, _ = s.Write([]byte(strings.Repeat("x", 3*tailBytes) + "end\xff\n"))
	if got := s.after("said"); len(got) > tailBytes+10 || !strings.HasSuffix(got, "xend") || !strings.HasPrefix(got, "said: x") {
		t.Errorf("%d bytes: %.20q", len(got), got)
	}
}
