package event

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
)

// The bytes that Fluentd's msgpack formatter wrote for this record.
func TestMsgpackAsFluentd(t *testing.T) {
	r, err := ParseRecord([]byte(`{"a":"x","n":5,"f":1.5,"t":true,"z":null,"arr":[1,"b"],"h":{"k":"v"},"q":"a \"q\" ,\t\n b","u":"é日"}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = "iaFhoXihbgWhZss/+AAAAAAAAKF0w6F6wKNhcnKSAaFioWiBoWuhdqFxq2EgInEiICwJCiBioXWlw6nml6U="
	packed := AppendMsgpack(nil, r)
	if got := base64.StdEncoding.EncodeToString(packed); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	back, rest, err := ReadMsgpack(append(packed, 0xc0))
	if err != nil || len(rest) != 1 {
		t.Fatalf("%v, %d left", err, len(rest))
	}
	if got := AppendJSON(nil, back); !bytes.Equal(got, r.AppendJSON(nil)) {
		t.Errorf("read back: %s", got)
	}
}

func TestMsgpackValues(t *testing.T) {
	big64 := new(big.Int).SetUint64(math.MaxUint64)
	for _, c := range []struct {
		v    any
		want string // packed
	}{
		{int64(0), "\x00"},
		{int64(127), "\x7f"},
		{int64(128), "\xcc\x80"},
		{int64(256), "\xcd\x01\x00"},
		{int64(65536), "\xce\x00\x01\x00\x00"},
		{int64(1) << 32, "\xcf\x00\x00\x00\x01\x00\x00\x00\x00"},
		{int64(-1), "\xff"},
		{int64(-33), "\xd0\xdf"},
		{int64(math.MinInt64), "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"},
		{big64, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"", "\xa0"},
		{Binary("x"), "\xc4\x01x"},
		{Time{1600000000, 5}, "\xd7\x00\x5f\x5e\x10\x00\x00\x00\x00\x05"},
		{[]any{}, "\x90"},
		{NewRecord(), "\x80"},
	} {
		packed := AppendMsgpack(nil, c.v)
		if string(packed) != c.want {
			t.Errorf("%v: got %q, want %q", c.v, packed, c.want)
		}
		v, rest, err := ReadMsgpack(packed)
		if err != nil || len(rest) != 0 || Inspect(v) != Inspect(c.v) {
			t.Errorf("%v: read back %v %v", c.v, v, err)
		}
	}
}

func TestReadMsgpack(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"\xc7\x08\x00\x5f\x5e\x10\x00\x00\x00\x00\x05", "1600000000"},                                               // EventTime as ext8
		{"\x84\x01\xa1a\xc0\xa1b\xca\x3f\xc0\x00\x00\xa1c\x92\x01\x02\x00", `{"1":"a","":"b","1.5":"c","[1, 2]":0}`}, // keys that are no text
		{"\x82\xa1a\x01\xa1a\x02", `{"a":2}`},
		{"\xd9\x01x", `"x"`},
		{"\xda\x00\x01x", `"x"`},
		{"\xdb\x00\x00\x00\x01x", `"x"`},
		{"\xc5\x00\x01x", `"x"`},
		{"\xdc\x00\x01\xc2", `[false]`},
		{"\xdd\x00\x00\x00\x01\xc3", `[true]`},
		{"\xde\x00\x01\xa1a\xc0", `{"a":null}`},
		{"\xdf\x00\x00\x00\x01\xa1a\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", `{"a":1.0}`},
		{"\xd1\xff\x00", "-256"},
		{"\xd2\x00\x00\x00\x01", "1"},
	} {
		v, rest, err := ReadMsgpack([]byte(c.in))
		if got := string(AppendJSON(nil, v)); err != nil || len(rest) != 0 || got != c.want {
			t.Errorf("%q: got %s %v, want %s", c.in, got, err, c.want)
		}
		if rest, err := SkipMsgpack([]byte(c.in + "\x05")); err != nil || len(rest) != 1 {
			t.Errorf("%q: skip left %d, %v", c.in, len(rest), err)
		}
		// Every beginning of a value is short, for both.
		for n := range len(c.in) {
			if _, _, err := ReadMsgpack([]byte(c.in[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: first %d bytes: got %v", c.in, n, err)
			}
			if _, err := SkipMsgpack([]byte(c.in[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: skip first %d bytes: got %v", c.in, n, err)
			}
		}
	}
}

func TestReadMsgpackRefuses(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"\xc1", errMsgpackByte},
		{"\x91\xc1", errMsgpackByte},
		{"\xd4\x01\x00", errMsgpackExt},
		{"\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00", errMsgpackExt},
		{"\xd6\x00\x00\x00\x00\x00", errMsgpackExt},
		{"\xc7\x04\x00\x00\x00\x00\x00", errMsgpackExt},
		{"\xdd\xff\xff\xff\xff", io.ErrUnexpectedEOF},
		{"\xdf\xff\xff\xff\xff\xa1a", io.ErrUnexpectedEOF},
		{"\xc6\xff\xff\xff\xffx", io.ErrUnexpectedEOF},
		{"\xc9\xff\xff\xff\xff\x00x", io.ErrUnexpectedEOF},
		{strings.Repeat("\x91", MaxDepth) + "\xc0", nil},
		{strings.Repeat("\x91", MaxDepth+1) + "\xc0", ErrTooDeep},
	} {
		if _, _, err := ReadMsgpack([]byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%.20q: got %v, want %v", c.in, err, c.want)
		}
	}
}

// Lengths that lie, level within level, must not make room for what never comes.
func TestMsgpackLyingLengths(t *testing.T) {
	b := bytes.Repeat([]byte("\xdd\x00\x00\xf0\x00"), 900)
	b = append(b, make([]byte, 0xf000)...)
	size := testing.Benchmark(func(tb *testing.B) {
		tb.ReportAllocs()
		for tb.Loop() {
			ReadMsgpack(b)
		}
	}).AllocedBytesPerOp()
	if size > 16<<20 {
		t.Errorf("%d bytes of input made %d bytes of garbage", len(b), size)
	}
}

func FuzzMsgpack(f *testing.F) {
	f.Add(AppendMsgpack(nil, NewRecord("a", []any{1, "x", nil, 1.5, Time{1, 2}, Binary("b")}, "r", NewRecord("x", -5))))
	f.Add([]byte("\xdd\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := ReadMsgpack(b)
		skipped, skipErr := SkipMsgpack(b)
		if err != nil {
			return
		}
		if skipErr != nil || len(skipped) != len(rest) {
			t.Fatalf("%q: read leaves %d, skip %d %v", b, len(rest), len(skipped), skipErr)
		}
		again, rest, err := ReadMsgpack(AppendMsgpack(nil, v))
		if err != nil || len(rest) != 0 || Inspect(again) != Inspect(v) {
			t.Fatalf("%q: %s came back as %s %v", b, Inspect(v), Inspect(again), err)
		}
	})
}

// TestKeysWithinKeys: a key that is a map becomes text; one whose own keys are maps,
// and so on, would become text without end.
func TestKeysWithinKeys(t *testing.T) {
	nested := func(n int) []byte {
		return append(bytes.Repeat([]byte{0x81}, n), bytes.Repeat([]byte{0x01}, n+1)...)
	}
	v, _, err := ReadMsgpack(nested(2))
	if r, ok := v.(*Record); err != nil || !ok || string(r.AppendJSON(nil)) != `{"{\"1\"=>1}":1}` {
		t.Errorf("got %v %v", v, err)
	}
	for _, n := range []int{3, 40, 200} {
		if _, _, err := ReadMsgpack(nested(n)); !errors.Is(err, ErrTooDeep) {
			t.Errorf("%d maps: got %v, want %v", n, err, ErrTooDeep)
		}
	}
}
