// Shards: parts of an exploration that are explored separately, and the ID by
// which their reports are known to belong together.

package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Shard is part Index, counted from 1, of Of parts of an exploration: every
// Of-th epoch. The zero value is the whole exploration.
type Shard struct{ Index, Of int }

// maxShards is the most parts.
const maxShards = 1 << 20

// ParseShard parses I/N.
func ParseShard(text string) (Shard, error) {
	index, of, ok := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(of)
	if !ok || err1 != nil || err2 != nil || n < 1 || i < 1 || i > n || n > maxShards {
		return Shard{}, fmt.Errorf("%q is not a shard: one is I/N, as in 2/8", text)
	}
	return Shard{i, n}, nil
}

func (s Shard) String() string {
	if s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Of)
}

// MarshalText implements encoding.TextMarshaler.
func (s Shard) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Shard) UnmarshalText(text []byte) (err error) {
	*s = Shard{}
	if len(text) > 0 {
		*s, err = ParseShard(string(text))
	}
	return err
}

// has reports whether an epoch belongs to the shard.
func (s Shard) has(epoch int) bool { return s.Of == 0 || epoch%s.Of == s.Index-1 }

// id identifies the log and the options that decide what is explored. Reports
// of the same exploration have the same id.
func (x *exploration) id() string {
	sum := sha256.New()
	for _, e := range x.log.Entries() {
		fmt.Fprintln(sum, e)
	}
	if x.upper != nil {
		for _, e := range x.upper.log.Entries() {
			fmt.Fprintln(sum, x.upper.view, e)
		}
	}
	o := x.opt
	fmt.Fprintln(sum, o.Origin, o.COW, o.BaseSize, o.Base != nil, o.FromMark, o.Expect, o.reorder(), o.exhaustive(), o.Crashes, o.Seed,
		o.ReadOnlySnapshot, o.SnapshotWritten, o.OriginUnwritten)
	fmt.Fprintln(sum, o.DiscardsPassedDown, o.Grown)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
