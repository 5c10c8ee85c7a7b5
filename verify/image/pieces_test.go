package image

import (
	"bytes"
	"context"
	"testing"
)

// sizes is a sink and a stream that notes how much is written at once.
type sizes struct {
	b       []byte
	largest int
}

func (s *sizes) WriteAt(p []byte, off int64) (int, error) {
	s.largest = max(s.largest, len(p))
	return copy(s.b[off:], p), nil
}

func (s *sizes) Write(p []byte) (int, error) {
	s.largest = max(s.largest, len(p))
	s.b = append(s.b, p...)
	return len(p), nil
}

func (s *sizes) Truncate(n int64) error {
	s.b = append(s.b, make([]byte, max(0, n-int64(len(s.b))))...)[:n]
	return nil
}

// TestImagesAreWrittenInPieces of 1 MiB: see package transfer.
func TestImagesAreWrittenInPieces(t *testing.T) {
	f := newFixture(t, 1, layout{chunk: 8, origin: 3 << 20, changed: 10, mixed: true})
	im, _, err := Open(context.Background(), f.source(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*sizes) error{
		"raw":    func(s *sizes) error { return im.WriteRaw(context.Background(), s, nil) },
		"stream": func(s *sizes) error { return im.StreamRaw(context.Background(), s, nil) },
		"qcow2":  func(s *sizes) error { return im.WriteQcow2(context.Background(), &elastic{s}, nil) },
	} {
		s := &sizes{}
		if err := write(s); err != nil || s.largest > 1<<20 {
			t.Errorf("%s: %v, %d bytes in one write", name, err, s.largest)
		}
		if name != "qcow2" && (s.largest <= 1<<19 || !bytes.Equal(s.b, f.image[:im.Size()])) {
			t.Errorf("%s: another image, or writes of %d bytes", name, s.largest)
		}
	}
}

// elastic grows with what is written.
type elastic struct{ *sizes }

func (e *elastic) WriteAt(p []byte, off int64) (int, error) {
	if err := e.Truncate(max(int64(len(e.b)), off+int64(len(p)))); err != nil {
		return 0, err
	}
	return e.sizes.WriteAt(p, off)
}
