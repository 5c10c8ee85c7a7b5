//go:build linux

package demo

import (
	"context"
	"errors"
	"testing"
)

func TestAtOnce(t *testing.T) {
	broken := errors.New("broken")
	err := atOnce(t.Context(), 2, func(ctx context.Context, i int) error {
		if i == 0 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
		t.Errorf("one of two fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := atOnce(ctx, 2, func(ctx context.Context, _ int) error { return ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := atOnce(t.Context(), 1, func(context.Context, int) error { return nil }); err != nil {
		t.Error(err)
	}
}
