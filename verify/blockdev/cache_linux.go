package blockdev

// The page cache: how much it may take, and reading into it.

import (
	"context"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// CacheRoom is how many bytes Prefetch may read: half of the available memory,
// because what is written meanwhile takes some too. It is 0 if the file is read
// past the page cache.
func (d *File) CacheRoom() int64 {
	if d.direct {
		return 0
	}
	return System{}.AvailableMemory() / 2
}

const (
	prefetchBytes   = 4 << 20 // are asked for at once
	prefetchBuffer  = 256 << 10
	prefetchReaders = 4
)

// Prefetch reads a part of the file, in bytes, into the page cache, in order. It
// leaves out what cannot be read: whoever needs it gets the error. The only error
// is the context's.
func (d *File) Prefetch(ctx context.Context, offset, length int64) error {
	var next atomic.Int64
	next.Store(offset)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		null = nil
	} else {
		defer null.Close()
	}
	var readers sync.WaitGroup
	for range prefetchReaders {
		readers.Go(func() {
			for ctx.Err() == nil {
				at := next.Add(prefetchBytes) - prefetchBytes
				if at >= offset+length {
					return
				}
				d.readThrough(null, at, min(at+prefetchBytes, offset+length))
			}
		})
	}
	readers.Wait()
	return ctx.Err()
}

// readThrough reads from at to end into the page cache. The kernel may take only
// a part of the advice, or none: the pages are there once they have been read.
// null is the device, or nil.
func (d *File) readThrough(null *os.File, at, end int64) {
	_ = unix.Fadvise(int(d.f.Fd()), at, end-at, unix.FADV_WILLNEED)
	if at = d.sendTo(null, at, end); at >= end {
		return
	}
	buf := make([]byte, prefetchBuffer)
	for ; at < end; at += int64(len(buf)) {
		_, _ = d.f.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
	}
}

// sendTo sends the bytes from at to end to the null device, which reads them into
// the page cache without a copy of them. It returns where that ended: some file
// systems can't, and what cannot be read is not sent.
func (d *File) sendTo(null *os.File, at, end int64) (reached int64) {
	if null == nil {
		return at
	}
	for at < end {
		sent := 0
		err := Retry(func() (err error) {
			sent, err = unix.Sendfile(int(null.Fd()), int(d.f.Fd()), &at, int(end-at))
			return err
		})
		if err != nil || sent <= 0 {
			break
		}
	}
	return at
}

// AvailableMemory is how much memory this process and its part of the page cache
// can get without swapping, in bytes: what the kernel estimates (MemAvailable in
// /proc/meminfo), and no more than the control groups of the process allow. It is
// 0 if the kernel does not say.
func (s System) AvailableMemory() int64 {
	kib, ok := s.number("proc/meminfo", "MemAvailable:")
	if !ok {
		return 0
	}
	return min(min(kib, math.MaxInt64>>10)<<10, s.groupRoom())
}

// memoryGroups are the files of control groups that limit memory, in bytes.
type memoryGroups struct {
	controllers string // in the list of a process's groups
	mount       string
	used        string
	unused      string // in memory.stat: the part of used that the kernel takes back first
	limits      []string
}

// Those of both versions (Documentation/admin-guide/cgroup-v2.rst and
// cgroup-v1/memory.rst).
var memoryGroupKinds = []memoryGroups{
	{"", "sys/fs/cgroup", "memory.current", "inactive_file", []string{"memory.max", "memory.high"}},
	{"memory", "sys/fs/cgroup/memory", "memory.usage_in_bytes", "total_inactive_file", []string{"memory.limit_in_bytes"}},
}

// groupRoom is how much memory the control groups of this process leave it.
func (s System) groupRoom() int64 {
	room := int64(math.MaxInt64)
	text, err := os.ReadFile(s.path("proc/self/cgroup"))
	if err != nil { // a kernel without control groups
		return room
	}
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		for _, kind := range memoryGroupKinds {
			if controllers != kind.controllers {
				continue
			}
			for group = path.Clean("/" + group); ; group = path.Dir(group) {
				room = min(room, s.roomIn(path.Join(kind.mount, group), kind))
				if group == "/" {
					break
				}
			}
		}
	}
	return room
}

// roomIn is how much memory one group leaves.
func (s System) roomIn(dir string, kind memoryGroups) int64 {
	room := int64(math.MaxInt64)
	used, ok := s.number(path.Join(dir, kind.used), "")
	if !ok {
		return room
	}
	unused, _ := s.number(path.Join(dir, "memory.stat"), kind.unused)
	for _, name := range kind.limits {
		if limit, ok := s.number(path.Join(dir, name), ""); ok {
			room = min(room, max(0, limit-max(0, used-unused)))
		}
	}
	return room
}

// number is the number in a file behind a name at the start of a line. It must
// not be negative.
func (s System) number(file, name string) (n int64, ok bool) {
	text, err := os.ReadFile(s.path(file))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if name != "" && len(fields) > 0 && fields[0] == name {
			fields = fields[1:]
		} else if name != "" {
			continue
		}
		if len(fields) == 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		return n, err == nil && n >= 0
	}
	return 0, false
}
