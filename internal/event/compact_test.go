package event

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkCompact holds the fast path to the general reader: what it lets through
// is what the reader would print, what the reader refuses it refuses.
func checkCompact(t *testing.T, b []byte) (ok bool) {
	t.Helper()
	before := []byte("before")
	out, ok := CompactRecord(before[:len(before):len(before)], b)
	r, err := ParseRecord(b)
	canonical, same := CanonicalRecord(b, "time")
	if same != ok || ok && string(canonical.AppendJSON([]byte("before"))) != string(out) {
		t.Fatalf("%q: canonical is %v, compact %q %v", b, same, out, ok)
	}
	if ok {
		checkSought(t, canonical)
	}
	switch {
	case !ok && string(out) != "before":
		t.Fatalf("%q: refused, but dst became %q", b, out)
	case ok && err != nil:
		t.Fatalf("%q: let through %q, but the reader says %v", b, out, err)
	case ok:
		if want := r.AppendJSON([]byte("before")); !bytes.Equal(out, want) {
			t.Fatalf("%q:\n got %q\nwant %q", b, out, want)
		}
	}
	return ok
}

// checkSought holds the place that was noted on the way to a search from the start.
func checkSought(t *testing.T, r *Record) {
	t.Helper()
	c, found := RawRecord(r.raw).seek("time")
	noted := cutter{s: c.s, end: r.sought}
	if r.sought == 0 && found && c.begin == 1 {
		return // the first field needs no note
	}
	if found != (r.sought > 0) || found && (!noted.next() || noted != c) {
		t.Fatalf("%s: time is noted at %d, it is %v at %d", r.raw, r.sought, found, c.begin)
	}
}

func TestCompactRecord(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `{}`},
		{" { } \n", `{}`},
		{"{\"a\" : 1 , \"b\":\t[ 2 , 3 ] ,\r\n\"c\": { \"d\" : null } }", `{"a":1,"b":[2,3],"c":{"d":null}}`},
		{`{"a":true,"b":false,"c":null,"d":[],"e":{}}`, `{"a":true,"b":false,"c":null,"d":[],"e":{}}`},
		{`{"n":-1,"o":0,"p":12345678901234567890123,"q":1.5,"r":0.25,"s":-0.5,"t":1.0,"u":0.0001}`, `{"n":-1,"o":0,"p":12345678901234567890123,"q":1.5,"r":0.25,"s":-0.5,"t":1.0,"u":0.0001}`},
		{`{"e":1717171717.123456,"f":0.1234567890123456}`, `{"e":1717171717.123456,"f":0.1234567890123456}`},
		{`{"a":"\"\\\b\f\n\r\t\u0000\u001f"}`, `{"a":"\"\\\b\f\n\r\t\u0000\u001f"}`},
		{`{"a\n\u001f\"":1,"é":2}`, `{"a\n\u001f\"":1,"é":2}`},
		{`{"a":"x\u003cy\u003e \/ \u00e9\u3042 \u0008\u0022\u001F"}`, `{"a":"x<y> / éあ \b\"\u001f"}`},
		{"{\"a\":\"\xff\xfe\",\"b\":\"x\x7f\"}", "{\"a\":\"\xff\xfe\",\"b\":\"x\x7f\"}"},
		{`{"x":{"a":1},"y":{"a":1,"b":{"a":1}},"a":[{"a":1},{"a":1}]}`, `{"x":{"a":1},"y":{"a":1,"b":{"a":1}},"a":[{"a":1},{"a":1}]}`},
	} {
		if !checkCompact(t, []byte(c.in)) {
			t.Errorf("%s: refused", c.in)
			continue
		}
		if got, _ := CompactRecord(nil, []byte(c.in)); string(got) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestCompactRecordRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, `1`, `[]`, `null`, `{`, `{}x`, `{} {}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":1`, `{"a":"x`, `{"a":"x\`,
		`{"a":1e3}`, `{"a":1.5e3}`, `{"a":1E400}`, `{"a":-0}`, `{"a":-0.0}`, `{"a":0.0e1}`, `{"a":1.50}`, `{"a":0.00}`, `{"a":0.00001}`,
		`{"a":1.00}`, `{"a":0.10000000000000001}`, `{"a":12345678901234567890.5}`, `{"a":9007199254740993.0}`,
		`{"a":01}`, `{"a":-}`, `{"a":.5}`, `{"a":1.}`, `{"a":+1}`, `{"a":--1}`, `{"a":00}`, `{"a":-01}`,
		`{"a":NaN}`, `{"a":Infinity}`, `{"a":tru}`, `{"a":nul}`, "{\"a\":\"x\ty\"}", "{\"a\":\"x\x00\"}", `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\ud83d"}`,
		`{"a":"\ud83d\ude00"}`, `{"a":1}/**/`, "\ufeff{}",
		`{"a":1,"a":1}`, `{"a":1,"b":2,"a":3}`, `{"x":{"a":1,"a":2}}`, `{"x":[{"a":1,"a":2}]}`, `{"a":{"b":1},"c":2,"a":3}`, `{"":1,"":2}`,
		`{"12345678":1,"12345678":2}`, `{"a\n":1,"a\n":2}`, `{"\u0061":1}`, `{"a\/":1}`, `{"\u001F":1}`, `{"\u0008":1}`,
		`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
	} {
		if checkCompact(t, []byte(in)) {
			t.Errorf("%s: let through", in)
		}
	}
}

// Many keys must stay linear in time, and a repeated one must be found wherever
// it is.
func TestCompactManyKeys(t *testing.T) {
	for _, n := range []int{1, 95, 96, 97, 400, 5000, 100_000} {
		var b strings.Builder
		b.WriteString(`{"first":0`)
		for i := range n {
			fmt.Fprintf(&b, `,"key%d":%d`, i, i)
		}
		if _, ok := CompactRecord(nil, []byte(b.String()+"}")); !ok {
			t.Errorf("%d keys: refused", n)
		}
		for _, again := range []string{"first", "key0", fmt.Sprintf("key%d", n-1)} {
			if _, ok := CompactRecord(nil, []byte(b.String()+`,"`+again+`":1}`)); ok {
				t.Errorf("%d keys: %s is there twice and was let through", n, again)
			}
		}
	}
}

func TestCompactAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	big := []byte(`{"first":0`)
	for i := range 1000 {
		big = fmt.Appendf(big, `,"key%d":%d`, i, i)
	}
	big = append(big, '}')
	dst := make([]byte, 0, 2*len(big))
	CompactRecord(dst, big)
	if n := testing.AllocsPerRun(100, func() { CompactRecord(dst, big) }); n >= 1 {
		t.Errorf("a record of 1000 keys: %v allocations", n)
	}
	small := []byte(`{"a":1,"b":[1.5,"x\u003c"],"c":{"d":null}}`)
	if n := testing.AllocsPerRun(100, func() { CompactRecord(dst, small) }); n >= 1 {
		t.Errorf("a small record: %v allocations", n)
	}
}

func TestCanonicalArray(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[]`, ``},
		{" [ ] ", ``},
		{`[{}]`, `{}`},
		{` [ { "time" : 0 } , {"a":{"time":2}, "b":"\/" , "time" : 3 }]`, `{"time":0} {"a":{"time":2},"b":"/","time":3}`},
		{` [ {"a": 1} , {"a":1},{ "b" : [ ] } , {"c":"\u0041"},{"d":2}] `, `{"a":1} {"a":1} {"b":[]} {"c":"A"} {"d":2}`},
		{"[" + strings.Repeat(`{},{"k":" \/ "},`, 300) + "{}]", strings.Repeat(`{} {"k":" / "} `, 300) + "{}"},
	} {
		records, ok := CanonicalArray([]byte(c.in), "time")
		if got := printed(records); !ok || got != c.want {
			t.Errorf("%s: got %s %v, want %s", c.in, got, ok, c.want)
		}
		for i := range records {
			checkSought(t, &records[i])
		}
	}
	for _, in := range []string{``, `[`, `{}`, `[1]`, `[{},]`, `[,{}]`, `[{}`, `[{}]]`, `[{} {}]`, `[null]`, `[[]]`, `[{"a":1,"a":2}]`, `[{},{"a":1e3}]`} {
		if records, ok := CanonicalArray([]byte(in), "time"); ok || records != nil {
			t.Errorf("%s: got %s, want it refused", in, printed(records))
		}
	}
}

