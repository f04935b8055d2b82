package param

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
)

// Errorf is what a plugin's Check returns to blame one parameter (name) and to
// say how to mend it (hint, may be ""). The place is filled in by [Place].
func Errorf(name, hint, format string, args ...any) error {
	return &conf.Error{Param: name, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// Place gives an error of Check its position: that of the parameter it blames,
// else that of section n.
func Place(err error, n *conf.Node, path string) *conf.Error {
	placed := &conf.Error{Pos: n.Pos, Path: path, Err: err}
	var blamed *conf.Error
	if errors.As(err, &blamed) && blamed.Pos.Line == 0 {
		placed.Param, placed.Err, placed.Hint = blamed.Param, blamed.Err, blamed.Hint
		if line, ok := findParam(n, blamed.Param); ok {
			placed.Pos = line.Pos
		}
	}
	return placed
}

// findParam looks in n, then in its sub-sections, so that Check may blame a
// parameter of <buffer> from the outside.
func findParam(n *conf.Node, name string) (conf.Param, bool) {
	if line, ok := n.Get(name); ok {
		return line, true
	}
	for _, child := range n.Children {
		if line, ok := findParam(child, name); ok {
			return line, true
		}
	}
	return conf.Param{}, false
}

func (p *Param) checkEnum(text string) error {
	if len(p.enum) == 0 || slices.Contains(p.enum, text) {
		return nil
	}
	if text == "" || p.secret || strings.ContainsAny(text, " \"\n") {
		text = quote(p, text)
	}
	return fmt.Errorf("%w %s but got %s", ErrEnum, strings.Join(p.enum, ","), text)
}

// mask drops the text of an error about a secret: it may quote the value.
func (p *Param) mask(err error) error {
	if p.secret {
		return errors.New("value is malformed")
	}
	return err
}

func quote(p *Param, text string) string {
	if p.secret {
		return "xxxxxx"
	}
	return fmt.Sprintf("%q", text)
}

func (p *Param) requiredHint() string {
	if p.doc == "" {
		return ""
	}
	return fmt.Sprintf("add a line `%s ...`: %s", p.name, lowerFirst(p.doc))
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// nearestHint is "did you mean ...?" when a known word is within two edits.
func nearestHint(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(word, k, distance); d < distance {
			best, distance = k, d
		}
	}
	if best == "" || distance*2 >= len(word) {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours, giving up at limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	older, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, prev = prev, row
	}
	return prev[len(b)]
}

// Nearest is "did you mean X?" for a word that is close to one of known, else "".
func Nearest(word string, known []string) string { return nearestHint(word, known) }
