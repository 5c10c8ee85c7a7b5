// Package sdnotify sends the state of a service to the service manager, as
// sd_notify(3) does. It knows one datagram socket, and nothing about services.
package sdnotify

import (
	"fmt"
	"strings"
)

// Messages of sd_notify(3) that we send.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Watchdog = "WATCHDOG=1"
)

// Status returns the message that describes in words what a service does.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Notifier sends messages to the service manager. The zero value is usable, and
// sends nothing.
type Notifier struct{ socket string }

// New returns a notifier for the socket in NOTIFY_SOCKET, which the service
// manager sets; getenv is os.Getenv.
func New(getenv func(string) string) Notifier { return Notifier{getenv("NOTIFY_SOCKET")} }

// Send sends messages in one datagram. Without a service manager it does
// nothing.
func (n Notifier) Send(messages ...string) error {
	if n.socket == "" {
		return nil
	}
	if n.socket[0] != '/' && n.socket[0] != '@' {
		return fmt.Errorf("notify the service manager: NOTIFY_SOCKET is %q, not a path", n.socket)
	}
	if err := send(n.socket, []byte(strings.Join(messages, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager at %s: %w", n.socket, err)
	}
	return nil
}
