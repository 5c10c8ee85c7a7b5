// Tables as text: where they are read from, and their words.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// openText opens a file, or stdin for "-". A pipe may never have a writer.
func openText(c *cli.Context, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(c.App.Reader), nil
	}
	f, err := openPatiently(c.Context, path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readText reads a file, or stdin for "-".
func readText(c *cli.Context, path string) (string, error) {
	const most = 16 << 20 // a table is not longer
	in, err := openText(c, path)
	if err != nil {
		return "", err
	}
	defer in.Close() // only read from
	var text []byte
	err = interruptible(c.Context, func() (err error) {
		text, err = io.ReadAll(io.LimitReader(in, most+1))
		return err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	case len(text) > most:
		return "", fmt.Errorf("%s: longer than %d bytes: not a table", path, most)
	}
	return string(text), nil
}

// lastFields cuts DEVICE,OFFSET,... at its last commas: a device may hold some.
func lastFields(s string, n int) ([]string, bool) {
	out := make([]string, n)
	for i := n - 1; i > 0; i-- {
		at := strings.LastIndexByte(s, ',')
		if at < 0 {
			return nil, false
		}
		out[i], s = s[at+1:], s[:at]
	}
	out[0] = s
	return out, s != ""
}
