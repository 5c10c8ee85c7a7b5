package output

import (
	"math"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	var b strings.Builder
	m := NewMetrics(&b)
	m.Gauge("worst", "of all\nkernels \\ here")
	m.Sample(3)
	m.Counter("reads", "done")
	m.Sample(1e15, Label{"name", "a\"b\\c\nd\u202e\xff"}, Label{"next", "true"})
	m.Sample(math.NaN(), Label{"name", ""})
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `# HELP worst of all\nkernels \\ here
# TYPE worst gauge
worst 3
# HELP reads done
# TYPE reads counter
reads{name="a\"b\\c\\nd\\u202e\\xff",next="true"} 1000000000000000
reads{name=""} NaN
`
	if b.String() != want {
		t.Errorf("got\n%s, want\n%s", &b, want)
	}
}
