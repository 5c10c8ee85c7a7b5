package gate

// The rule: which versions of the target "snapshot" have the fix for the
// snapshot space leak.

import "fmt"

// Verdict is whether the snapshot space leak on a crash is fixed.
type Verdict uint8

const (
	// Unknown means that no version could be read.
	Unknown Verdict = iota
	// Fixed means that exceptions are completed in the order of their
	// allocation, so that a crash leaves no hole in the COW store.
	Fixed
	// Leaky means that a crash can leave allocated chunks that no exception
	// names.
	Leaky
)

// String returns "fixed", "leaky" or "unknown".
func (v Verdict) String() string {
	switch v {
	case Fixed:
		return "fixed"
	case Leaky:
		return "leaky"
	default:
		return "unknown"
	}
}

// MarshalText makes a Verdict a JSON string.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, verdict := range []Verdict{Unknown, Fixed, Leaky} {
		if verdict.String() == string(text) {
			*v = verdict
			return nil
		}
	}
	return fmt.Errorf("verdict %s is none of fixed, leaky, unknown", excerpt(string(text)))
}

// The versions with the fix: Linux commit 230c83afdd9c ("dm snapshot: avoid
// snapshot space leak on crash") went into mainline as 1.12.0 and into a stable
// 1.10 series as 1.10.2. The 1.11 series never had it.
var (
	fixedMainline = Version{1, 12, 0}
	fixedBackport = Version{1, 10, 2}
	leakySeries   = Version{1, 11, 0}
)

// Judge applies the rule of the leak fix to a version of the target "snapshot":
// fixed from 1.12.0 on, and in 1.10.x with x >= 2. The verdict on a version
// that no target can have is Unknown. The second result says in one sentence
// which part of the rule decided.
//
// The verdict follows from the version alone: a vendor can backport the fix
// without raising the version. LVM2 applies the same rule.
func Judge(v Version) (Verdict, string) {
	switch {
	case !v.Possible():
		return Unknown, fmt.Sprintf("snapshot target %v is a version that no kernel has: its numbers are too large", v)
	case v.AtLeast(fixedMainline):
		return Fixed, fmt.Sprintf("snapshot target %v is %v or newer, the version that brought the leak fix", v, fixedMainline)
	case v.AtLeast(leakySeries):
		return Leaky, fmt.Sprintf("snapshot target %v is in series 1.11, which never got the leak fix", v)
	case v.AtLeast(fixedBackport):
		return Fixed, fmt.Sprintf("snapshot target %v is in series 1.10, which has the backported leak fix from %v on", v, fixedBackport)
	default:
		return Leaky, fmt.Sprintf("snapshot target %v is older than %v, the oldest version with the leak fix", v, fixedBackport)
	}
}

// Worst returns the worst verdict for a machine: leaky, then unknown, then
// fixed. Without verdicts it is unknown.
func Worst(verdicts ...Verdict) Verdict {
	if len(verdicts) == 0 {
		return Unknown
	}
	worst := Fixed
	for _, v := range verdicts {
		switch {
		case v == Leaky:
			return Leaky
		case v != Fixed:
			worst = Unknown
		}
	}
	return worst
}
