package chunkset

import (
	"encoding/binary"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// BenchmarkOriginChunks measures where the judge spends most of its time apart
// from reading: the origin's chunks, each once and in random order.
func BenchmarkOriginChunks(b *testing.B) {
	const exceptions, area = 1 << 24, 4096
	records := make([]byte, exceptions*cow.ExceptionSize)
	chunk := uint64(1)
	for i := range exceptions {
		binary.LittleEndian.PutUint64(records[i*cow.ExceptionSize:], chunk)
		chunk = (chunk*6364136223846793005 + 1442695040888963407) % exceptions
	}
	for b.Loop() {
		s := &set{arena: newArena(36 << 20)}
		s.arena.users = []user{s}
		for at := 0; at < len(records); at += area {
			if n := s.addOld(records[at:at+area], func(int, cow.Exception) {}); n != area/cow.ExceptionSize {
				b.Fatal("the set is lost")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/exceptions, "ns/exception")
}
