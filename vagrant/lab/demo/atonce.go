//go:build linux

package demo

import (
	"context"
	"errors"
	"sync"
)

// both does something for two kernels at once. If one fails, the other is
// interrupted, because one kernel alone shows nothing.
func both(ctx context.Context, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var errs [2]error
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			if errs[i] = do(ctx, i); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		if errors.Is(err, context.Canceled) && errs[1-i] != nil {
			errs[i] = nil // only a consequence of the other's failure
		}
	}
	return errors.Join(errs[:]...)
}
