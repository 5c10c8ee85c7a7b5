//go:build linux

package demo

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// atOnce does something for n kernels at once. If one fails, the others are
// interrupted, because one kernel alone shows nothing.
func atOnce(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			if errs[i] = do(inner, i); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	err := errors.Join(errs...)
	if ctx.Err() != nil {
		return err
	}
	// The other interruptions are only consequences of a failure.
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, context.Canceled) })...)
}
