package conf

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what was read into testdata/conf/*.txtar")

// TestCases reads testdata/conf/*.txtar at the root of the repository. A case is a
// configuration (the first file is read, the others lie beside it) and what comes
// of it: want, the tree as Dump prints it, or errors, their exact text; warnings,
// where there are any.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/conf/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for i, path := range paths {
		if paths[i], err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { runCase(t, path) })
	}
}

func runCase(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	want, inputs := map[string]string{}, []txtar.File{}
	for _, f := range archive.Files {
		if f.Name == "want" || f.Name == "errors" || f.Name == "warnings" {
			want[f.Name] = string(f.Data)
			continue
		}
		inputs = append(inputs, f)
		writeInput(t, f)
	}
	got := readCase(inputs[0].Name)
	if *update {
		archive.Files = inputs
		for _, name := range []string{"want", "errors", "warnings"} {
			if got[name] != "" {
				archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(got[name])})
			}
		}
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range []string{"want", "errors", "warnings"} {
		if got[name] != want[name] {
			t.Errorf("%s:\ngot:\n%swant:\n%s", name, got[name], want[name])
		}
	}
}

// writeInput writes a file of a case. \r, \t, BOM and raw bytes are written as
// {CR}, {TAB}, {BOM} and {FF}, so that an editor leaves them alone.
func writeInput(t *testing.T, f txtar.File) {
	t.Helper()
	marks := strings.NewReplacer("{CR}", "\r", "{TAB}", "\t", "{BOM}", "\uFEFF", "{FF}", "\xff", "{NOEND}\n", "")
	if dir := filepath.Dir(f.Name); dir != "." {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.Name, []byte(marks.Replace(string(f.Data))), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readCase gives the tree only when there are no errors.
func readCase(name string) map[string]string {
	var problems Problems
	root, err := ParseFile(name, Options{Eval: fakeEval, Problems: &problems})
	got := map[string]string{}
	if err != nil {
		got["errors"] = err.Error() + "\n"
	} else {
		var tree bytes.Buffer
		if err := Dump(&tree, root, false); err != nil {
			panic(err)
		}
		got["want"] = tree.String()
	}
	for _, w := range problems.Warnings {
		got["warnings"] += w.Error() + "\n"
	}
	return got
}

// fakeEval knows a few words in place of Ruby.
func fakeEval(src string, at Pos) (Value, error) {
	switch src {
	case "use_nil":
		return Value{Kind: Nil}, nil
	case "use_default":
		return Value{Kind: Default}, nil
	case "boom":
		return Value{}, errors.New("undefined method boom")
	case "placed":
		at.Col += 2
		return Value{}, &Error{Pos: at, Err: errors.New("not this letter"), Hint: "another"}
	}
	return Value{Text: "<" + src + ">"}, nil
}
