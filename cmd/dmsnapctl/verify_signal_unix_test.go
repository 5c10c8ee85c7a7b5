//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

func TestSIGUSR1AsksForProgress(t *testing.T) {
	r, w := io.Pipe()
	p := startProgress(&console{err: w}, "store")
	p.update(verify.Progress{Area: 7, Areas: 9, ChunkBytes: 4096, Pass: 1})
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "dmsnapctl: verify store: area 7 of at most 9, ") {
		t.Errorf("line %q, %v", line, err)
	}
	p.stop()
}

// TestInterruptedVerify: an interrupt ends verify with 130 and what is known.
func TestInterruptedVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 1000)...)}
	if err := os.WriteFile(path, store.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(context.Background())
	interrupt()
	var out, errs strings.Builder
	code := run(ctx, []string{"dmsnapctl", "verify", "--json", path}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != exitInterrupted {
		t.Errorf("exit code %d, stderr %q", code, errs.String())
	}
	var r verify.Report
	if err := json.NewDecoder(strings.NewReader(out.String())).Decode(&r); err != nil || !r.Partial || r.Header == nil {
		t.Errorf("report %+v, %v, of %q", r, err, out.String())
	}
	if n := strings.Count(errs.String(), "\n"); n != 1 || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("stderr %q", errs.String())
	}

	// map cannot show a part, and draws nothing.
	picture := filepath.Join(t.TempDir(), "picture.svg")
	for _, args := range [][]string{{"map", path, "-o", picture}, {"verify", "--quiet", path, "--map", picture}} {
		errs.Reset()
		code = run(ctx, append([]string{"dmsnapctl"}, args...), streams{in: strings.NewReader(""), out: io.Discard, err: &errs})
		if code != exitInterrupted || !strings.Contains(errs.String(), "interrupted") || !strings.Contains(errs.String(), "nothing was changed") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, errs.String())
		}
		if _, err := os.Lstat(picture); err == nil {
			t.Errorf("%v: there is a picture", args)
		}
	}
}
