package event

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

// What real Fluentd made of each text, with each of its three readers; "" means
// refused. Recorded from Fluentd 1.19.3.
func TestJSONModes(t *testing.T) {
	numbers := `{"a":1.0,"b":1000.0,"c":12345678901234567890,"d":0.1,"e":123456789.12345679,"f":Infinity}`
	for _, c := range []struct{ in, oj, yajl, json string }{
		{`{"a":1.0,"b":1e3,"c":12345678901234567890,"d":0.1,"e":123456789.123456789,"f":1E400}`, numbers, numbers, numbers},
		{`{"a":NaN}`, `{"a":NaN}`, "", ""},
		{`{"a":-Infinity,"b":Infinity}`, `{"a":-Infinity,"b":Infinity}`, "", ""},
		{`{"a":1} x`, "", "", ""},
		{`{"a":1}{"b":2}`, "", "", ""},
		{`{'a':1}`, "", "", ""},
		{`{"a":"\ud83d"}`, "", `{"a":"?"}`, ""},
		{`{"a":1,}`, "", "", ""},
		{"{\"a\":\"\xff\"}", "{\"a\":\"\xff\"}", "", "{\"a\":\"\xff\"}"},
		{"{\"a\":\"x\ty\"}", `{"a":"x\ty"}`, "", ""},
		{"{\"a\":\"\\n\ty\"}", `{"a":"\n\ty"}`, "", ""},
		{`/* c */{"a":1}`, `{"a":1}`, `{"a":1}`, `{"a":1}`},
		{`{"a":01}`, "", "", ""},
		{`{"a":.5}`, "", "", ""},
		{"\ufeff{\"a\":1}", "", "", ""},
		{``, "", "", ""},
		{`[1,2]`, "[1,2]", "[1,2]", "[1,2]"},
		{`{"^o":"Object","json_class":"String"}`, `{"^o":"Object","json_class":"String"}`, `{"^o":"Object","json_class":"String"}`, `{"^o":"Object","json_class":"String"}`},
	} {
		for name, want := range map[string]string{"oj": c.oj, "yajl": c.yajl, "json": c.json} {
			mode, err := ParseJSONMode(name)
			if err != nil {
				t.Fatal(err)
			}
			v, err := mode.Parse([]byte(c.in))
			got := string(AppendJSON(nil, v))
			if err != nil {
				got = ""
			}
			if got != want {
				t.Errorf("%s %q: got %q (%v), want %q", name, c.in, got, err, want)
			}
		}
	}
	if _, err := ParseJSONMode("nope"); err == nil || err.Error() != "valid options are oj,yajl,json but got nope" {
		t.Errorf("got %v", err)
	}
}

