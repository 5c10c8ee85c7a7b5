// The machine's console: the kernel's messages are passed on, and their end is
// kept.

//go:build linux

package lab

import (
	"io"
	"sync"
)

// consoleKept is how many bytes of the console's end are kept for a [Failure]:
// enough for an oops with its trace.
const consoleKept = 16 << 10

// console passes its input on to a writer and keeps the end of it.
type console struct {
	mu   sync.Mutex
	tail []byte
	next io.Writer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail = append(c.tail, p...)
	if extra := len(c.tail) - consoleKept; extra > 0 {
		c.tail = c.tail[extra:]
	}
	if c.next != nil {
		return c.next.Write(p)
	}
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.tail)
}
