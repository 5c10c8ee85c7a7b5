//go:build linux

// The demonstration as a user sees it: both kernels side by side.

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// Show runs both kernels at once, and prints the steps side by side and then
// the two results. Then it shows streams of writes, if this machine can. The
// disks stay in dir.
func Show(ctx context.Context, w io.Writer, dir string) error {
	stock, leaky, err := Kernels(lab.UML)
	if err != nil {
		return err
	}
	stage, err := NewStage(dir)
	if err != nil {
		return err
	}
	defer stage.Close()

	table := &columns{w: w}
	table.row("", stock.Name, leaky.Name)
	endings, err := stage.PlayBoth(ctx, [2]Kernel{stock, leaky}, table.tell)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThe stores that were left: %s, %s\n\n", endings[0].Store, endings[1].Store)
	for _, e := range endings {
		fmt.Fprintln(w, e)
	}
	if err := Judge(endings[0], endings[1]); err != nil {
		return err
	}
	return stage.showStreams(ctx, w)
}

// showStreams prints the second scene if this machine has what it needs. It is
// no error if not: the first scene needs less.
func (s *Stage) showStreams(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "\nOut of order by themselves: 4 streams of writes on several CPUs\n")
	stock, leaky, err := Kernels(lab.QEMU)
	if err == nil {
		err = lab.QEMUAvailable()
	}
	if err != nil {
		fmt.Fprintf(w, "not shown: %v\n", err)
		return nil
	}
	fmt.Fprintf(w, "Linux %s; crashes at a random time, until the leaky kernel has leaked\n\n", stock.Release)
	table := columns{w: w}
	table.row("", stock.Name, leaky.Name)
	err = Streams{Stock: 1, Tries: 12}.Crash(ctx, s, [2]Kernel{stock, leaky}, func(n int, tries []Try) {
		cells := [2]string{}
		for i, t := range tries {
			cells[i+len(cells)-len(tries)] = t.String()
		}
		table.row(fmt.Sprintf("crash %d", n), cells[0], cells[1])
	})
	if errors.Is(err, errNoLeak) { // a matter of luck; a test tries more often
		fmt.Fprintf(w, "%v\n", err)
		return nil
	}
	return err
}

// PlayBoth runs the demonstration on two kernels at once. told is called with
// the kernel of each step.
func (s *Stage) PlayBoth(ctx context.Context, kernels [2]Kernel, told func(column int, step scene.Step, text string)) ([2]Ending, error) {
	var endings [2]Ending
	return endings, atOnce(ctx, len(kernels), func(ctx context.Context, i int) (err error) {
		endings[i], err = s.Play(ctx, kernels[i], func(step scene.Step, text string) { told(i, step, text) })
		return err
	})
}

// columns prints a step when both kernels have finished it.
type columns struct {
	mu   sync.Mutex
	w    io.Writer
	told [2][]cell
}

type cell struct {
	step scene.Step
	text string
}

func (c *columns) tell(column int, step scene.Step, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told[column] = append(c.told[column], cell{step, text})
	row := len(c.told[column]) - 1
	if other := c.told[1-column]; row < len(other) {
		c.row(string(step), c.told[0][row].text, c.told[1][row].text)
	}
}

func (c *columns) row(step, left, right string) {
	fmt.Fprintf(c.w, "%-12s %-34s %s\n", step, left, right)
}
