package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/internal/event"
)

// at1600 is the time of most test events, in the three forms of the protocol.
var at1600 = event.Time{Sec: 1600000000, Nsec: 5}

func record(n int) *event.Record { return event.NewRecord("n", n) }

// msgpack is a value as a sender packs it.
func msgpack(v any) []byte { return event.AppendMsgpack(nil, v) }

// entries is [time, record] for each number, one after the other.
func packedEntries(numbers ...int) []byte {
	var b []byte
	for _, n := range numbers {
		b = AppendEntry(b, event.Event{Time: at1600, Record: record(n)}, false)
	}
	return b
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// show is a message as a line, with all its batches; batches of other sizes must
// show the same.
func show(m *Message, err error, size int64) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s", m.Tag)
	if m.HasChunk {
		fmt.Fprintf(&b, " chunk=%s", m.Chunk)
	}
	for {
		batch, err := m.Batch(size)
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			return b.String() + " error: " + err.Error()
		}
		for _, e := range batch.Events {
			at := fmt.Sprintf("%d.%d", e.Time.Sec, e.Time.Nsec)
			if e.Time.Sec > 1700000000 {
				at = "now"
			}
			fmt.Fprintf(&b, " %s%s", at, e.Record.AppendJSON(nil))
		}
		if n := len(batch.Invalid); n > 0 {
			fmt.Fprintf(&b, " invalid=%d", n)
		}
	}
}