// printed is the records' texts with a blank between them.
func printed(records []Record) string {
	var texts []string
	for i := range records {
		texts = append(texts, string(records[i].AppendJSON(nil)))
	}
	return strings.Join(texts, " ")
}

// The records of a compact batch lie in its bytes, and in one slice: what they hold
// costs nothing.
func TestCanonicalArrayCopiesNothing(t *testing.T) {
	batch := []byte("[" + strings.Repeat(`{"a":1,"b":{"c":[true,"x"]},"d":"y"},`, 99) + "{}]")
	if n := testing.AllocsPerRun(100, func() { CanonicalArray(batch, "time") }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	records, _ := CanonicalArray(batch, "time")
	if raw, ok := records[50].Raw(); !ok || &raw[0] != &batch[1+50*len(`{"a":1,"b":{"c":[true,"x"]},"d":"y"},`)] {
		t.Error("a record was copied")
	}
}

// corpus gives every event that lies in testdata, and beside the tree when the
// shared corpus is there.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"testdata/events/*.json", "testdata/events/*.jsonl", os.Getenv("SLUICE_EVENTS") + "/*/*json"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, ".json") {
				files[name] = b
				continue
			}
			for i, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
				files[fmt.Sprintf("%s:%d", name, i+1)] = line
			}
		}
	}
	return files
}

func TestCompactCorpus(t *testing.T) {
	files := corpus(t)
	slow := 0
	for _, b := range files {
		if !checkCompact(t, b) {
			slow++
		}
	}
	if slow*20 > len(files) {
		t.Errorf("%d of %d events of the corpus take the slow path", slow, len(files))
	}
	t.Logf("%d events, %d on the slow path", len(files), slow)
}

func FuzzCompact(f *testing.F) {
	for _, b := range corpus(f) {
		if len(b) < 2000 {
			f.Add(b)
		}
	}
	for _, s := range []string{`[{"a":{"time":1}, "time": 2},{"b":"\/","time":3}]`, `{"a":1.50,"b":[{"a":"\u003c\/\n"}]}`, `{"a":-0.0,"é":0.0001}`, `{"x":{"a":1,"b":{"a":1}},"a":[{"a":1},{"a":1}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkCompact(t, b)
		records, ok := CanonicalArray(b, "time")
		v, err := ParseJSON(b)
		if !ok {
			return
		}
		items, isArray := v.([]any)
		if err != nil || !isArray || len(items) != len(records) {
			t.Fatalf("%q: let through as an array of %d, the reader says %v %v", b, len(records), v, err)
		}
		for i := range records {
			checkSought(t, &records[i])
			if got, want := records[i].AppendJSON(nil), AppendJSON(nil, items[i]); !bytes.Equal(got, want) {
				t.Fatalf("%q: element %d: got %q, want %q", b, i, got, want)
			}
		}
	})
}
