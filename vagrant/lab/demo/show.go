//go:build linux

// The demonstration as a user sees it: both kernels side by side.

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// Show runs both kernels at once, and prints the steps side by side and then
// the two results. The disks stay in dir.
func Show(ctx context.Context, w io.Writer, dir string) error {
	stock, leaky, err := Kernels()
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
	return Judge(endings[0], endings[1])
}

// PlayBoth runs the demonstration on two kernels at once. told is called with
// the kernel of each step.
func (s *Stage) PlayBoth(ctx context.Context, kernels [2]Kernel, told func(column int, step scene.Step, text string)) ([2]Ending, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		endings [2]Ending
		errs    [2]error
		both    sync.WaitGroup
	)
	for i, k := range kernels {
		both.Go(func() {
			endings[i], errs[i] = s.Play(ctx, k, func(step scene.Step, text string) { told(i, step, text) })
			if errs[i] != nil {
				cancel() // one kernel alone shows nothing
			}
		})
	}
	both.Wait()
	for i, err := range errs {
		if errors.Is(err, context.Canceled) && errs[1-i] != nil {
			errs[i] = nil // only a consequence of the other's failure
		}
	}
	return endings, errors.Join(errs[:]...)
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