func TestModes(t *testing.T) {
	seconds := int64(1600000000)
	option := func(kv ...any) *event.Record { return event.NewRecord(kv...) }
	deep := append(bytes.Repeat([]byte{0x91}, 1200), 0xc0)
	badExt := []byte{0xd4, 0x07, 0x00} // fixext1 of type 7, which Fluentd does not know
	for _, tc := range []struct {
		name string
		in   any // []byte as it is, anything else packed
		want string
	}{
		{"message", []any{"t", at1600, record(1)}, `t 1600000000.5{"n":1}`},
		{"message, seconds", []any{"t", seconds, record(1)}, `t 1600000000.0{"n":1}`},
		{"message, second 0 is now", []any{"t", 0, record(1)}, `t now{"n":1}`},
		{"message, chunk", []any{"t", at1600, record(1), option("chunk", "c1")}, `t chunk=c1 1600000000.5{"n":1}`},
		{"message, chunk that is no text", []any{"t", at1600, record(1), option("chunk", 5)}, `t chunk=5 1600000000.5{"n":1}`},
		{"message, float time", []any{"t", 1.5, record(1)}, `t invalid=1`},
		{"message, no time, acknowledged all the same", []any{"t", nil, record(1), option("chunk", "c")}, `t chunk=c invalid=1`},
		{"message, no record", []any{"t", at1600, "x"}, `t invalid=1`},
		{"message, unknown extension", append([]byte("\x93\xa1t\xce\x5f\x5e\x10\x00\x81\xa1n"), badExt...), `t invalid=1`},
		{"tag as bytes", []any{event.Binary("t"), at1600, record(1)}, `t 1600000000.5{"n":1}`},
		{"empty tag", []any{"", at1600, record(1)}, ` 1600000000.5{"n":1}`},
		{"forward", []any{"t", []any{[]any{at1600, record(1)}, []any{seconds, record(2)}}}, `t 1600000000.5{"n":1} 1600000000.0{"n":2}`},
		{"forward, empty", []any{"t", []any{}, option("chunk", "c")}, `t chunk=c`},
		{"forward, one is none", []any{"t", []any{[]any{at1600, record(1)}, []any{at1600}, 7, nil, []any{at1600, record(2)}}}, `t 1600000000.5{"n":1} 1600000000.5{"n":2} invalid=3`},
		{"forward, one is too deep", append(append([]byte("\x92\xa1t\x93"), deep...), packedEntries(1, 2)...), `t 1600000000.5{"n":1} 1600000000.5{"n":2} invalid=1`},
		{"packed", []any{"t", event.Binary(packedEntries(1, 2)), option("size", 2)}, `t 1600000000.5{"n":1} 1600000000.5{"n":2}`},
		{"packed as text", []any{"t", string(packedEntries(1))}, `t 1600000000.5{"n":1}`},
		{"packed, cut off", []any{"t", event.Binary(packedEntries(1, 2)[:len(packedEntries(1, 2))-1])}, `t 1600000000.5{"n":1} invalid=1`},
		{"packed, one in the middle is too deep", []any{"t", event.Binary(append(append(packedEntries(1), deep...), packedEntries(2)...))}, `t 1600000000.5{"n":1} 1600000000.5{"n":2} invalid=1`},
		{"packed, unknown extension in the middle", []any{"t", event.Binary(append(append(packedEntries(1), badExt...), packedEntries(2)...))}, `t 1600000000.5{"n":1} 1600000000.5{"n":2} invalid=1`},
		{"compressed text", []any{"t", event.Binary(packedEntries(1)), option("compressed", "text")}, `t 1600000000.5{"n":1}`},
		{"gzip", []any{"t", event.Binary(gzipped(t, packedEntries(1, 2))), option("compressed", "gzip", "chunk", "c")}, `t chunk=c 1600000000.5{"n":1} 1600000000.5{"n":2}`},
		{"gzip in members", []any{"t", event.Binary(append(gzipped(t, packedEntries(1)), gzipped(t, packedEntries(2))...)), option("compressed", "gzip")}, `t 1600000000.5{"n":1} 1600000000.5{"n":2}`},
		{"zstd", []any{"t", event.Binary(zstded(t, packedEntries(1, 2))), option("compressed", "zstd")}, `t 1600000000.5{"n":1} 1600000000.5{"n":2}`},
		{"zstd in frames", []any{"t", event.Binary(append(zstded(t, packedEntries(1)), zstded(t, packedEntries(2))...)), option("compressed", "zstd")}, `t 1600000000.5{"n":1} 1600000000.5{"n":2}`},
		{"gzip, broken", []any{"t", event.Binary(gzipped(t, packedEntries(1))[:20]), option("compressed", "gzip")}, `error: gzip entries are broken: unexpected EOF`},
		{"gzip that is none", []any{"t", event.Binary("abc"), option("compressed", "gzip")}, `error: gzip entries are broken: unexpected EOF`},
		{"nil", nil, "error: EOF"},
		{"text", "str", "error: message is no array"},
		{"empty array", []any{}, "error: message has no entries"},
		{"tag only", []any{"t"}, "error: message has no entries"},
		{"tag is a number", []any{5, at1600, record(1)}, "error: tag is no string"},
		{"byte that is never used", []byte{0xc1}, "error: malformed message: byte c1 is never used"},
		{"never used, within", []byte{0x92, 0xa1, 't', 0xc1}, "error: malformed message: byte c1 is never used"},
		{"json, message", []byte(`["t",1600000000,{"n":1},{"chunk":"c"}]`), `t chunk=c 1600000000.0{"n":1}`},
		{"json, forward", []byte(`["t",[[1600000000,{"n":1}],[1,2]]]`), `t 1600000000.0{"n":1} invalid=1`},
		{"json, large number", []byte(`["t",1600000000,{"n":18446744073709551616000}]`), `t 1600000000.0{"n":18446744073709551616000}`},
		{"json, tag only", []byte(`["t"]`), "error: message has no entries"},
		{"json, object", []byte(`{"a":1}`), "error: message is no array"},
		{"json, brackets in text", []byte(`["t",1600000000,{"n":"]}\"["}]`), `t 1600000000.0{"n":"]}\"["}`},
		{"json, broken", []byte(`["t",}`), "error: malformed message: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw, isBytes := tc.in.([]byte)
			if !isBytes {
				raw = msgpack(tc.in)
			}
			for _, size := range []int64{1, 1 << 20, math.MaxInt64} {
				d := NewDecoder(bytes.NewReader(raw))
				m, err := d.Next()
				got := show(m, err, size)
				if got = merge(got); got != tc.want && (!strings.HasSuffix(tc.want, ": ") || !strings.HasPrefix(got, tc.want)) {
					t.Errorf("batches of %d: got %s, want %s", size, got, tc.want)
				}
				if err == nil && m.Size != int64(len(raw)) {
					t.Errorf("size %d, want %d", m.Size, len(raw))
				}
			}
		})
	}
}

