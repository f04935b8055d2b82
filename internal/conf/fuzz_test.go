package conf

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// seeds are the first files of all cases.
func seeds(f *testing.F, yaml bool) {
	paths, _ := filepath.Glob("../../testdata/conf/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "want" && file.Name != "errors" && file.Name != "warnings" && isYAML(file.Name) == yaml {
				f.Add(string(file.Data))
			}
		}
	}
}

func FuzzClassic(f *testing.F) {
	seeds(f, false)
	f.Fuzz(func(t *testing.T, text string) { checkParse(t, text, Classic) })
}

func FuzzYAML(f *testing.F) {
	seeds(f, true)
	f.Fuzz(func(t *testing.T, text string) { checkParse(t, text, YAML) })
}

// checkParse: nothing panics, every position lies in the file, and a tree without
// errors, once printed, is read back as it was.
func checkParse(t *testing.T, text string, format Format) {
	if strings.Contains(text, "include") {
		return // what lies on the disk is no part of this
	}
	var problems Problems
	o := Options{Eval: fakeEval, Problems: &problems, Format: format}
	root, err := Parse("x", []byte(text), o)
	lines := strings.Split(text, "\n")
	for _, e := range append(problems.Errors, problems.Warnings...) {
		checkPos(t, lines, e.Pos, e.Error())
	}
	checkTree(t, lines, root)
	printed := dumpOf(t, root)
	if err != nil || format == YAML { // YAML can give names that the classic form cannot have
		return
	}
	first, second := printed, new(Problems)
	again, err := Parse("y", []byte(first), Options{Eval: evalBack, Problems: second})
	if err != nil {
		t.Fatalf("%v\nprinted:\n%s", err, first)
	}
	if back := dumpOf(t, again.Children[0]); !sameTree(root, again.Children[0]) {
		t.Fatalf("printed:\n%s\nread back:\n%s", first, back)
	}
}

// evalBack knows what Dump writes: use_nil and use_default.
func evalBack(src string, at Pos) (Value, error) {
	if src != "use_nil" && src != "use_default" {
		return Value{}, fmt.Errorf("printed without a backslash")
	}
	return fakeEval(src, at)
}

func dumpOf(t *testing.T, n *Node) string {
	var b bytes.Buffer
	if err := Dump(&b, n, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sameTree compares names, arguments and what each parameter finally is.
func sameTree(a, b *Node) bool {
	if a.Name != b.Name || a.Arg != b.Arg || len(a.Children) != len(b.Children) {
		return false
	}
	for _, p := range a.Params {
		want, _ := a.Get(p.Name)
		got, found := b.Get(p.Name)
		if !found || got.Value.Kind != want.Value.Kind || got.Value.Text != want.Value.Text {
			return false
		}
	}
	for i := range a.Children {
		if !sameTree(a.Children[i], b.Children[i]) {
			return false
		}
	}
	return true
}

func checkTree(t *testing.T, lines []string, n *Node) {
	for _, p := range n.Params {
		checkPos(t, lines, p.Pos, p.Name)
		checkPos(t, lines, p.At, p.Name)
	}
	for _, child := range n.Children {
		checkPos(t, lines, child.Pos, child.Name)
		checkTree(t, lines, child)
	}
}

func checkPos(t *testing.T, lines []string, p Pos, what string) {
	if p.Line < 1 || p.Line > len(lines) || p.Col < 0 || p.Col > utf8.RuneCountInString(lines[p.Line-1])+1 {
		t.Fatalf("%s is outside the file of %d lines: %s", p, len(lines), what)
	}
}

// FuzzLiterals: nothing panics, and what is printed as JSON reads back.
func FuzzLiterals(f *testing.F) {
	for _, s := range []string{"10", "0.5k", "1ms", "a,b", "k:v,l:w", `{"a":[1,1.5,"\u00e9\ud83d\ude00"]}`, `[1e400,-0]`, "1_0.5e-7", "x", "", "9999999999999999999t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, _, err := ParseSize(s); err == nil && strings.HasPrefix(s, "-") && n > 0 && !strings.ContainsAny(s, "kmgtKMGT") {
			t.Fatalf("size %q is %d", s, n)
		}
		if d, hint, err := ParseTime(s); err == nil && hint == "" && d == time.Duration(0) && strings.ContainsAny(s, "123456789") && !strings.ContainsAny(s, ".eE") {
			t.Fatalf("time %q is 0", s)
		}
		_, _, _ = ParseInt(s)
		_, _, _ = ParseFloat(s)
		_, _ = ParseBool(s)
		_, _ = ParseArray(s)
		_, _ = ParseHash(s)
		_ = plainScalar(s)
		v, err := ParseJSON(s)
		if err != nil {
			return
		}
		text := string(appendJSON(nil, v))
		again, err := ParseJSON(text)
		if err != nil || string(appendJSON(nil, again)) != text {
			t.Fatalf("%s: read back as %v, %v", text, again, err)
		}
	})
}

func BenchmarkParse5000Lines(b *testing.B) {
	var text strings.Builder
	for i := 0; text.Len() == 0 || strings.Count(text.String(), "\n") < 5000; i++ {
		fmt.Fprintf(&text, `<match app.%d.**>
  @type s3
  path "logs/#{ENV['X']}/%d" # comment
  s3_object_key_format %%{path}%%{time_slice}_%%{index}.%%{file_extension}
  headers {"a": "b", "c": [1, 2, 3]}
  <buffer tag,time>
    @type file
    path /var/log/fluent/buffer/%d
    timekey 60
    chunk_limit_size 256m
  </buffer>
</match>
`, i, i, i)
	}
	for b.Loop() {
		if _, err := Parse("x.conf", []byte(text.String()), Options{Eval: fakeEval}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseYAML5000Lines(b *testing.B) {
	text := "config:\n" + strings.Repeat(`  - match:
      $tag: a.**
      $type: s3
      path: logs/a
      buffer:
        $arg: [tag, time]
        $type: file
        timekey: 60
`, 625)
	for b.Loop() {
		if _, err := Parse("x.yaml", []byte(text), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
