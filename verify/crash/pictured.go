// Pictured: what a part of an exploration keeps for the pictures of the whole,
// which have no log.

package crash

import "errors"

// Pictured is what the report of a part passes on, so that the sum of all parts
// can be drawn.
type Pictured struct {
	// Timeline has a letter for each entry of the log, those of TimelineText; a
	// dot is something else.
	Timeline string `json:"timeline"`
	// Epochs are all epochs of the part, like Report.Windows.
	Epochs []Window `json:"epochs"`
	// States are the part's first failures, with the entries of their epochs.
	States []DrawnState `json:"states"`
}

// DrawnState is a state, and which parts of its epoch are durable in it.
type DrawnState struct {
	State   string       `json:"state"`
	Entries []DrawnEntry `json:"entries"`
}

// KeepPictures keeps what the report can draw in Pictured, for its JSON form.
func (r *Report) KeepPictures() {
	letters := make([]byte, len(r.Timeline))
	for i, m := range r.Timeline {
		letters[i] = letterOf(m)
	}
	p := &Pictured{Timeline: string(letters), Epochs: append([]Window{}, r.Epochs...), States: []DrawnState{}}
	keep := func(state string) {
		if r.Drawn != nil {
			p.States = append(p.States, DrawnState{state, r.Drawn(state)})
		}
	}
	if r.FirstFailure != nil {
		keep(r.FirstFailure.State)
	}
	if len(r.Failures) > 0 {
		keep(r.Failures[0].State)
	}
	r.Pictured = p
}

// errPictures means that a report's pictures are not those of its log.
var errPictures = errors.New("has pictures that do not fit its log")

// moments checks what a report keeps for pictures, and returns its timeline.
func (r *Report) moments() ([]Moment, error) {
	p := r.Pictured
	moments := make([]Moment, len(p.Timeline))
	for i := range moments {
		m, known := momentBy(p.Timeline[i])
		if !known {
			return nil, errPictures
		}
		moments[i] = m
	}
	if len(moments) != r.Entries {
		return nil, errPictures
	}
	for _, list := range [][]Window{p.Epochs, r.Windows} {
		for _, w := range list {
			if w.From < 0 || w.To < w.From || w.To > r.Entries {
				return nil, errPictures
			}
		}
	}
	for _, s := range p.States {
		if len(s.Entries) > mostDrawn {
			return nil, errPictures
		}
		for _, d := range s.Entries {
			if len(d.New) > mostDrawnBlocks {
				return nil, errPictures
			}
		}
	}
	return moments, nil
}

// otherLetter is the letter of entries that have no lane.
const otherLetter = '.'

func letterOf(m Moment) byte {
	for _, lane := range lanes {
		if lane.moment == m {
			return lane.letter
		}
	}
	return otherLetter
}

// momentBy is the moment of a letter.
func momentBy(letter byte) (m Moment, known bool) {
	for _, lane := range lanes {
		if lane.letter == letter {
			return lane.moment, true
		}
	}
	return OtherMoment, letter == otherLetter
}