// merge counts what is invalid at the end, wherever the batches had it.
func merge(got string) string {
	invalid := 0
	var words []string
	for _, w := range strings.Split(got, " ") {
		n := 0
		if _, err := fmt.Sscanf(w, "invalid=%d", &n); err == nil {
			invalid += n
		} else {
			words = append(words, w)
		}
	}
	if invalid > 0 {
		words = append(words, fmt.Sprintf("invalid=%d", invalid))
	}
	return strings.Join(words, " ")
}

// A large compressed message comes in batches, whole and in order; one that is
// broken at its very end is refused before its first.
func TestLargeCompressed(t *testing.T) {
	const count = 20_000
	var plain []byte
	for n := range count {
		plain = AppendEntry(plain, event.Event{Time: at1600, Record: event.NewRecord("n", n, "pad", strings.Repeat("x", 240))}, false)
	}
	if len(plain) <= unpackedAtOnce {
		t.Fatalf("%d bytes are not enough", len(plain))
	}
	packs := map[string][]byte{"gzip": gzipped(t, plain), "zstd": zstded(t, plain)}
	for how, packed := range packs {
		raw := msgpack([]any{"t", event.Binary(packed), event.NewRecord("compressed", how)})
		m, err := NewDecoder(bytes.NewReader(raw)).Next()
		if err != nil {
			t.Fatal(err)
		}
		next, batches := 0, 0
		for {
			b, err := m.Batch(1 << 20)
			if err == io.EOF {
				break
			}
			if err != nil || len(b.Invalid) > 0 {
				t.Fatalf("%s: %v, %d invalid", how, err, len(b.Invalid))
			}
			batches++
			for _, e := range b.Events {
				if n, _ := e.Record.Get("n"); n != int64(next) {
					t.Fatalf("%s: got %v, want %d", how, n, next)
				}
				next++
			}
		}
		if next != count || batches < 5 {
			t.Errorf("%s: %d events in %d batches", how, next, batches)
		}
		raw = msgpack([]any{"t", event.Binary(packed[:len(packed)-3]), event.NewRecord("compressed", how)})
		if _, err := NewDecoder(bytes.NewReader(raw)).Next(); !errors.As(err, new(*PackedError)) {
			t.Errorf("%s, cut off: got %v", how, err)
		}
	}
}

func TestUnpackedLimit(t *testing.T) {
	bomb := gzipped(t, make([]byte, 64<<20))
	for how, packed := range map[string][]byte{"gzip": bomb, "zstd": zstded(t, make([]byte, 64<<20))} {
		d := NewDecoder(bytes.NewReader(msgpack([]any{"t", event.Binary(packed), event.NewRecord("compressed", how)})))
		d.Unpacked = 1 << 20
		before := allocated()
		_, err := d.Next()
		if e := new(PackedError); !errors.As(err, &e) || e.Tag != "t" || !strings.Contains(err.Error(), "more than 1048576 bytes") {
			t.Errorf("%s: got %v", how, err)
		}
		if took := allocated() - before; took > 40<<20 {
			t.Errorf("%s took %d bytes to find out", how, took)
		}
	}
}

func TestAcks(t *testing.T) {
	for _, json := range []bool{false, true} {
		raw := AppendAck(nil, &Message{Chunk: "c1", JSON: json})
		if json {
			if string(raw) != `{"ack":"c1"}` {
				t.Errorf("got %s", raw)
			}
			continue
		}
		v, _, err := event.ReadMsgpack(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := AckOf(v); err != nil || got != "c1" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	for _, v := range []any{nil, "x", event.NewRecord("nack", "c"), event.NewRecord("ack", 5)} {
		if _, err := AckOf(v); err == nil {
			t.Errorf("%v is no ack", v)
		}
	}
}
