package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseFileThatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.conf")
	root, err := ParseFile(path, Options{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("got error %v", err)
	}
	if root == nil || root.Name != "ROOT" {
		t.Errorf("got tree %v", root)
	}
}

// TestPartialTree: what is right in a broken file is there, so that a check can
// look at it too.
func TestPartialTree(t *testing.T) {
	root, err := Parse("x.conf", []byte("<source>\n  a \"\\x\"\n  b 1\n</source>\n<match a>\n  c 1\n</match>\n"), Options{})
	if ce, ok := errors.AsType[*Error](err); !ok || ce.Pos.Line != 2 || ce.Param != "a" || ce.Path != "source" {
		t.Fatalf("got error %#v", err)
	}
	if len(root.Children) != 2 || root.Children[0].Text("b") != "1" || root.Children[1].Text("c") != "1" {
		t.Errorf("got %v", root.Children)
	}
}

func TestPositions(t *testing.T) {
	root, err := Parse("x.conf", []byte("é 1\n<match a>\n\té  \"v\"\n</match>\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := root.Children[0]
	got := fmt.Sprint(root.Params[0].At, n.Pos, n.Params[0].Pos, n.Params[0].At)
	if want := "x.conf:1:3 x.conf:2:1 x.conf:3:2 x.conf:3:5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	root, err = Parse("x.yaml", []byte("config:\n  - match:\n      $tag: a\n      k: v\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	n = root.Children[0]
	got = fmt.Sprint(n.Pos, n.Params[0].Pos, n.Params[0].At)
	if want := "x.yaml:2:5 x.yaml:4:7 x.yaml:4:10"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKinds(t *testing.T) {
	text := "a bare\nb \"q\"\nc 'q'\nd [1]\ne {}\nf \"#{use_nil}\"\ng \"#{use_default}\"\nh\n"
	root, err := Parse("x.conf", []byte(text), Options{Eval: fakeEval})
	if err != nil {
		t.Fatal(err)
	}
	want := []Value{
		{Text: "bare"},
		{Text: "q", Quote: '"'},
		{Text: "q", Quote: '\''},
		{Text: "[1]", Quote: '['},
		{Text: "{}", Quote: '{'},
		{Kind: Nil, Quote: '"'},
		{Kind: Default, Quote: '"'},
		{},
	}
	for i, p := range root.Params {
		if p.Value != want[i] {
			t.Errorf("%s: got %#v, want %#v", p.Name, p.Value, want[i])
		}
	}
	root, err = Parse("c", []byte("system:\n  a: 5\n  b: true\n  c: text\n  d: \"5\"\n  e:\n  f: [1]\n"), Options{Format: YAML})
	if err != nil {
		t.Fatal(err)
	}
	want = []Value{{Text: "5", Quote: Typed}, {Text: "true", Quote: Typed}, {Text: "text"}, {Text: "5", Quote: '"'}, {Kind: Nil}, {Text: "[1]", Quote: '['}}
	for i, p := range root.Children[0].Params {
		if p.Value != want[i] {
			t.Errorf("%s: got %#v, want %#v", p.Name, p.Value, want[i])
		}
	}
}

func TestNoEvalRefusesRuby(t *testing.T) {
	_, err := Parse("x.conf", []byte(`a "#{1}"`), Options{})
	if err == nil || !strings.Contains(err.Error(), "x.conf:1:6: a: embedded Ruby is not allowed here") {
		t.Errorf("got %v", err)
	}
}

// TestIncludeDirs: the folder is searched at any depth, in order of name; the main
// file's parameters win, and both forms count.
func TestIncludeDirs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.conf", "k main\n<match main>\n</match>\n")
	write("conf.d/b.yaml", "config:\n  - match: {$tag: b}\n")
	write("conf.d/a/a.conf", "k extra\n<match a>\n</match>\n")
	write("conf.d/c.txt", "<match c>\n</match>\n")
	write("more/m.yml", "config:\n  - match: {$tag: m}\n")
	root, err := ParseFile(filepath.Join(dir, "main.conf"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"conf.d", "none", "more"} {
		if err := AppendDir(root, filepath.Join(dir, folder), Options{}); err != nil {
			t.Fatal(err)
		}
	}
	var args []string
	for _, n := range root.Children {
		args = append(args, n.Arg)
	}
	if want := []string{"main", "a", "b", "m"}; !slices.Equal(args, want) || root.Text("k") != "main" {
		t.Errorf("got %v, k %s, want %v, k main", args, root.Text("k"), want)
	}
}

func TestDumpHidesSecrets(t *testing.T) {
	text := "<match a>\n  pass \"p\"\n  key k\n  <auth>\n    pass q\n  </auth>\n</match>\n"
	root, err := Parse("x.conf", []byte(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	match := root.Children[0]
	match.Params[0].Declared = true // and is no secret
	match.Params[1].Declared, match.Params[1].Secret = true, true
	err = Dump(&got, root, true)
	// What nothing declares is hidden by the look of its name.
	want := "<ROOT>\n  <match a>\n    pass \"p\"\n    key xxxxxx\n    <auth>\n      pass xxxxxx\n    </auth>\n  </match>\n</ROOT>\n"
	if err != nil || got.String() != want {
		t.Errorf("got %v\n%s", err, got.String())
	}
}

func TestDumpReportsAWriteError(t *testing.T) {
	if err := Dump(fullDisk{}, newRoot("x"), false); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, fs.ErrInvalid }

// TestAliasesAreBounded: a small file can name a huge one by its aliases.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 {k: v}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&b, "a%d: &a%d {x: *a%d, y: *a%d}\n", i, i, i-1, i-1)
	}
	for _, text := range []string{b.String(), "config: &c [*c]\n", "config: " + strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		_, err := Parse("x.yaml", []byte(text), Options{})
		if err == nil || !strings.Contains(err.Error(), "nested too deep") {
			t.Errorf("%.20s: got %v", text, err)
		}
	}
}

func TestGlobAsRuby(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a.conf", "b.conf", ".hidden.conf", "d/x.conf", "d/e/y.conf", "d/.h/z.conf", "[.conf"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string]string{
		"*.conf":               "[.conf a.conf b.conf",
		".*.conf":              ".hidden.conf",
		"?.conf":               "[.conf a.conf b.conf",
		"[ab].conf":            "a.conf b.conf",
		"{b,a,d/{x,e/y}}.conf": "a.conf b.conf d/e/y.conf d/x.conf",
		"**/*.conf":            "[.conf a.conf b.conf d/e/y.conf d/x.conf",
		"d/**/y.conf":          "d/e/y.conf",
		"a.conf":               "a.conf",
		"none":                 "",
		"a.conf/x":             "",
		"*/x.conf":             "d/x.conf",
		"{a":                   "",
	} {
		got, err := glob(pattern)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v, want %q", pattern, got, err, want)
		}
	}
}

func TestRubyEnd(t *testing.T) {
	for _, src := range []string{
		"", "x", "{}", "{ |a| {b: 1} }", `"}"`, `'}'`, `"\"}"`, `"#{"}"}"`, `'#{'`, "%w[} ]", "%w{a} b{}", "x % {a: 1}[:a]", "1 / 2 / {}.size",
		`x.gsub(/}/, '')`, `x =~ /#{"}"}\/}/`, "`}`", `%q(})`, "a\n{\n}\n",
	} {
		if got := rubyEnd(src + "}rest}"); got != len(src) {
			t.Errorf("%s: got %d, want %d", src, got, len(src))
		}
	}
	for _, src := range []string{"", "{}", `"}`, "{", `'}`, "/}", "%w[}"} {
		if got := rubyEnd(src); got >= 0 {
			t.Errorf("%s: got %d, want -1", src, got)
		}
	}
}
