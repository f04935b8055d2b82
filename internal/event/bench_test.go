package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"
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

// perEvent runs f over the events in turn.
func perEvent(b *testing.B, f func(event []byte)) {
	events, mean := benchEvents(b)
	b.SetBytes(mean)
	b.ReportAllocs()
	before := cpuTime(b)
	for i := 0; b.Loop(); i++ {
		f(events[i%len(events)])
	}
	// On a busy machine only the processor's time says something.
	used := cpuTime(b) - before
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(mean)*float64(b.N)/used.Seconds()/1e6, "cpu-MB/s")
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkCompact(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	perEvent(b, func(e []byte) { CompactRecord(dst, e) })
}

// BenchmarkCompactSpaced reads events with the white space of Python's printer.
func BenchmarkCompactSpaced(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	for _, text := range corpus(b) {
		if _, ok := CompactRecord(nil, text); ok && len(text) > 500 && len(text) < 1000 {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				CompactRecord(dst, text)
			}
			return
		}
	}
}

// BenchmarkCanonicalArray reads a batch that is compact, and one with a blank
// between its events and in each of them.
func BenchmarkCanonicalArray(b *testing.B) {
	events, mean := benchEvents(b)
	for name, comma := range map[string]string{"compact": ",", "spaced": ", "} {
		batch := []byte("[")
		for i := range 100 {
			e := events[i%len(events)]
			if name == "spaced" {
				e = bytes.Replace(e, []byte(`:`), []byte(`: `), 1)
			}
			batch = append(append(batch, e...), comma...)
		}
		batch[len(batch)-len(comma)] = ']'
		b.Run(name, func(b *testing.B) {
			b.SetBytes(mean * 100)
			b.ReportAllocs()
			for b.Loop() {
				if records, ok := CanonicalArray(batch, "time"); !ok || len(records) != 100 {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkCompactManyKeys(b *testing.B) {
	text := []byte(`{"first":0`)
	for i := range 10_000 {
		text = fmt.Appendf(text, `,"key%d":%d`, i, i)
	}
	text = append(text, '}')
	dst := make([]byte, 0, len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		CompactRecord(dst, text)
	}
}

// BenchmarkValid is the yardstick: the standard library's check alone.
func BenchmarkValid(b *testing.B) {
	perEvent(b, func(e []byte) { json.Valid(e) })
}

func BenchmarkParse(b *testing.B) {
	perEvent(b, func(e []byte) { ParseJSON(e) })
}

// BenchmarkPeek is what keep_time_key costs: one field read, the record stays raw.
func BenchmarkPeek(b *testing.B) {
	perEvent(b, func(e []byte) { RawRecord(e).Get("time") })
}

// BenchmarkEdit is what the published Teleport configuration does to a record:
// take the time out, put it back at the end, print.
func BenchmarkEdit(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	perEvent(b, func(e []byte) {
		r := RawRecord(e)
		v, _ := r.Delete("time")
		r.Set("time", v)
		r.AppendJSON(dst)
	})
}

func BenchmarkPrintDecoded(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	events, mean := benchEvents(b)
	records := make([]any, len(events))
	for i, e := range events {
		records[i], _ = ParseJSON(e)
	}
	b.SetBytes(mean)
	for i := 0; b.Loop(); i++ {
		AppendJSON(dst, records[i%len(records)])
	}
}

func BenchmarkMsgpackAppend(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	perEvent(b, func(e []byte) { AppendMsgpack(dst, RawRecord(e)) })
}

func BenchmarkMsgpackRead(b *testing.B) {
	events, mean := benchEvents(b)
	for i, e := range events {
		events[i] = AppendMsgpack(nil, RawRecord(e))
	}
	b.SetBytes(mean)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ReadMsgpack(events[i%len(events)])
	}
}

func BenchmarkContentID(b *testing.B) {
	perEvent(b, func(e []byte) { ContentID("test.log", e) })
}
