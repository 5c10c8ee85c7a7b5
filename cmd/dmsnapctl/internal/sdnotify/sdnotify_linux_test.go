package sdnotify

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func socketAt(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func environment(socket string) func(string) string {
	return func(name string) string {
		if name == "NOTIFY_SOCKET" {
			return socket
		}
		return ""
	}
}

func TestMessagesReachTheManager(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "notify"), "@dmsnapctl-test-" + filepath.Base(t.TempDir())} {
		manager := socketAt(t, socket)
		if err := New(environment(socket)).Send(Ready, Status("two\nlines")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		_ = manager.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := manager.Read(got)
		if want := "READY=1\nSTATUS=two lines"; err != nil || string(got[:n]) != want {
			t.Errorf("%s: %v, %q arrived, want %q", socket, err, got[:n], want)
		}
	}
}

func TestWithoutAManagerNothingIsSent(t *testing.T) {
	if err := New(environment("")).Send(Ready); err != nil {
		t.Error(err)
	}
	if err := (Notifier{}).Send(Watchdog); err != nil {
		t.Error(err)
	}
}

func TestAManagerThatIsNotThereIsAnError(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "gone"), "no/path"} {
		if err := New(environment(socket)).Send(Ready); err == nil {
			t.Errorf("%s: no error", socket)
		}
	}
}
