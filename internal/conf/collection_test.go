package conf

import (
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

func TestParseArray(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"http://a.com,http://b.com", []string{"http://a.com", "http://b.com"}},
		{"a , b\t,c", []string{"a", "b", "c"}},
		{" a b ", []string{"a b"}},
		{",a,,b,,", []string{"", "a", "", "b"}},
		{"", []string{}},
		{`["a,b", 1, 1.50, true, null, {"k": [2]}]`, []string{"a,b", "1", "1.5", "true", "", `{"k":[2]}`}},
		{`[]`, []string{}},
	} {
		if got, err := ParseArray(c.text); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"[", "[1,", "[1] 2", "[a]"} {
		if got, err := ParseArray(text); err == nil {
			t.Errorf("%q: got %q, want an error", text, got)
		}
	}
}

func TestParseHash(t *testing.T) {
	large, _ := new(big.Int).SetString("12345678901234567890", 10)
	for _, c := range []struct {
		text string
		want []Pair
	}{
		{"X-A:1,X-B:b c", []Pair{{"X-A", "1"}, {"X-B", "b c"}}},
		{" b:x:y , a: z ", []Pair{{"b", "x:y"}, {"a", " z"}}},
		{"b:1,a:2,b:3", []Pair{{"b", "3"}, {"a", "2"}}},
		{"only", []Pair{{"only", nil}}},
		{"k:", []Pair{{"k", ""}}},
		{"", []Pair{}},
		{`{"z": 1, "a": {"n": [true, null, 1.0]}, "big": 12345678901234567890, "z": "last"}`, []Pair{
			{"z", "last"},
			{"a", []Pair{{"n", []any{true, nil, 1.0}}}},
			{"big", large},
		}},
	} {
		if got, err := ParseHash(c.text); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %v, %v, want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"a:1,,b:2", "{", `{"a":1}x`, `{"a"}`, "{a:1}", "[1]:2]{"} {
		if got, err := ParseHash(text); err == nil && text[0] != '[' {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

// TestJSONText prints what Ruby's JSON.dump prints.
func TestJSONText(t *testing.T) {
	for text, want := range map[string]string{
		`[1.0,1e15,1e16,1.5e-7,0.0001,0.00001,-0.0]`: `[1.0,1000000000000000.0,1.0e+16,1.5e-07,0.0001,1.0e-05,-0.0]`,
		`["\u0000\u001f\u007f\/\b\f\n\r\t\"\\\d"]`:   "[\"\\u0000\\u001f\x7f/\\b\\f\\n\\r\\t\\\"\\\\d\"]",
		`[ /* c */ true , // x` + "\n" + `false ]`:   `[true,false]`,
	} {
		v, err := ParseJSON(text)
		if got := string(appendJSON(nil, v)); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	if _, err := ParseJSON(deep); err == nil {
		t.Error("101 arrays in one another: got no error")
	}
	if _, err := ParseJSON(deep[1:201]); err != nil {
		t.Errorf("100 arrays in one another: got %v", err)
	}
	for _, text := range []string{`[1,]`, `[01]`, `[1.]`, `[.5]`, `[-]`, `[1e]`, `[1e400]`, `[NaN]`, "[\"\t\"]", `["\u12"]`, `["\ud800x"]`, `["\`, `{"a":1,}`, "[1 # c\n]"} {
		if v, err := ParseJSON(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, v)
		}
	}
}

func ExampleParseHash() {
	pairs, _ := ParseHash(`X-Team:audit,X-Env:prod`)
	for _, p := range pairs {
		fmt.Println(p.Key, p.Value)
	}
	// Output:
	// X-Team audit
	// X-Env prod
}
