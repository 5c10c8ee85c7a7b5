package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type bmapXML struct {
	Version                                                                              string `xml:"version,attr"`
	ImageSize, BlockSize, BlocksCount, MappedBlocksCount, ChecksumType, BmapFileChecksum string
	Range                                                                                []struct {
		Sum    string `xml:"chksum,attr"`
		Blocks string `xml:",chardata"`
	} `xml:"BlockMap>Range"`
}

func TestBmap(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 640) // 10,240 bytes
	m := Bmap{ImageSize: 10240 - 100, BlockSize: 4096, Content: bytes.NewReader(content[:10240-100]),
		Spans: spansOf([]Span{{0, 4096}, {8192, 10240 - 100 - 8192}})}
	var b bytes.Buffer
	if n, err := m.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	var got bmapXML
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	self := strings.TrimSpace(got.BmapFileChecksum)
	if want := sum([]byte(strings.Replace(b.String(), self, strings.Repeat("0", 64), 1))); self != want {
		t.Errorf("the map's checksum is %s, want %s", self, want)
	}
	facts := []string{got.Version, got.ImageSize, got.BlockSize, got.BlocksCount, got.MappedBlocksCount, got.ChecksumType}
	for i, f := range facts {
		facts[i] = strings.TrimSpace(f)
	}
	if diff := cmp.Diff([]string{"2.0", "10140", "4096", "3", "2", "sha256"}, facts); diff != "" {
		t.Error(diff)
	}
	if len(got.Range) != 2 || got.Range[0].Blocks != "0" || got.Range[1].Blocks != "2" ||
		got.Range[0].Sum != sum(content[:4096]) || got.Range[1].Sum != sum(content[8192:10140]) {
		t.Errorf("ranges %+v", got.Range)
	}
	m.Content, m.Spans = nil, spansOf([]Span{{4096, 6044}})
	b.Reset()
	if _, err := m.WriteTo(&b); err != nil || !strings.Contains(b.String(), "<Range>1-2</Range>") {
		t.Errorf("without content: %v\n%s", err, b.String())
	}
}

// TestBmapOfManyRanges has a line for each, in order, and counts them all.
func TestBmapOfManyRanges(t *testing.T) {
	const n = 10_000 // in several pieces
	var spans []Span
	var want strings.Builder
	for i := range int64(n) {
		spans = append(spans, Span{i * 3 * 4096, (1 + i%2) * 4096})
		if i%2 == 0 {
			fmt.Fprintf(&want, "        <Range>%d</Range>\n", i*3)
		} else {
			fmt.Fprintf(&want, "        <Range>%d-%d</Range>\n", i*3, i*3+1)
		}
	}
	m := Bmap{ImageSize: n * 3 * 4096, BlockSize: 4096, Spans: spansOf(spans)}
	var b bytes.Buffer
	if written, err := m.WriteTo(&b); err != nil || written != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", written, b.Len(), err)
	}
	_, rest, _ := strings.Cut(b.String(), "<BlockMap>\n")
	if got, _, _ := strings.Cut(rest, "    </BlockMap>"); got != want.String() {
		t.Errorf("%d bytes of ranges, want %d, or others", len(got), want.Len())
	}
	var xmlOf bmapXML
	if err := xml.Unmarshal(b.Bytes(), &xmlOf); err != nil || strings.TrimSpace(xmlOf.MappedBlocksCount) != "15000" {
		t.Errorf("%v, %s blocks are mapped", err, xmlOf.MappedBlocksCount)
	}
}
