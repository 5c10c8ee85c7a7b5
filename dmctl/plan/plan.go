package plan

// Plans as data.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Plan lists what will be done, step by step. It is made from the kernel's
// current state and changes nothing until it is run.
type Plan struct {
	Title string
	// Notes are what the user should know before the plan is run.
	Notes []Note
	// Of holds data for the maker of the plan.
	Of any

	steps []planned
	// commit is the number of steps that are undone if one of them fails. The
	// steps after it only finish what cannot be undone.
	commit int
	// independent says that every step after the point of no return is tried,
	// even if earlier ones failed.
	independent bool
	parts       []namedPlan
	// pause holds the steps between which devices stay suspended, nil for none.
	pause *pause
}

// Note is a remark on a plan.
type Note struct {
	Text string
	// About is the error for the same condition in an operation, if something
	// can be done about it; otherwise nil. Name is the snapshot concerned.
	About error
	Name  string
}

func (n Note) String() string { return n.Text }

// planned is a step and its words when the plan was made: names change while it
// runs.
type planned struct {
	Step
	says string
}

// pause is given by the numbers of its first and its last step.
type pause struct {
	first, last int
	// inUse are the devices whose I/O somebody may be waiting for. They may be
	// resumed at any moment of the pause: only a copy of the live table can be
	// waiting in them. Other suspended devices are left to recovery.
	inUse []blockdev.DevNo
}

// Independent returns a plan in which every step is tried, even if earlier ones
// fail.
func Independent(title string) *Plan { return &Plan{Title: title, independent: true} }

// Add appends steps that are undone, in reverse, if a later one fails.
func (p *Plan) Add(steps ...Step) {
	p.append(steps)
	p.commit = len(p.steps)
}

// Finish appends steps after the point of no return.
func (p *Plan) Finish(steps ...Step) { p.append(steps) }

func (p *Plan) append(steps []Step) {
	for _, s := range steps {
		p.steps = append(p.steps, planned{s, s.Says()})
	}
}

// BeginPause says that the pause begins with the next step, and which devices
// may be in use.
func (p *Plan) BeginPause(inUse ...blockdev.DevNo) {
	p.pause = &pause{first: len(p.steps), inUse: inUse}
}

// EndPause says that the pause ended with the last appended step.
func (p *Plan) EndPause() { p.pause.last = len(p.steps) - 1 }

// Note appends a remark.
func (p *Plan) Note(format string, args ...any) {
	p.Notes = append(p.Notes, Note{Text: fmt.Sprintf(format, args...)})
}

// NoteAbout is Note on a snapshot, or "", about a condition that the user can
// act on; about says which.
func (p *Plan) NoteAbout(about error, name, format string, args ...any) {
	p.Notes = append(p.Notes, Note{Text: fmt.Sprintf(format, args...), About: about, Name: name})
}

// Steps describes the plan's steps, in order.
func (p *Plan) Steps() []string {
	says := make([]string, 0, len(p.steps))
	add := func(steps []planned) {
		for _, s := range steps {
			says = append(says, s.says)
		}
	}
	add(p.steps[:p.commit])
	for _, part := range p.parts {
		says = append(says, part.Steps()...)
	}
	add(p.steps[p.commit:])
	return says
}

// Pause returns the numbers of the steps, counted from 0, between which devices
// stay suspended; ok is false if there are none.
func (p *Plan) Pause() (first, last int, ok bool) {
	if p.pause == nil {
		return 0, 0, false
	}
	return p.pause.first, p.pause.last, true
}
