package verify

import (
	"errors"
	"fmt"
	"slices"
)

// The reasons why a store is not used as it is. Errors of Report.Err wrap one of
// them.
var (
	// ErrNotStore says that there is no COW store of a known format.
	ErrNotStore = errors.New("not a COW store")
	// ErrHeaderLost says that there is no header, but the areas of a store.
	ErrHeaderLost = errors.New("the header is lost")
	// ErrUnreadable says that a part of the store's list could not be read.
	ErrUnreadable = errors.New("not all of the store can be read")
	// ErrInvalid says that the kernel has invalidated the snapshot: the content
	// is uncertain where the store has no copy.
	ErrInvalid = errors.New("the store is invalid")
	// ErrDamaged says that exceptions cannot be right.
	ErrDamaged = errors.New("the store is damaged")
)

// Err is the reason why the store is not used as it is; nil if it can be used,
// as one with leaked chunks or stale records can. A fresh, empty store can be
// used too. Findings with an allowed code are no reason.
func (r *Report) Err(allowed ...Code) error {
	switch {
	case r.Verdict == Empty:
		return nil
	case r.Counts[HeaderLost] > 0:
		return fmt.Errorf("%w: %s", ErrHeaderLost, r.said(func(f Finding) bool { return f.Code == HeaderLost }, HeaderLost))
	case r.Usage == nil:
		return fmt.Errorf("%w: %s", ErrNotStore, r.Reason())
	case r.Unreadable(): // no matter what else is there
		return fmt.Errorf("%w: %s", ErrUnreadable, r.said(func(f Finding) bool { return f.Code == UnreadableArea }, UnreadableArea))
	}
	bad := func(c Code) bool { return SeverityOf(c) == Error && !slices.Contains(allowed, c) }
	why := ErrDamaged
	if bad(SnapshotInvalid) && r.Counts[SnapshotInvalid] > 0 {
		why = ErrInvalid
	}
	for code, n := range r.Counts {
		if n > 0 && bad(code) {
			return fmt.Errorf("%w: %s", why, r.said(func(f Finding) bool { return bad(f.Code) }, code))
		}
	}
	return nil
}

// Reason is the message of the first error that was found, or the verdict if
// there is none.
func (r *Report) Reason() string {
	return r.said(func(f Finding) bool { return f.Severity == Error }, Code(r.Verdict))
}

// said is the message of the first finding of a kind; without one, as not all
// findings are listed, it is other.
func (r *Report) said(kind func(Finding) bool, other Code) string {
	if i := slices.IndexFunc(r.Findings, kind); i >= 0 {
		return r.Findings[i].Message
	}
	return string(other)
}
