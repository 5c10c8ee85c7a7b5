package gate

// Known bugs of dm-snapshot: data about the kernels that have them, and one
// rule that reads it.

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Advisory is a known bug of dm-snapshot. Whether a kernel has it follows from
// the version of the target "snapshot" or, if the version leaves it open, from
// the kernel's release. Both are presumptions: vendors backport fixes without
// raising either.
type Advisory struct {
	ID    string
	Title string
	// Trace says how the bug shows in a store.
	Trace string
	// Sources are where the facts come from.
	Sources []string

	// Both are sorted, oldest first.
	versions []versionSpan // targets that have the bug, or may have it
	releases []releaseSpan // kernels that have it; nil if the version decides
}

// versionSpan is the versions from From up to, but not including, Before.
type versionSpan struct{ from, before Version }

// releaseSpan is the upstream releases from First to Last, both included.
type releaseSpan struct{ first, last release }

// unfixed are the versions without the leak fix, as in Judge.
var unfixed = []versionSpan{{Version{}, fixedBackport}, {leakySeries, fixedMainline}}

// LeakAdvisory is the ID of the advisory for the leak that Judge judges.
const LeakAdvisory = "snapshot-leak"

// unmended are all versions: no version is known to fix the bug.
var unmended = []versionSpan{{Version{}, Version{maxNumber + 1, 0, 0}}}

var advisories = []Advisory{
	{
		ID:       LeakAdvisory,
		Title:    "a crash can leave chunks of a COW store allocated that no exception names: their space is lost",
		Trace:    "the finding leaked-chunks",
		Sources:  []string{"Linux commit 230c83afdd9c (dm snapshot: avoid snapshot space leak on crash)", "LVM2: the same versions"},
		versions: unfixed,
	},
	{
		ID:       "CVE-2013-4299",
		Title:    "after a snapshot is activated again, data can be written over its metadata, and read from there by others",
		Trace:    "the finding chunk-is-metadata: an exception whose chunk is one of the metadata",
		Sources:  []string{"CVE-2013-4299 (Linux through 3.11.6)", "a version with the leak fix implies this one on mainline and stable kernels"},
		versions: unfixed,
		releases: []releaseSpan{{release{}, release{3, 11, 6, final}}},
	},
	{
		ID:      "last-area-garbage",
		Title:   "the last metadata area can be written with garbage after its exceptions",
		Trace:   "the finding stale-record, or one about chunks, in the last area",
		Sources: []string{"Linux commit 2c945820ca (dm snapshot: fix metadata corruption); in release candidates of 3.14 only"},
		// No version decides this, but 3.14 is between these two.
		versions: []versionSpan{{Version{1, 12, 0}, Version{1, 14, 0}}},
		releases: []releaseSpan{{release{3, 14, 0, 1}, release{3, 14, 0, final - 1}}},
	},
	{
		ID:       "handover-bug",
		Title:    "handing a snapshot's exception store over to a new table can stop the kernel (BUG_ON)",
		Trace:    "none in the store",
		Sources:  []string{"snapshot 1.13.0 and snapshot-merge 1.3.0 have the fixes; handover came with merging, in 1.9.0 (Linux 2.6.33)"},
		versions: []versionSpan{{Version{1, 9, 0}, Version{1, 13, 0}}},
	},
	{
		ID:       "unflushed-invalidation",
		Title:    "after a power cut, a snapshot that was invalidated can come back as valid, with wrong data",
		Trace:    "none in the store: it looks like a full one",
		Sources:  []string{"docs/crash-findings.md, 1: seen with snapshot target 1.16.0, Linux 6.1 to 7.2; no version is known to mend it"},
		versions: unmended,
	},
	{
		ID:       "unflushed-creation",
		Title:    "after a power cut, a new snapshot can show exceptions of an older store on its COW device",
		Trace:    "none in the store: it is whole, and not this snapshot's",
		Sources:  []string{"docs/crash-findings.md, 2: seen with snapshot target 1.16.0, Linux 6.1 to 7.2; no version is known to mend it"},
		versions: unmended,
	},
	{
		ID:       "torn-commit",
		Title:    "records that a power cut left of a torn commit can come alive at the next crash",
		Trace:    "the finding stale-record before, and duplicate-origin-chunk or nothing after",
		Sources:  []string{"docs/crash-findings.md, 3: seen with snapshot target 1.16.0, Linux 6.1 to 7.2; no version is known to mend it"},
		versions: unmended,
	},
}

