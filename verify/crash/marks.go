// Marks that options name.

package crash

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// findMark returns the entry of a mark.
func findMark(l *logwrites.Log, text string) (int, error) {
	mark, ok := l.FindMark(text)
	if !ok {
		return -1, fmt.Errorf("the log has no mark %q; its marks are: %s", text, marksOf(l))
	}
	return mark, nil
}

func marksOf(l *logwrites.Log) string {
	var marks []string
	for _, text := range l.Marks() {
		marks = append(marks, fmt.Sprintf("%q", text))
	}
	return strings.Join(marks, ", ")
}