func TestParseAndPrint(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{`{"x":[{"a":1,"b":2,"a":3}]}`, `{"x":[{"a":3,"b":2}]}`},
		{`[null,true,false,"",{},[]]`, `[null,true,false,"",{},[]]`},
		{`[-0,-0.0,0.0,0e5,-0e0]`, `[0,0.0,0.0,0.0,0.0]`},
		{`[1e3,1e16,1e17,1e18,9.3e18,1e21,1.5e-7,1e-5,0.0001,0.00012]`, `[1000.0,10000000000000000.0,100000000000000000.0,1000000000000000000.0,9.3e+18,1.0e+21,1.5e-07,1.0e-05,0.0001,0.00012]`},
		{`[-9223372036854775808.0,9223372036854775808.0,1.7976931348623157e308,5e-324]`, `[-9223372036854775808.0,9.223372036854776e+18,1.7976931348623157e+308,5.0e-324]`},
		{`[9223372036854775807,-9223372036854775808,9223372036854775808,-9223372036854775809]`, `[9223372036854775807,-9223372036854775808,9223372036854775808,-9223372036854775809]`},
		{`[1e400,-1e400]`, `[Infinity,-Infinity]`},
		{`"\u00e9\u3042\ud83d\ude00 é\u0000\u001f\u007f \\ \" \/ \b\f\n\r\t </script>&<> \u2028"`, "\"éあ😀 é\\u0000\\u001f\x7f \\\\ \\\" / \\b\\f\\n\\r\\t </script>&<> \u2028\""},
		{"//x\n[1/* , */,2]//", `[1,2]`},
	} {
		v, err := ParseJSON([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := string(AppendJSON(nil, v)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		in   string
		at   int
		want string
	}{
		{``, 0, "a value"},
		{` nul`, 1, "a value"},
		{`{"secret":1`, 11, "',' or '}'"},
		{`{"a" 1}`, 5, "':'"},
		{`{a:1}`, 1, "a key in double quotes"},
		{`{"a":1,}`, 7, "a key in double quotes"},
		{`[1,]`, 3, "a value"},
		{`[1 2]`, 3, "',' or ']'"},
		{`{} x`, 3, "the end"},
		{`["a\x"]`, 4, "an escape that JSON knows"},
		{`["\u12g4"]`, 6, "four hexadecimal digits"},
		{`["\ud83d\u0041"]`, 4, "the other half of the surrogate pair"},
		{`["\ude00"]`, 4, "the other half of the surrogate pair"},
		{`["abc`, 5, `'"' to end the string`},
		{"[\"a\x00\"]", 3, "an escape in place of a control character"},
		{`[1.]`, 3, "a digit"},
		{`[1e]`, 3, "a digit"},
		{`/* x`, 4, "*/ to end the comment"},
		{`[-]`, 1, "a value"},
		{`[` + strings.Repeat("9", maxDigits+1) + `]`, 1, "a number of fewer digits"},
	} {
		_, err := ParseJSON([]byte(c.in))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.at || syntax.Want != c.want {
			t.Errorf("%.20q: got %v, want byte %d: %s", c.in, err, c.at, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the text: %v", err)
		}
	}
	if _, err := ParseRecord([]byte(" [1]")); err == nil || err.Error() != "malformed JSON at byte 1: expected an object" {
		t.Errorf("an array as record: %v", err)
	}
}

func TestDepth(t *testing.T) {
	deep := func(n int) []byte {
		return []byte(strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n))
	}
	v, err := ParseJSON(deep(MaxDepth))
	if err != nil {
		t.Fatal(err)
	}
	if got := AppendJSON(nil, v); string(got) != string(deep(MaxDepth)) {
		t.Error("a record of the greatest depth prints otherwise")
	}
	if _, err := ParseJSON(deep(MaxDepth + 1)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("one level more: got %v, want ErrTooDeep", err)
	}
	// A record that holds itself must end somewhere.
	r := NewRecord("a", 1)
	r.Set("self", r)
	if got := AppendJSON(nil, r); len(got) == 0 {
		t.Error("nothing printed")
	}
	AppendMsgpack(nil, r)
	Text(r)
}

// FuzzJSON holds the general reader to encoding/json: what both take means the
// same, and what prints reads back and prints the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"\u00e9\n",null,true]}`, `{"a":1,"a":{"b":-0.0}}`, `["\ud83d\ude00"]`, `/*x*/[NaN]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseJSON(b)
		if err != nil {
			if json.Valid(b) && !errors.Is(err, ErrTooDeep) && !strings.Contains(strings.ToLower(string(b)), `\ud`) && len(b) < maxDigits {
				t.Fatalf("%q is JSON, but: %v", b, err)
			}
			return
		}
		out := AppendJSON(nil, v)
		again, err := ParseJSON(out)
		if err != nil {
			t.Fatalf("%q printed as %q, which does not read: %v", b, out, err)
		}
		if got := AppendJSON(nil, again); string(got) != string(out) {
			t.Fatalf("%q printed as %q and then as %q", b, out, got)
		}
		checkLazy(t, out, v)
		for _, m := range []JSONMode{Yajl, JSON} {
			m.Parse(b) // must not panic
		}
	})
}

// checkLazy reads canonical text lazily, all of it, and compares with the tree.
func checkLazy(t *testing.T, text []byte, want any) {
	t.Helper()
	r, ok := want.(*Record)
	if !ok {
		return
	}
	lazy := RawRecord(text)
	var touch func(v any)
	touch = func(v any) {
		switch v := v.(type) {
		case *Record:
			for _, e := range v.All() {
				touch(e)
			}
		case []any:
			for _, e := range v {
				touch(e)
			}
		}
	}
	for _, k := range r.Keys() {
		got, ok := lazy.Get(k)
		direct, _ := RawRecord(text).Get(k)
		w, _ := r.Get(k)
		if a, b, c := AppendJSON(nil, got), AppendJSON(nil, direct), AppendJSON(nil, w); !ok || string(a) != string(c) || string(b) != string(c) {
			t.Fatalf("%q: key %q: got %q and %q, want %q", text, k, a, b, c)
		}
	}
	// The text says 0.0 where the tree may have -0.0.
	tree, err := ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := AppendMsgpack(nil, RawRecord(text)), AppendMsgpack(nil, tree); string(got) != string(want) {
		t.Fatalf("%q packs as %q, want %q", text, got, want)
	}
	touch(lazy)
	if got := lazy.AppendJSON(nil); string(got) != string(text) {
		t.Fatalf("%q read lazily prints %q", text, got)
	}
}

func TestRubyFloat(t *testing.T) {
	for f, want := range map[float64]string{
		1: "1.0", 0.5: "0.5", 1e15: "1000000000000000.0", 1e16: "1.0e+16", 1234567890123456789: "1.2345678901234568e+18",
		1e100: "1.0e+100", 1.5e-7: "1.5e-07", 0.0001: "0.0001", 0.00001: "1.0e-05", math.Copysign(0, -1): "-0.0",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", -2.5: "-2.5",
	} {
		if got := Text(f); got != want {
			t.Errorf("%g: got %s, want %s", f, got, want)
		}
	}
}
