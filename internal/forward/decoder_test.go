package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluicelog/sluice/internal/event"
)

// allocated is the bytes that were taken so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// readAll is all messages of a stream as lines, up to the first error that ends it.
func readAll(d *Decoder) []string {
	var lines []string
	for {
		m, err := d.Next()
		lines = append(lines, merge(show(m, err, math.MaxInt64)))
		var invalid *InvalidError
		var packed *PackedError
		if err != nil && !errors.As(err, &invalid) && !errors.Is(err, ErrTooLarge) && !errors.As(err, &packed) {
			return lines
		}
	}
}

func stream(t testing.TB) []byte {
	var b []byte
	for _, v := range []any{
		[]any{"a", at1600, record(1)},
		[]any{"b", []any{[]any{at1600, record(2)}, 5}, event.NewRecord("chunk", "x")},
		"noise",
		[]any{"c", event.Binary(packedEntries(3, 4, 5)), event.NewRecord("size", 3)},
		[]any{"d", event.Binary(gzipped(t, packedEntries(6))), event.NewRecord("compressed", "gzip")},
		[]any{"e", event.Binary("junk"), event.NewRecord("compressed", "gzip")},
		[]any{"f", at1600, event.NewRecord("text", strings.Repeat("x", 300), "list", []any{nil, true, -1, 1.5, event.Binary("b")})},
	} {
		b = append(b, msgpack(v)...)
	}
	return b
}

// However the bytes come in, the messages are the same.
func TestSplitReads(t *testing.T) {
	raw := stream(t)
	want := readAll(NewDecoder(bytes.NewReader(raw)))
	if len(want) != 8 || want[7] != "error: EOF" {
		t.Fatalf("got %q", want)
	}
	same := func(how string, r io.Reader) {
		t.Helper()
		if got := readAll(NewDecoder(r)); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got %q, want %q", how, got, want)
		}
	}
	same("byte by byte", iotest.OneByteReader(bytes.NewReader(raw)))
	same("halves", iotest.HalfReader(bytes.NewReader(raw)))
	same("end with the last bytes", iotest.DataErrReader(bytes.NewReader(raw)))
	for at := range raw {
		same(fmt.Sprint("split at ", at), io.MultiReader(bytes.NewReader(raw[:at]), bytes.NewReader(raw[at:])))
	}
}

// An end within a message is told apart from one between messages.
func TestEnds(t *testing.T) {
	one := msgpack([]any{"a", at1600, record(1)})
	for at := range one {
		_, err := NewDecoder(bytes.NewReader(one[:at])).Next()
		want := io.ErrUnexpectedEOF
		if at == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) {
			t.Errorf("cut at %d: got %v, want %v", at, err, want)
		}
	}
	d := NewDecoder(strings.NewReader(`["a",1,{}]` + " \n"))
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	if m, err := d.Next(); err == nil {
		t.Errorf("got %v after the end", m)
	}
}

// A message over the limit is passed over and the next one is read; its memory is
// never taken.
func TestLimit(t *testing.T) {
	small := msgpack([]any{"ok", at1600, record(1)})
	for _, tc := range []struct {
		name string
		big  []byte
		tag  string
	}{
		{"text", msgpack([]any{"big", at1600, event.NewRecord("s", strings.Repeat("x", 3<<20))}), "big"},
		{"packed", msgpack([]any{"big", event.Binary(make([]byte, 3<<20))}), "big"},
		{"many values", msgpack([]any{"big", make([]any, 1<<20)}), "big"},
		{"little over", msgpack([]any{"big", event.Binary(make([]byte, 1000))}), "big"},
	} {
		for _, r := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.HalfReader,
			func(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, 7), r) },
		} {
			raw := bytes.Join([][]byte{small, tc.big, small}, nil)
			d := NewDecoder(r(bytes.NewReader(raw)))
			d.Limit = 1000
			got := readAll(d)
			want := `ok 1600000000.5{"n":1}` + "\nerror: message is larger than chunk_size_limit\n" + `ok 1600000000.5{"n":1}` + "\nerror: EOF"
			if strings.Join(got, "\n") != want {
				t.Errorf("%s: got %q", tc.name, got)
			}
			if cap(d.buf) > 2*usualRoom {
				t.Errorf("%s: holds %d bytes", tc.name, cap(d.buf))
			}
		}
		d := NewDecoder(bytes.NewReader(tc.big))
		d.Limit = 1000
		_, err := d.Next()
		large := new(TooLargeError)
		if !errors.As(err, &large) || large.Tag != tc.tag || large.Size != int64(len(tc.big)) {
			t.Errorf("%s: got %+v of %d bytes", tc.name, err, len(tc.big))
		}
	}
	d := NewDecoder(strings.NewReader(`["big",1600000000,{"s":"` + strings.Repeat("x", 5000) + `"}]["ok",1600000000,{}]`))
	d.Limit = 1000
	if got := strings.Join(readAll(d), "; "); got != "error: message is larger than chunk_size_limit; ok 1600000000.0{}; error: EOF" {
		t.Errorf("json: got %q", got)
	}
}

