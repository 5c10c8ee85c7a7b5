// Interruption: what waits for a person or a pipe ends when a signal comes.

package main

import "context"

// interruptible runs wait, which may block for as long as it likes, until ctx
// ends; what wait does after that is nobody's business any more.
func interruptible(ctx context.Context, wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
