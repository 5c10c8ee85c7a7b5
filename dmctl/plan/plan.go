package plan

// Plans as data.

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Plan is what will be done, step by step. It is made from a look at the
// kernel's state and changes nothing until it is run.
type Plan struct {
	Title string
	// Notes are what the user should know before it is run.
	Notes []Note
	// Of is for those who make plans: what else they have to know of one.
	Of any

	steps []planned
	// commit is the number of steps that are undone when one of them fails.
	// The steps behind it only finish what cannot be taken back.
	commit int
	// independent has the steps behind the point of no return tried whatever
	// became of those before them.
	independent bool
	parts       []namedPlan
	// pause are the steps between which devices stay suspended, nil for none.
	pause *pause
}

// Note is a remark on a plan.
type Note struct {
	Text string
	// About is the error that says the same of an operation, where something
	// can be done about it; else nil. Name is the snapshot concerned.
	About error
	Name  string
}

func (n Note) String() string { return n.Text }

// planned is a step and its words as of the making of the plan: names change
// while it is run.
type planned struct {
	Step
	says string
}

// pause is a plan's, by the numbers of its first and its last step.
type pause struct {
	first, last int
	// inUse are those of the devices whose I/O somebody may be waiting for.
	// They may be resumed at any moment of the pause: what waits in them then is
	// the live table once more. Other suspended devices are left to recovery.
	inUse []blockdev.DevNo
}

// Independent is a plan whose steps are each tried, whatever became of those
// before them.
func Independent(title string) *Plan { return &Plan{Title: title, independent: true} }

// Add appends steps that are undone, in reverse, if a later one fails.
func (p *Plan) Add(steps ...Step) {
	p.append(steps)
	p.commit = len(p.steps)
}

// Finish appends steps behind the point of no return.
func (p *Plan) Finish(steps ...Step) { p.append(steps) }

func (p *Plan) append(steps []Step) {
	for _, s := range steps {
		p.steps = append(p.steps, planned{s, s.Says()})
	}
}

// BeginPause says that the next step is the first one of the pause, and which
// of the devices somebody may be using.
func (p *Plan) BeginPause(inUse ...blockdev.DevNo) {
	p.pause = &pause{first: len(p.steps), inUse: inUse}
}

// EndPause says that the step before was the last one of the pause.
func (p *Plan) EndPause() { p.pause.last = len(p.steps) - 1 }

// Note appends a remark.
func (p *Plan) Note(format string, args ...any) {
	p.Notes = append(p.Notes, Note{Text: fmt.Sprintf(format, args...)})
}

// NoteAbout is Note on a snapshot, or "", about which something can be done:
// what, about says.
func (p *Plan) NoteAbout(about error, name, format string, args ...any) {
	p.Notes = append(p.Notes, Note{Text: fmt.Sprintf(format, args...), About: about, Name: name})
}

// Steps says in words what the plan does, in order.
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

// Pause gives the numbers of the steps, counted from 0, between which devices
// stay suspended; ok is false where there are none.
func (p *Plan) Pause() (first, last int, ok bool) {
	if p.pause == nil {
		return 0, 0, false
	}
	return p.pause.first, p.pause.last, true
}

// String is the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", p.Title)
	for i, says := range p.Steps() {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, says)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}
