package cpio

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A file of two bytes in a directory, byte by byte as in the kernel's
// documentation of the format.
func TestBytes(t *testing.T) {
	var out bytes.Buffer
	a := NewWriter(&out)
	if err := errors.Join(a.File("d/f", 0o644, []byte("hi")), a.Close()); err != nil {
		t.Fatal(err)
	}
	const zero = "00000000"
	want := "070701" + "00000001" + "000041ed" + zero + zero + "00000001" + zero + zero +
		zero + zero + zero + zero + "00000002" + zero + "d\x00" +
		"070701" + "00000002" + "000081a4" + zero + zero + "00000001" + zero + "00000002" +
		zero + zero + zero + zero + "00000004" + zero + "d/f\x00\x00\x00" + "hi\x00\x00" +
		"070701" + zero + zero + zero + zero + "00000001" + zero + zero +
		zero + zero + zero + zero + "0000000b" + zero + "TRAILER!!!\x00\x00\x00\x00"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestDirectoriesOnceAndBeforeTheirFiles(t *testing.T) {
	var out bytes.Buffer
	a := NewWriter(&out)
	err := errors.Join(a.File("/m/x/one", 0o600, nil), a.File("m/x/two", 0o600, nil), a.Directory("m"), a.Close())
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, name := range []string{"m", "m/x", "m/x/one", "m/x/two", trailer} {
		entry := name + "\x00"
		if n := strings.Count(out.String(), "00000000"+entry); n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
		if i := strings.Index(out.String(), "00000000"+entry); i <= at {
			t.Errorf("%s stands too early", name)
		} else {
			at = i
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestErrorsStay(t *testing.T) {
	a := NewWriter(full{})
	if err := a.File("f", 0o644, nil); err == nil {
		t.Error("no error from a full disk")
	}
	if err := a.Close(); err == nil {
		t.Error("no error at the end of an archive that lacks a file")
	}
	if err := NewWriter(&bytes.Buffer{}).File("/", 0o644, nil); err == nil {
		t.Error("a file without a name")
	}
}
