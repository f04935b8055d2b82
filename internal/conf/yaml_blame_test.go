package conf

import (
	"fmt"
	"strings"
	"testing"
)

// The line that a person has to look at, not the one where the list began.
func TestBlamedLine(t *testing.T) {
	t.Parallel()
	const good = "config:\n  - source:\n      $type: http\n      port: 8888\n"
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"wrong indent":     {good + "     parse:\n        $type: json\n  - match:\n      $tag: a\n", 5},
		"a tab":            {good + "\tbind: b\n", 5},
		"unclosed quote":   {good + "      bind: \"b\n      x: y\n", 5},
		"unclosed list":    {good + "      hosts: [a, b\n      x: y\n", 5},
		"colon in a text":  {good + "      path: a: b\n      x: y\n", 5},
		"behind long text": {good + "      a: \"b\n        c\"\n      d: |\n        : [\n       e: f\n", 9},
	} {
		if got := blamedLine([]byte(c.text), 1); got != c.want {
			t.Errorf("%s: line %d, want %d", name, got, c.want)
		}
	}
	if got := blamedLine([]byte(strings.Repeat("a: [\n", mostBlamed+1)), 7); got != 7 {
		t.Errorf("a long file: line %d, want what was reported", got)
	}
	problems := &Problems{}
	_, _ = Parse("fluent.yaml", []byte(good+"     parse:\n"), Options{Problems: problems})
	if got := fmt.Sprint(problems.Errors); !strings.Contains(got, "fluent.yaml:5: YAML: ") {
		t.Errorf("got %s", got)
	}
}