// What goes with a message that is too large is read all the same, however the
// stream is cut, unless it is long itself.
func TestTooLargeKeepsOption(t *testing.T) {
	option := event.NewRecord("chunk", "c", "of", event.NewRecord("a", int64(1)))
	for name, parts := range map[string][]any{
		"packed":          {"big", event.Binary(make([]byte, 30000)), option},
		"little over":     {"big", event.Binary(make([]byte, 1000)), option},
		"forward":         {"big", make([]any, 30000), option},
		"message":         {"big", at1600, event.NewRecord("s", strings.Repeat("x", 30000)), option},
		"none":            {"big", event.Binary(make([]byte, 30000))},
		"a long one":      {"big", event.Binary(make([]byte, 30000)), event.NewRecord("chunk", "c", "s", strings.Repeat("x", 1<<20))},
		"of another kind": {"big", event.Binary(make([]byte, 30000)), "chunk"},
	} {
		raw := msgpack(parts)
		for cut := range 40 {
			d := NewDecoder(io.MultiReader(bytes.NewReader(raw[:len(raw)-cut]), bytes.NewReader(raw[len(raw)-cut:])))
			d.Limit = 1000
			_, err := d.Next()
			large := new(TooLargeError)
			if !errors.As(err, &large) || large.Size != int64(len(raw)) {
				t.Fatalf("%s: got %v of %d bytes", name, err, len(raw))
			}
			got, want := "", string(option.AppendJSON(nil))
			if large.Option != nil {
				got = string(large.Option.AppendJSON(nil))
			}
			if parts[len(parts)-1] != any(option) {
				want = ""
			}
			if got != want {
				t.Errorf("%s, cut %d: got %s, want %s", name, cut, got, want)
			}
			if cap(d.buf) > 2*usualRoom {
				t.Errorf("%s: holds %d bytes", name, cap(d.buf))
			}
		}
	}
}

// Lengths that are announced and never come cost no memory.
func TestLies(t *testing.T) {
	for name, lie := range map[string]string{
		"bin32":            "\xc6\xff\xff\xff\xff",
		"str32":            "\x93\xdb\xff\xff\xff\xff",
		"ext32":            "\x93\xa1t\xc9\xff\xff\xff\xff\x00",
		"array32":          "\x93\xa1t\xdd\xff\xff\xff\xff",
		"map32":            "\x93\xa1t\xce\x5f\x5e\x10\x00\xdf\xff\xff\xff\xff",
		"array in array":   strings.Repeat("\xdd\xff\xff\xff\xff", 100),
		"message of many":  "\xdd\xff\xff\xff\xff\xa1t",
		"packed with lies": "\x92\xa1t\xc4\x06\x92\xdd\xff\xff\xff\xff",
	} {
		for _, limit := range []int64{0, 1 << 20} {
			before := allocated()
			d := NewDecoder(strings.NewReader(lie))
			d.Limit = limit
			m, err := d.Next()
			got := show(m, err, math.MaxInt64)
			if !strings.HasPrefix(got, "error: ") && name != "packed with lies" {
				t.Errorf("%s: got %s", name, got)
			}
			if took := allocated() - before; took > 1<<20 {
				t.Errorf("%s, limit %d: took %d bytes", name, limit, took)
			}
		}
	}
}

// One entry whose bytes are all values would take many times its length: it stays
// the bytes that it is. JSON as large is passed over.
func TestLargestValue(t *testing.T) {
	nested := append([]byte{0xdd, 2, 0, 0, 1}, make([]byte, 1<<25+1)...) // an array of so many zeros
	entry := append([]byte("\x92\xce\x5f\x5e\x10\x00\x81\xa1n"), nested...)
	message := append([]byte("\x92\xa1t\x92"), append(entry, packedEntries(1)...)...)
	before := allocated()
	m, err := NewDecoder(bytes.NewReader(message)).Next()
	if got, want := merge(show(m, err, math.MaxInt64)), `t 1600000000.5{"n":1} invalid=1`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if took := allocated() - before; took > 300<<20 {
		t.Errorf("took %d bytes", took)
	}
	d := NewDecoder(strings.NewReader(`["t",1,{"s":"` + strings.Repeat("x", largestValue) + `"}]["ok",1600000000,{}]`))
	d.Limit = 1 << 40
	if got := strings.Join(readAll(d), "; "); got != "error: message is larger than chunk_size_limit; ok 1600000000.0{}; error: EOF" {
		t.Errorf("json: got %s", got)
	}
}

