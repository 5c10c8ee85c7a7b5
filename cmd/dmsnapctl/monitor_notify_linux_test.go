package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// The service manager is told once that the monitor is ready, and then of each
// look.
func TestMonitorTellsTheServiceManager(t *testing.T) {
	onMachine(t, dmtest.New())
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan int, 1)
	go func() {
		_, _, code := commanded(ctx, "monitor", "--interval", "1ms")
		ended <- code
	}()
	for i := range 3 {
		_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
		message := make([]byte, 1000)
		n, err := manager.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		got := "\n" + string(message[:n]) + "\n"
		if !strings.Contains(got, "\nWATCHDOG=1\n") || strings.Contains(got, "\nREADY=1\n") != (i == 0) {
			t.Errorf("message %d is %q, want the watchdog's, and READY in the first", i, got)
		}
	}
	cancel(signalled{syscall.SIGTERM})
	if code := <-ended; code != exitFine {
		t.Errorf("exit code %d", code)
	}
}
