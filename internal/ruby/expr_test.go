package ruby

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var record = flag.Bool("record", false, "write what the real Ruby gives into testdata/expr")

// TestExpressions compares expressions with what real Ruby gave for them. A case
// is an expression's lines, then "=> value" or "!! Class: message", then a blank
// line. With -record the real Ruby writes the results anew.
func TestExpressions(t *testing.T) {
	files, err := filepath.Glob("testdata/expr/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			exprs, wants := readCases(t, file)
			if *record {
				writeCases(t, file, exprs)
				return
			}
			for i, expr := range exprs {
				if wants[i] == "" {
					t.Errorf("%s\nwas never recorded", expr)
				} else if got := ours(t, expr); got != wants[i] {
					t.Errorf("%s\n got %s\nruby %s", expr, got, wants[i])
				}
			}
		})
	}
}

func readCases(t *testing.T, file string) (exprs, wants []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		var src, want []string
		for _, line := range strings.Split(c, "\n") {
			if len(want) > 0 || strings.HasPrefix(line, "=> ") || strings.HasPrefix(line, "!! ") {
				want = append(want, line)
			} else {
				src = append(src, line)
			}
		}
		if len(want) > 0 || len(src) == 1 {
			exprs, wants = append(exprs, strings.Join(src, "\n")), append(wants, strings.Join(want, "\n"))
			continue
		}
		for _, line := range src { // a new file: one expression per line
			exprs, wants = append(exprs, line), append(wants, "")
		}
	}
	return exprs, wants
}

func writeCases(t *testing.T, file string, exprs []string) {
	t.Helper()
	var b strings.Builder
	for i, result := range oracle(t, exprs) {
		if strings.Contains(result, "SyntaxError") {
			t.Errorf("%s\n%s", exprs[i], result)
		}
		b.WriteString(exprs[i] + "\n" + result + "\n\n")
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