// Silence after a large message does not hold its memory, and memory beyond the
// usual is asked for.
func TestMemory(t *testing.T) {
	big := msgpack([]any{"t", event.Binary(bytes.Repeat(packedEntries(1), 50_000))})
	d := NewDecoder(bytes.NewReader(bytes.Join([][]byte{big, big}, nil)))
	var asked []int64
	begun := 0
	d.Grow = func(n int64) error { asked = append(asked, n); return nil }
	d.Begin = func() { begun++ }
	for range 2 {
		if _, err := d.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(d.buf) > usualRoom {
		t.Errorf("holds %d bytes after the message", cap(d.buf))
	}
	if begun != 2 || len(asked) < 4 || asked[0] <= usualRoom || asked[0] > 2*usualRoom {
		t.Errorf("begun %d, asked for %v", begun, asked)
	}
	d = NewDecoder(bytes.NewReader(big))
	no := errors.New("no")
	d.Grow = func(int64) error { return no }
	if _, err := d.Next(); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
}

func TestEntry(t *testing.T) {
	d := NewDecoder(bytes.NewReader(append(packedEntries(1, 2), msgpack("x")...)))
	for n := int64(1); n <= 2; n++ {
		e, err := d.Entry()
		if err != nil || e.Time != at1600 {
			t.Fatalf("got %v, %v", e, err)
		}
		if got, _ := e.Record.Get("n"); got != n {
			t.Errorf("got %v, want %d", got, n)
		}
	}
	if _, err := d.Entry(); !errors.As(err, new(*InvalidError)) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Entry(); err != io.EOF {
		t.Errorf("got %v at the end", err)
	}
}

// What the encoder says the decoder understands.
func TestPackedMessage(t *testing.T) {
	body := packedEntries(1, 2)
	raw := AppendPackedHead(nil, "a.b", int64(len(body)))
	raw = append(raw, body...)
	raw = AppendOption(raw, Option{Size: 2, Chunk: "id\n", Compressed: "text"})
	m, err := NewDecoder(bytes.NewReader(raw)).Next()
	if got, want := show(m, err, math.MaxInt64), "a.b chunk=id\n 1600000000.5{\"n\":1} 1600000000.5{\"n\":2}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	whole := AppendEntry(nil, event.Event{Time: at1600, Record: record(1)}, true)
	if e, ok := eventOf(valueOf(whole)); !ok || e.Time != (event.Time{Sec: 1600000000}) {
		t.Errorf("time as integer: got %v, %v", e.Time, ok)
	}
}

// FuzzDecoder: no bytes bring the decoder down or make it take memory beyond what
// came; and however they are split, the messages are the same.
func FuzzDecoder(f *testing.F) {
	f.Add(stream(f), uint16(3))
	f.Add([]byte(`["t",1600000000,{"n":1},{"chunk":"c"}] ["t",[[1,{}]]]`), uint16(9))
	f.Add([]byte("\x93\xa1t\xdd\xff\xff\xff\xff"), uint16(1))
	f.Add(msgpack([]any{"z", event.Binary(zstded(f, packedEntries(1))), event.NewRecord("compressed", "zstd")}), uint16(20))
	f.Fuzz(func(t *testing.T, raw []byte, at uint16) {
		if len(raw) > 1<<16 {
			return
		}
		split := min(int(at), len(raw))
		decode := func(r io.Reader) string {
			d := NewDecoder(r)
			d.Limit, d.Unpacked = 4096, 1<<16
			return strings.Join(readAll(d), "\n")
		}
		whole := decode(bytes.NewReader(raw))
		if parts := decode(io.MultiReader(bytes.NewReader(raw[:split]), iotest.OneByteReader(bytes.NewReader(raw[split:])))); parts != whole {
			t.Errorf("split at %d: got\n%s\nwant\n%s", split, parts, whole)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	e := event.NewRecord("event", "session.start", "uid", "c2f1a1d0-6a0c-4a54-8a60-5f6d0bb5a6a5", "code", "T2000I", "user", "alice", "n", 5)
	var body []byte
	for range 1000 {
		body = AppendEntry(body, event.Event{Time: at1600, Record: e}, false)
	}
	for name, raw := range map[string][]byte{
		"packed": msgpack([]any{"t", event.Binary(body)}),
		"gzip":   msgpack([]any{"t", event.Binary(gzipped(b, body)), event.NewRecord("compressed", "gzip")}),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				m, err := NewDecoder(bytes.NewReader(raw)).Next()
				if err != nil {
					b.Fatal(err)
				}
				if got, err := m.Batch(math.MaxInt64); err != nil || len(got.Events) != 1000 {
					b.Fatal(err)
				}
			}
		})
	}
}