// Advisories returns all known bugs, the leak first.
func Advisories() []Advisory { return append([]Advisory(nil), advisories...) }

// FindAdvisory returns the advisory with the given ID, in any case.
func FindAdvisory(id string) (Advisory, error) {
	ids := make([]string, len(advisories))
	for i, a := range advisories {
		if strings.EqualFold(a.ID, id) {
			return a, nil
		}
		ids[i] = a.ID
	}
	return Advisory{}, fmt.Errorf("no advisory %s; there are: %s", excerpt(id), strings.Join(ids, ", "))
}

// Applies is the answer to whether an advisory applies to a kernel.
type Applies uint8

const (
	CannotTell Applies = iota
	DoesNotApply
	DoesApply
)

// MarshalJSON writes true, false, or null if it is not known.
func (a Applies) MarshalJSON() ([]byte, error) {
	switch a {
	case DoesApply:
		return json.Marshal(true)
	case DoesNotApply:
		return json.Marshal(false)
	default:
		return json.Marshal(nil)
	}
}

// Evidence is what is known about a kernel.
type Evidence struct {
	// Version is the version of the target "snapshot", or nil if it is not
	// known.
	Version *Version
	// Release is the kernel's release ("6.1.0-47-amd64"), or "" if it is not
	// known.
	Release string
}

// Applies reports whether a kernel has the bug, as far as the evidence allows,
// and why.
func (a Advisory) Applies(e Evidence) (Applies, string) {
	if e.Version != nil && !e.Version.Possible() {
		return CannotTell, "cannot be told: no kernel has a target of this version"
	}
	if e.Version != nil && !e.Version.AtLeast(a.versions[0].from) {
		return DoesNotApply, "presumed not affected: the version is older than the bug"
	}
	if e.Version != nil && !spanned(a.versions, *e.Version) {
		return DoesNotApply, "presumed fixed by version"
	}
	if len(a.releases) == 0 {
		if e.Version == nil {
			return CannotTell, "cannot be told: the target's version is not known"
		}
		return DoesApply, "presumed affected by version"
	}
	r, err := parseRelease(e.Release)
	if err != nil {
		return CannotTell, "cannot be told: it goes by the kernel's release, which is not known"
	}
	if r.compare(a.releases[0].first) < 0 {
		return DoesNotApply, "presumed not affected: the kernel release is older than the bug"
	}
	for _, span := range a.releases {
		if r.compare(span.first) >= 0 && r.compare(span.last) <= 0 {
			return DoesApply, "presumed affected by kernel release"
		}
	}
	return DoesNotApply, "presumed fixed by kernel release"
}

func spanned(spans []versionSpan, v Version) bool {
	for _, s := range spans {
		if v.AtLeast(s.from) && !v.AtLeast(s.before) {
			return true
		}
	}
	return false
}

// release is an upstream release of Linux: 3.14-rc2 is {3, 14, 0, 2}, 3.14 is
// {3, 14, 0, final}.
type release struct{ major, minor, patch, candidate uint32 }

// final stands for "no release candidate", and comes after all of them.
const final = 1 << 16

func (r release) compare(other release) int {
	if order := (Version{r.major, r.minor, r.patch}).Compare(Version{other.major, other.minor, other.patch}); order != 0 {
		return order
	}
	return Version{Patch: r.candidate}.Compare(Version{Patch: other.candidate})
}

// parseRelease reads the upstream release at the start of a kernel's release:
// "3.14.0-rc2", "3.14-rc2-amd64", "3.14.0-0.rc2.git1.1.fc21", "6.1.0-47-amd64".
func parseRelease(text string) (release, error) {
	numbers, rest := [3]uint32{}, text
	for i := range numbers {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return release{}, fmt.Errorf("kernel release %s does not start with a version", excerpt(text))
		}
		numbers[i], rest = uint32(n), rest[len(digits):]
		next, dotted := strings.CutPrefix(rest, ".")
		if !dotted || next == "" || next[0] < '0' || next[0] > '9' {
			if i == 0 {
				return release{}, fmt.Errorf("kernel release %s does not start with a version", excerpt(text))
			}
			break
		}
		if i < 2 {
			rest = next
		}
	}
	r := release{numbers[0], numbers[1], numbers[2], final}
	for _, mark := range []string{"-rc", "~rc", "-0.rc"} {
		if after, ok := strings.CutPrefix(rest, mark); ok {
			digits := after[:len(after)-len(strings.TrimLeft(after, "0123456789"))]
			if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n < final {
				r.candidate = uint32(n)
			}
		}
	}
	return r, nil
}
