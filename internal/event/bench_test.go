package event

import (
	"encoding/json"
	"testing"
)

// benchEvents are the corpus's events as a handler would send them, and their
// mean length.
func benchEvents(b *testing.B) (events [][]byte, mean int64) {
	b.Helper()
	for _, text := range corpus(b) {
		if out, ok := CompactRecord(nil, text); ok {
			events = append(events, out)
			mean += int64(len(out))
		}
	}
	return events, mean / int64(len(events))
}

func BenchmarkCompact(b *testing.B) {
	lines, mean := benchEvents(b)
	b.SetBytes(mean)
	b.ReportAllocs()
	dst := make([]byte, 0, 64<<10)
	bad := 0
	for i := 0; b.Loop(); i++ {
		_, ok := CompactRecord(dst, lines[i%len(lines)])
		if !ok {
			bad++
		}
	}
	b.ReportMetric(float64(bad)/float64(b.N), "refused/op")
}

func BenchmarkValidStd(b *testing.B) {
	lines, mean := benchEvents(b)
	b.SetBytes(mean)
	for i := 0; b.Loop(); i++ {
		json.Valid(lines[i%len(lines)])
	}
}
