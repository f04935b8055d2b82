package event

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// How a record comes to be must not change what it does.
func forms(text string) map[string]*Record {
	parsed, err := ParseRecord([]byte(text))
	if err != nil {
		panic(err)
	}
	packed, _, err := ReadMsgpack(AppendMsgpack(nil, parsed))
	if err != nil {
		panic(err)
	}
	return map[string]*Record{
		"raw": RawRecord([]byte(text)), "parsed": parsed, "msgpack": packed.(*Record),
		"clone of raw": RawRecord([]byte(text)).Clone(), "clone of parsed": parsed.Clone(),
	}
}

func TestRecordOperations(t *testing.T) {
	const text = `{"a":1,"b":"x\n","c":{"d":[1,{"e":2}]},"k\"":null}`
	for name, r := range forms(text) {
		if v, ok := r.Get("b"); !ok || v != "x\n" {
			t.Errorf("%s: b is %q %v", name, v, ok)
		}
		if v, ok := r.Get(`k"`); !ok || v != nil {
			t.Errorf("%s: k\" is %v %v", name, v, ok)
		}
		if _, ok := r.Get("no"); ok {
			t.Errorf("%s: finds what is not there", name)
		}
		if r.Len() != 4 || fmt.Sprint(r.Keys()) != `[a b c k"]` {
			t.Errorf("%s: %d fields %v", name, r.Len(), r.Keys())
		}
		if v, ok := r.Delete("a"); !ok || v != int64(1) {
			t.Errorf("%s: deleted %v %v", name, v, ok)
		}
		if _, ok := r.Delete("a"); ok {
			t.Errorf("%s: deleted twice", name)
		}
		r.Set("b", 5)
		r.Set("a", []string{"z"})
		want := `{"b":5,"c":{"d":[1,{"e":2}]},"k\"":null,"a":["z"]}`
		if got := string(r.AppendJSON(nil)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestNestedChangesShow(t *testing.T) {
	for name, r := range forms(`{"c":{"d":[1,{"e":2}]},"z":[]}`) {
		c, _ := r.Get("c")
		d, _ := c.(*Record).Get("d")
		d.([]any)[1].(*Record).Set("f", true)
		clone := r.Clone()
		c.(*Record).Set("g", nil)
		if got, want := string(r.AppendJSON(nil)), `{"c":{"d":[1,{"e":2,"f":true}],"g":null},"z":[]}`; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if got, want := string(clone.AppendJSON(nil)), `{"c":{"d":[1,{"e":2,"f":true}]},"z":[]}`; got != want {
			t.Errorf("%s: the clone became %s, want %s", name, got, want)
		}
	}
}

// What leaves a raw record must stay when its bytes are used again.
func TestCloneAndValuesDetach(t *testing.T) {
	for _, prepare := range []func(r *Record){func(*Record) {}, func(r *Record) { r.Get("a") }, func(r *Record) { r.Len() }, func(r *Record) { r.Get("c") }} {
		text := []byte(`{"a":"value","key":"other","c":{"d":"deep"}}`)
		r := RawRecord(text)
		prepare(r)
		clone := r.Clone()
		a, _ := r.Get("a")
		c, _ := r.Get("c")
		keys := r.Keys()
		for i := range text {
			text[i] = '#'
		}
		if got, want := string(clone.AppendJSON(nil)), `{"a":"value","key":"other","c":{"d":"deep"}}`; got != want {
			t.Errorf("clone: got %s", got)
		}
		if d, _ := c.(*Record).Get("d"); a != "value" || d != "deep" || keys[1] != "key" {
			t.Errorf("got %v %v %v", a, d, keys)
		}
	}
}

// Edits on the text itself must do what edits on fields do.
func TestEditsOnText(t *testing.T) {
	for _, c := range []struct {
		in   string
		edit func(r *Record)
		want string
	}{
		{`{"a":1}`, func(r *Record) { r.Delete("a") }, `{}`},
		{`{"a":1,"b":2}`, func(r *Record) { r.Delete("a") }, `{"b":2}`},
		{`{"a":1,"b":2}`, func(r *Record) { r.Delete("b") }, `{"a":1}`},
		{`{"a":1,"b":2,"c":3}`, func(r *Record) { r.Delete("b"); r.Set("b", 1.5) }, `{"a":1,"c":3,"b":1.5}`},
		{`{}`, func(r *Record) { r.Set("k\n", "v\n") }, `{"k\n":"v\n"}`},
		{`{"a":{"b":[1]},"c":2}`, func(r *Record) { r.Set("a", nil) }, `{"a":null,"c":2}`},
		{`{"a":{"b":[1]},"c":2}`, func(r *Record) { r.Set("c", NewRecord("x", 1)) }, `{"a":{"b":[1]},"c":{"x":1}}`},
		{`{"a":1}`, func(r *Record) { r.Set("b", Binary("x")); r.Set("t", Time{5, 6}) }, `{"a":1,"b":"x","t":5}`},
	} {
		text := []byte(c.in)
		r := RawRecord(text)
		c.edit(r)
		clone := r.Clone()
		view, ok := r.View()
		if ok {
			view.Set("view", 1)
		}
		for range 2 {
			if got := string(r.AppendJSON(nil)); got != c.want {
				t.Errorf("%s: got %s, want %s", c.in, got, c.want)
			}
		}
		if string(text) != c.in {
			t.Errorf("%s: the caller's bytes became %s", c.in, text)
		}
		clear(text)
		if got := string(clone.AppendJSON(nil)); got != c.want {
			t.Errorf("%s: the clone is %s, want %s", c.in, got, c.want)
		}
	}
}

// One change and one print copy the text once: to where it is printed.
func TestOneEditCopiesNothing(t *testing.T) {
	text := []byte(`{"long":"` + strings.Repeat("x", 1000) + `","time":"then","last":[1,2]}`)
	dst := make([]byte, 0, 2000)
	for name, change := range map[string]func(r *Record){
		"set":    func(r *Record) { r.Set("time", "now") },
		"add":    func(r *Record) { r.Set("new", "now") },
		"delete": func(r *Record) { r.Delete("last") },
	} {
		if n := allocated(func() {
			r := RawRecord(text)
			change(r)
			dst = r.AppendJSON(dst[:0])
		}); n > 500 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

// allocated is how many bytes a call of f allocates.
func allocated(f func()) uint64 {
	const rounds = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / rounds
}

func TestPeekAndDrop(t *testing.T) {
	for name, r := range forms(`{"a":"text","b":"x\n","c":5,"d":["e"],"e":""}`) {
		_, raw := r.Raw()
		for key, want := range map[string]string{"a": "text", "e": "", "b": "no", "c": "no", "none": "no"} {
			for range 2 {
				r.scans = 0
				text, ok := r.PeekText(key)
				if ok != (raw && want != "no") || ok && text != want {
					t.Errorf("%s: %s is %q %v", name, key, text, ok)
				}
			}
		}
		for _, key := range []string{"a", "none", "e", "a", "d"} {
			r.Drop(key)
		}
		if got, want := string(r.AppendJSON(nil)), `{"b":"x\n","c":5}`; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// What was found last is tried first, which must not find another field.
func TestSeekAgain(t *testing.T) {
	r := RawRecord([]byte(`{"a":1,"b":2,"ab":3,"c":4}`))
	for _, c := range []struct {
		key  string
		want any
	}{{"b", int64(2)}, {"b", int64(2)}, {"a", int64(1)}, {"none", nil}} {
		if got, _ := r.Get(c.key); got != c.want {
			t.Errorf("%s: got %v, want %v", c.key, got, c.want)
		}
	}
	view, ok := r.View()
	if !ok {
		t.Fatal("no view of a record that is text")
	}
	view.Set("b", "long text")
	view.Set("c", 5)
	view.Delete("b")
	if got, want := string(view.AppendJSON(nil)), `{"a":1,"ab":3,"c":5}`; got != want {
		t.Errorf("the view is %s, want %s", got, want)
	}
	if got, want := string(r.AppendJSON(nil)), `{"a":1,"b":2,"ab":3,"c":4}`; got != want {
		t.Errorf("the record became %s", got)
	}
}

func TestRaw(t *testing.T) {
	text := []byte(`{"a":1,"b":2,"c":[]}`)
	r := RawRecord(text)
	for range 2 {
		r.Get("b")
	}
	r.Get("none")
	if raw, ok := r.Raw(); !ok || &raw[0] != &text[0] {
		t.Error("looking up a plain field twice split the record")
	}
	r.Get("c")
	if _, ok := r.Raw(); ok {
		t.Error("an array that anybody may change was handed out, but the record is still raw")
	}
	if got := string(r.AppendJSON(nil)); got != string(text) {
		t.Errorf("got %s", got)
	}
	if got := string(new(Record).AppendJSON(nil)); got != "{}" {
		t.Errorf("the zero record is %s", got)
	}
}

// A model test: random operations on a record and on plain lists.
func TestRecordModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var keys []string
		values := map[string]int64{}
		r := NewRecord()
		for range 200 {
			k := fmt.Sprintf("k%d", rnd.IntN(1+round%60))
			_, had := values[k]
			switch rnd.IntN(5) {
			case 0:
				if _, ok := r.Delete(k); ok != had {
					t.Fatalf("delete %s: %v, want %v", k, ok, had)
				}
				delete(values, k)
				for i := range keys {
					if keys[i] == k {
						keys = append(keys[:i], keys[i+1:]...)
						break
					}
				}
			case 1:
				r = RawRecord(r.AppendJSON(nil))
				r.scans = uint8(rnd.IntN(2 * maxScans))
				switch rnd.IntN(3) {
				case 0:
					r = r.Clone()
				case 1:
					if view, ok := r.View(); ok {
						r = view
					}
				}
			case 2:
				v, ok := r.Get(k)
				if ok != had || had && v != values[k] {
					t.Fatalf("get %s: %v %v", k, v, ok)
				}
			default:
				v := rnd.Int64()
				r.Set(k, v)
				if !had {
					keys = append(keys, k)
				}
				values[k] = v
			}
		}
		var want []string
		for _, k := range keys {
			want = append(want, fmt.Sprintf(`"%s":%d`, k, values[k]))
		}
		if got := string(r.AppendJSON(nil)); got != "{"+strings.Join(want, ",")+"}" || r.Len() != len(keys) {
			t.Fatalf("got %s (%d), want %v", got, r.Len(), want)
		}
	}
}

// Whatever text RawRecord is given, nothing may panic.
func FuzzRawRecord(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":"x\n","c":{"d":[1,{"e":2}]}}`, `{"a":"\`, `{"a":[1`, `{"a\u00`, `{`, `{"a":`, `{"a":{"b":"`, `{"a":"x"\"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range []string{"a", "", "zz"} {
			RawRecord(b).Get(k)
		}
		RawRecord(b).PeekText("b")
		RawRecord(b).Drop("b")
		edited := RawRecord(b)
		edited.Delete("a")
		edited.Set("zz", "x")
		edited.Set("b", nil)
		edited.Delete("")
		edited.AppendJSON(nil)
		r := RawRecord(b)
		Text(r)
		r.Clone().AppendJSON(nil)
		AppendMsgpack(nil, r)
	})
}

func TestNumbersAreConverted(t *testing.T) {
	r := NewRecord("a", 1, "b", uint64(1)<<63, "c", float32(0.5), "d", []byte("x"), 5, struct{}{}, "last")
	want := map[string]any{"a": int64(1), "c": 0.5, "5": "{}", "last": nil}
	for k, w := range want {
		if got, _ := r.Get(k); got != w {
			t.Errorf("%s: got %#v, want %#v", k, got, w)
		}
	}
	if b, _ := r.Get("b"); b.(*big.Int).String() != "9223372036854775808" {
		t.Errorf("got %v", b)
	}
}

func TestMergeInto(t *testing.T) {
	dst := NewRecord("a", 1, "b", 2)
	NewRecord("b", 3, "c", 4).MergeInto(dst)
	if got := string(dst.AppendJSON(nil)); got != `{"a":1,"b":3,"c":4}` {
		t.Errorf("got %s", got)
	}
}
