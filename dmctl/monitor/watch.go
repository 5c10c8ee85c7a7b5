package monitor

// Events from successive looks at the snapshots. There is no clock and no
// kernel here.

import (
	"fmt"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// EventKind is what happened to a snapshot.
type EventKind string

const (
	EventAppeared  EventKind = "appeared"
	EventGone      EventKind = "gone"
	EventState     EventKind = "state"     // the state changed
	EventThreshold EventKind = "threshold" // the store is as full as the threshold, or fuller
	EventBelow     EventKind = "below"     // it is well below the threshold again
	EventGrown     EventKind = "grown"     // the monitor has made its store larger
	EventReplaced  EventKind = "replaced"  // another snapshot now has the name
)

// Event is something that happened to a snapshot.
type Event struct {
	Time     time.Time
	Kind     EventKind
	Was      string // the state before, for EventState
	Message  string
	Snapshot dmctl.Snapshot // as it is now; as it was, for EventGone
	// FullIn is when the store will be full at the current rate, or 0 if it
	// does not fill up.
	FullIn time.Duration
}

// hysteresis is how far the store must fall below the threshold, in percent of
// its size, before crossing it again is an event.
const hysteresis = 5

// forecastWindow is the time over which the current rate is measured.
const forecastWindow = time.Minute

// watcher remembers what it saw of each snapshot.
type watcher struct {
	threshold float64
	seen      map[string]*watched
}

type watched struct {
	last    dmctl.Snapshot
	above   bool
	samples []sample
	present bool
}

type sample struct {
	at        time.Time
	allocated cow.Sectors
}

func newWatcher(threshold float64) *watcher {
	return &watcher{threshold: threshold, seen: map[string]*watched{}}
}

// observe compares a look with the previous one.
func (w *watcher) observe(now time.Time, snapshots []dmctl.Snapshot) []Event {
	var events []Event
	for _, s := range w.seen {
		s.present = false
	}
	for _, s := range snapshots {
		events = append(events, w.one(now, s)...)
	}
	for name, seen := range w.seen {
		if !seen.present {
			delete(w.seen, name)
			events = append(events, Event{Time: now, Kind: EventGone, Snapshot: seen.last, Message: fmt.Sprintf("%s is gone", name)})
		}
	}
	return events
}

func (w *watcher) one(now time.Time, s dmctl.Snapshot) []Event {
	seen, was := w.remember(now, s)
	event := func(kind EventKind, was, format string, args ...any) Event {
		return Event{Time: now, Kind: kind, Was: was, Snapshot: s, FullIn: w.FullIn(s.Name), Message: fmt.Sprintf(format, args...)}
	}
	var events []Event
	switch {
	case was == nil:
		events = append(events, event(EventAppeared, "", "%s is there, %s", s.Name, s.State))
	case was.UUID != s.UUID:
		events = append(events, event(EventReplaced, "", "%s is another snapshot now, %s", s.Name, s.State))
	case was.State != s.State:
		events = append(events, event(EventState, was.State, "%s is %s, it was %s", s.Name, s.State, was.State))
	}
	if s.State != table.Active.String() {
		return events
	}
	switch {
	case !seen.above && s.UsedPercent >= w.threshold:
		seen.above = true
		events = append(events, event(EventThreshold, "", "%s is %.1f%% full%s", s.Name, s.UsedPercent, inTime(w.FullIn(s.Name))))
	case seen.above && s.UsedPercent < w.threshold-hysteresis:
		seen.above = false
		events = append(events, event(EventBelow, "", "%s is %.1f%% full again", s.Name, s.UsedPercent))
	}
	return events
}

// remember records a look at a snapshot and returns what it knew of this name
// before, or nil. Only an active store continues to fill at its previous rate.
func (w *watcher) remember(now time.Time, s dmctl.Snapshot) (seen *watched, was *dmctl.Snapshot) {
	seen = w.seen[s.Name]
	if seen != nil {
		last := seen.last
		was = &last
	}
	if was == nil || was.UUID != s.UUID {
		seen = &watched{}
		w.seen[s.Name] = seen
	}
	seen.present, seen.last = true, s
	if s.State == table.Active.String() {
		seen.sample(now, s.Allocated)
	} else {
		seen.samples = nil
	}
	return seen, was
}

func inTime(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(", and will be full in %v at the present rate", d.Round(time.Second))
}

// sample keeps the looks needed for the rate: those in the last window, and one
// before it.
func (s *watched) sample(now time.Time, allocated cow.Sectors) {
	s.samples = append(s.samples, sample{now, allocated})
	for len(s.samples) > 2 && now.Sub(s.samples[1].at) >= forecastWindow {
		s.samples = s.samples[1:]
	}
}

// FullIn forecasts when a snapshot's store will be full at the rate of the last
// window. It returns 0 if the store does not fill up or too little was seen.
func (w *watcher) FullIn(name string) time.Duration {
	s := w.seen[name]
	if s == nil || len(s.samples) < 2 {
		return 0
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	elapsed := last.at.Sub(first.at)
	if last.allocated <= first.allocated || elapsed <= 0 || s.last.Total <= last.allocated {
		return 0
	}
	left := float64(s.last.Total-last.allocated) / float64(last.allocated-first.allocated)
	const most = 100 * 365 * 24 * time.Hour
	return time.Duration(min(left*float64(elapsed), float64(most)))
}
