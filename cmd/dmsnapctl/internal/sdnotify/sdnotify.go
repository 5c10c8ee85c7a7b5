// Package sdnotify tells the service manager how a service is, as
// sd_notify(3) does. It knows one datagram socket and nothing of services.
package sdnotify

import (
	"fmt"
	"strings"
)

// The messages that sd_notify(3) knows and we send.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Watchdog = "WATCHDOG=1"
)

// Status is the message that says in words what a service does.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Notifier sends messages to the service manager. The zero value has nobody to
// send them to, and is usable.
type Notifier struct{ socket string }

// New is a notifier for the socket that the service manager named in
// NOTIFY_SOCKET; getenv is os.Getenv.
func New(getenv func(string) string) Notifier { return Notifier{getenv("NOTIFY_SOCKET")} }

// Send sends messages in one datagram. Without a service manager it does
// nothing.
func (n Notifier) Send(messages ...string) error {
	if n.socket == "" {
		return nil
	}
	if n.socket[0] != '/' && n.socket[0] != '@' {
		return fmt.Errorf("notify the service manager: NOTIFY_SOCKET is %q, which is no path", n.socket)
	}
	if err := send(n.socket, []byte(strings.Join(messages, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager at %s: %w", n.socket, err)
	}
	return nil
}
