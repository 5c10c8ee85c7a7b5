// Advice: commands to run next.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// advice is a command to run next, and why.
type advice struct {
	Why     string `json:"why"`
	Command string `json:"command"`
}

// advise is the advice to run a command of this program. Names that come without
// a flag are for argument and argumentName to write.
func advise(why string, words ...string) advice {
	return advice{Why: why, Command: shellLine(words)}
}

// argument is a path as a command takes it without a flag.
func argument(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// argumentName is the name of a device as a command takes it without a flag.
func argumentName(name string) string {
	if strings.HasPrefix(name, "-") {
		return blockdev.MappedNodes + name
	}
	return name
}

// shellLine is a command of this program as a shell takes it.
func shellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
	}
	return "dmsnapctl " + strings.Join(quoted, " ")
}

// printAdvice ends a text result.
func printAdvice(w io.Writer, all []advice) error {
	for _, a := range all {
		if _, err := fmt.Fprintf(w, "next: %s   # %s\n", output.Name(a.Command), output.Name(a.Why)); err != nil {
			return err
		}
	}
	return nil
}
