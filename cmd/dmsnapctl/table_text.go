// Tables as text: where they are read from, and their words.

package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// openText opens a file, or stdin for "-".
func openText(c *cli.Context, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(c.App.Reader), nil
	}
	return os.Open(path)
}

// readText reads a file, or stdin for "-".
func readText(c *cli.Context, path string) (string, error) {
	const most = 16 << 20 // a table is not longer
	in, err := openText(c, path)
	if err != nil {
		return "", err
	}
	defer in.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s: longer than %d bytes: not a table", path, most)
	}
	return string(text), err
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
