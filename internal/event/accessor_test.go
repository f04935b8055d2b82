package event

import (
	"strings"
	"testing"
)

func TestAccessor(t *testing.T) {
	const text = `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6,7],8]}`
	for _, c := range []struct{ path, want, set, deleted string }{
		{"a.b", "4", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":"!","$":5,"l":[[6,7],8]}`, `{"a":{"b":[1,{"c":2}],"x y":3},"$":5,"l":[[6,7],8]}`},
		{"$.a.b[1].c", "2", `{"a":{"b":[1,{"c":"!"}],"x y":3},"a.b":4,"$":5,"l":[[6,7],8]}`, `{"a":{"b":[1,{}],"x y":3},"a.b":4,"$":5,"l":[[6,7],8]}`},
		{`$["a"]['x y']`, "3", `{"a":{"b":[1,{"c":2}],"x y":"!"},"a.b":4,"$":5,"l":[[6,7],8]}`, `{"a":{"b":[1,{"c":2}]},"a.b":4,"$":5,"l":[[6,7],8]}`},
		{`$['a.b']`, "4", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":"!","$":5,"l":[[6,7],8]}`, `{"a":{"b":[1,{"c":2}],"x y":3},"$":5,"l":[[6,7],8]}`},
		{"$", "5", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":"!","l":[[6,7],8]}`, `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"l":[[6,7],8]}`},
		{"$.l[0][1]", "7", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6,"!"],8]}`, `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6],8]}`},
		{"$['l'][-1]", "8", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6,7],"!"]}`, `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6,7]]}`},
		{"$.l[0]", "[6,7]", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":["!",8]}`, `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[8]}`},
		{"$.l[2]", "", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6,7],8,"!"]}`, text},
		{"$.l[3]", "", text, text},
		{"$.a.new", "", `{"a":{"b":[1,{"c":2}],"x y":3,"new":"!"},"a.b":4,"$":5,"l":[[6,7],8]}`, text},
		{"$.new.er", "", text, text},
		{"$.l.x", "", text, text},
		{"$.a[0]", "", text, text},
		{"$.a.b.c", "", text, text},
		{"new", "", `{"a":{"b":[1,{"c":2}],"x y":3},"a.b":4,"$":5,"l":[[6,7],8],"new":"!"}`, text},
	} {
		a, err := ParseAccessor(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if a.String() != c.path || a.IsZero() {
			t.Errorf("%s: is written %s", c.path, a)
		}
		v, ok := a.Get(RawRecord([]byte(text)))
		if got := string(AppendJSON(nil, v)); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: got %s %v, want %s", c.path, got, ok, c.want)
		}
		r := RawRecord([]byte(text))
		a.Set(r, "!")
		if got := string(r.AppendJSON(nil)); got != c.set {
			t.Errorf("%s: set\n got %s\nwant %s", c.path, got, c.set)
		}
		r = RawRecord([]byte(text))
		if _, ok := a.Delete(r); ok != (c.want != "") {
			t.Errorf("%s: deleted %v", c.path, ok)
		}
		if got := string(r.AppendJSON(nil)); got != c.deleted {
			t.Errorf("%s: delete\n got %s\nwant %s", c.path, got, c.deleted)
		}
	}
}

func TestAccessorErrors(t *testing.T) {
	for path, want := range map[string]string{
		"$.":        "empty key in dot notation",
		"$.a..b":    "empty key in dot notation",
		"$.[0]":     "empty key in dot notation",
		"$.a b":     "white space is not allowed in dot notation, use $['a b']",
		"$.a[x]":    `array index "x" is no integer`,
		"$.a[0":     "missing ']'",
		"$.a[0]x":   `expected '[' before "x"`,
		"$['a":      "missing ']",
		`$["a']`:    `missing "]`,
		"$[a]":      `array index "a" is no integer`,
		"$['a'].b":  "missing ']'",
		"$['a'].b]": `expected '[' before ".b]"`,
	} {
		_, err := ParseAccessor(path)
		if err == nil || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if k, ok := must(ParseAccessor("$.a")).Key(); !ok || k != "a" {
		t.Errorf("got %s %v", k, ok)
	}
	if _, ok := must(ParseAccessor("$.a.b")).Key(); ok {
		t.Error("a path is no key")
	}
}

func must(a Accessor, err error) Accessor {
	if err != nil {
		panic(err)
	}
	return a
}
