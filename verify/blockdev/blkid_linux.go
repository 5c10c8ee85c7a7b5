package blockdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// blkidTime bounds a probe: a device that does not answer must not block the
// caller forever.
const blkidTime = 30 * time.Second

// ErrNoBlkid says that there is no blkid command. Probe still knows the common
// signatures.
var ErrNoBlkid = errors.New("blkid not found")

// Blkid runs the blkid command to find signatures on an open device. Without
// the command, the error wraps ErrNoBlkid.
func Blkid(ctx context.Context, d *File) ([]Signature, error) {
	program, err := exec.LookPath("blkid")
	if err != nil {
		return nil, ErrNoBlkid
	}
	ctx, cancel := context.WithTimeout(ctx, blkidTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-p", "-o", "export", "--", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{d.f} // descriptor 3 in the child
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case 2: // nothing found
			return nil, nil
		case 8: // several contradictory ones
			return []Signature{{Type: "more than one, says blkid"}}, nil
		}
		return nil, fmt.Errorf("blkid -p %s: %w: %s", d.path, err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return nil, fmt.Errorf("blkid -p %s: %w", d.path, err)
	}
	return parseBlkid(string(out)), nil
}

// parseBlkid reads blkid's KEY=VALUE lines.
func parseBlkid(out string) []Signature {
	var found []Signature
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "TYPE" || key == "PTTYPE" {
			found = append(found, Signature{Type: value})
		}
	}
	return found
}
