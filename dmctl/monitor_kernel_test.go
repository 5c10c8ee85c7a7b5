//go:build linux && kernel

package dmctl

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// A snapshot's life as the monitor tells it.
func TestMonitor(t *testing.T) {
	c, disks := scratch(t)
	cow := pieces(t, c, disks[1], "cow", 1)[0]
	second, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- second.Monitor(ctx, MonitorOptions{Threshold: 50}, func(e Event) error {
			events <- fmt.Sprintf("%s %s %s", e.Kind, e.Snapshot.Name, e.Snapshot.State)
			return nil
		})
	}()
	// next waits for an event, past those of the steps of a create.
	next := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-events:
				if got == want {
					return
				}
				t.Logf("passed over: %s", got)
			case <-ctx.Done():
				t.Fatalf("no event %q", want)
			}
		}
	}
	for range 2 { // it survives removal and creation anew
		create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: cow, ChunkSize: 8, Overflow: true, Force: true})
		next("appeared s active")
		fill(t, "/dev/mapper/s-origin", 0, mib*3/4, 1)
		next("threshold s active")
		f, err := os.OpenFile("/dev/mapper/s", os.O_WRONLY|os.O_SYNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(noise(mib, 4), 4*mib); err == nil {
			t.Error("a write through a full snapshot succeeded")
		}
		f.Close()
		next("state s overflow")
		fill(t, "/dev/mapper/s-origin", 6*mib, mib, 5)
		next("state s invalid")
		remove(t, c, "s")
		next("gone s invalid")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
