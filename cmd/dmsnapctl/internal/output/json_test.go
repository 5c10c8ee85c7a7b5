package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJSONCarriesAnyName(t *testing.T) {
	type inner struct {
		Names []string `json:"names"`
		At    time.Time
	}
	hostile := "a\xffb\u202ec\u009b\x1b\x7f\U000e0001<&>"
	v := struct {
		Name string            `json:"name"`
		In   *inner            `json:"in"`
		Any  any               `json:"any"`
		Map  map[string]string `json:"map"`
		None *inner            `json:"none"`
		Arr  [1]string         `json:"arr"`
	}{hostile, &inner{Names: []string{hostile}, At: time.Unix(0, 0).UTC()}, hostile, map[string]string{hostile: hostile}, nil, [1]string{hostile}}
	var b bytes.Buffer
	if err := JSON(&b, v); err != nil {
		t.Fatal(err)
	}
	for _, c := range bytes.TrimSuffix(b.Bytes(), []byte("\n")) {
		if c < 0x20 || c > 0x7e {
			t.Fatalf("byte %#x in %s", c, &b)
		}
	}
	var got struct {
		Name string
		In   inner
		Any  string
		Map  map[string]string
		Arr  []string
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	shown := `a\xffb\u202ec\u009b\x1b\x7f\U000e0001<&>` // no UTF-8, so shown as it would be elsewhere
	want := got
	want.Name, want.In.Names, want.Any, want.Arr = shown, []string{shown}, shown, []string{shown}
	want.Map = map[string]string{shown: shown}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v.In.Names[0] != hostile || v.Map[hostile] != hostile {
		t.Error("the value itself was changed")
	}
}

// What is UTF-8 reaches the reader as it is.
func TestJSONLosesNothing(t *testing.T) {
	name := "a\u202eb\U000e0001 \ufffd \\ufffd ü"
	var b bytes.Buffer
	if err := JSON(&b, map[string]string{"name": name}); err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"a\u202eb\udb40\udc01 ` + "\ufffd" + ` \\ufffd ü"}` + "\n"; b.String() != want {
		t.Errorf("%s, want %s", &b, want)
	}
	var got map[string]string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["name"] != name {
		t.Errorf("%q, %v; want %q", got["name"], err, name)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWritersTellWhatWasNotWritten(t *testing.T) {
	if err := JSON(full{}, 1); err == nil {
		t.Error("JSON said nothing")
	}
	m := NewMetrics(full{})
	m.Gauge("a", "b")
	if m.Flush() == nil {
		t.Error("Metrics said nothing")
	}
	s := &Stream{Writer: full{}}
	_, _ = s.Write([]byte("x"))
	if s.Err == nil {
		t.Error("Stream remembers nothing")
	}
}
