package teleport

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `{}`},
		{`{"b":1,"a":{"z":null,"y":[]},"addr.local":"x"}`, `{"a":{"y":[],"z":null},"addr.local":"x","b":1}`},
		{`{"n":[0,-0,1,-1,1.5,9007199254740993,1e20,1e21,1e-6,1e-7,123456789.125,4294967296]}`, `{"n":[0,-0,1,-1,1.5,9007199254740992,100000000000000000000,1e+21,0.000001,1e-7,123456789.125,4294967296]}`},
		{`{"t":"<a> & \"b\" \\ / \u0000\u001f\b\f\n\r\t\u007f é 😀 \u2028"}`, "{\"t\":\"<a> & \\\"b\\\" \\\\ / \\u0000\\u001f\\b\\f\\n\\r\\t\u007f é 😀 \u2028\"}"},
		{`{"":true,"é":false,"Z":[{"b":1,"a":[[]]}]}`, `{"":true,"Z":[{"a":[[]],"b":1}],"é":false}`},
	} {
		var s structpb.Struct
		if err := protojson.Unmarshal([]byte(c.in), &s); err != nil {
			t.Fatal(err)
		}
		if got := string(AppendJSON([]byte("x"), &s)); got != "x"+c.want {
			t.Errorf("%s:\n got %s\nwant x%s", c.in, got, c.want)
		}
	}
}

func TestAppendJSONOfWhatIsNoJSON(t *testing.T) {
	if got := string(AppendJSON(nil, nil)); got != "{}" {
		t.Errorf("nil gives %s", got)
	}
	s := &structpb.Struct{Fields: map[string]*structpb.Value{
		"a": {}, "b": nil, "c": structpb.NewNumberValue(math.NaN()), "d": structpb.NewNumberValue(math.Inf(-1)), "e": structpb.NewStringValue("x\xffy\xc3"),
	}}
	want := `{"a":null,"b":null,"c":"NaN","d":"-Infinity","e":"x` + "\uFFFDy\uFFFD" + `"}`
	if got := string(AppendJSON(nil, s)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzAppendJSON holds the printer to protobuf's, less its blanks.
func FuzzAppendJSON(f *testing.F) {
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"a":1e400}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s structpb.Struct
		if protojson.Unmarshal(text, &s) != nil {
			return
		}
		slow, err := protojson.Marshal(&s)
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, slow); err != nil {
			t.Fatal(err)
		}
		if got := AppendJSON(nil, &s); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("got %s\nwant %s", got, want.Bytes())
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	text, err := os.ReadFile("testdata/events/session.start.json")
	if err != nil {
		b.Fatal(err)
	}
	var s structpb.Struct
	if err := protojson.Unmarshal(text, &s); err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], &s)
	}
	b.SetBytes(int64(len(buf)))
}
