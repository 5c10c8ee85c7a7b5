// Which parts of an image are certain, in words.

package main

import (
	"fmt"
	"iter"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// rangesShown is how many ranges of a kind the text lists.
const rangesShown = 5

// extents are the ranges of one kind. Only the first ones are kept.
type extents struct {
	bytes int64
	n     int
	first []image.Span
}

func extentsOf(spans iter.Seq2[image.Span, error]) (e extents, err error) {
	for s, err := range spans {
		if err != nil {
			return e, err
		}
		e.bytes += s.Length
		if e.n++; e.n <= rangesShown {
			e.first = append(e.first, s)
		}
	}
	return e, nil
}

// String is "80 KiB in 20 ranges: bytes 0-4095, 12288-16383 and 18 more".
func (e extents) String() string {
	if e.n == 0 {
		return "nothing"
	}
	var shown []string
	for _, s := range e.first {
		shown = append(shown, fmt.Sprintf("%d-%d", s.Offset, s.End()-1))
	}
	text := fmt.Sprintf("%s in %s: bytes %s", count.Bytes(uint64(e.bytes)), count.Of(e.n, "range"), strings.Join(shown, ", "))
	if more := e.n - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// certainty is what is known about an image.
type certainty struct {
	certain, uncertain extents
	why                string // what the uncertain parts hold
	// guessed is the chunk size that the areas show, if the header is lost. Then
	// the certain parts are certain only if it is right.
	guessed cow.Sectors
}

func certaintyOf(im *image.Image, report *verify.Report, guessed cow.Sectors) (c certainty, err error) {
	c.guessed = guessed
	if c.certain, err = extentsOf(im.Certain()); err != nil {
		return c, err
	}
	c.uncertain, err = extentsOf(im.Uncertain())
	c.why = "there the image has what the origin holds now"
	if report.Usage != nil && report.Usage.Exceptions > 0 && c.certain.n == 0 {
		c.why = "damaged records may have put any chunk in the wrong place"
	}
	return c, err
}

// lines describes the ranges of both kinds for people; none if all is certain.
func (c certainty) lines() []string {
	switch {
	case c.guessed > 0:
		return []string{fmt.Sprintf("certain, if the chunk size of %s is right  %s", count.Of(c.guessed, "sector"), c.certain), "uncertain  " + c.uncertain.String()}
	case c.uncertain.n == 0:
		return nil
	}
	return []string{"certain    " + c.certain.String(), "uncertain  " + c.uncertain.String()}
}

// header is "guessed", or "" if the store has its header.
func (c certainty) header() string {
	if c.guessed > 0 {
		return "guessed"
	}
	return ""
}

// code is the exit code of a command that made the image. If the image rests
// on an assumption, that is not a success.
func (c certainty) code() error {
	if c.uncertain.n == 0 && c.guessed == 0 {
		return nil
	}
	return exitStatus(exitWarning)
}

// warn says on stderr that parts of the image are not certain.
func (c certainty) warn(o *console, path string) {
	if c.uncertain.n > 0 {
		o.warnf("%s %s: %d of %d bytes are not certain: %s", o.command, path, c.uncertain.bytes, c.uncertain.bytes+c.certain.bytes, c.why)
	}
}
