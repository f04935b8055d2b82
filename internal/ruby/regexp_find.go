package ruby

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/onig"
)

// fromFinder finds a match that begins at a byte offset or later, seeing what
// stands before it. An onig.Regexp that can do that is asked.
type fromFinder interface {
	FindStringSubmatchIndexFrom(s string, from int) ([]int, error)
}

// contextual are constructs whose meaning depends on what stands before the
// place where the search begins.
var contextual = regexp.MustCompile(`\\[AbBGKZz1-9gk]|\^|\(\?<[=!]|\(\?[=!]`)

// findFrom finds the first match at or behind a byte offset.
func findFrom(re *onig.Regexp, s string, from int) ([]int, error) {
	if from == 0 {
		return re.FindStringSubmatchIndex(s)
	}
	if f, ok := any(re).(fromFinder); ok {
		return f.FindStringSubmatchIndexFrom(s, from)
	}
	if from > len(s) {
		return nil, nil
	}
	if !contextual.MatchString(re.String()) || strings.HasSuffix(s[:from], "\n") && !strings.Contains(re.String(), `\`) {
		return shifted(re, s, from)
	}
	// Go through the matches from the start of the text's last character on.
	_, n := utf8.DecodeLastRuneInString(s[:from])
	for at := from - n; ; {
		loc, err := re.FindStringSubmatchIndex(s[at:])
		if loc == nil || err != nil {
			return nil, err
		}
		if at+loc[0] >= from {
			return addOffset(loc, at), nil
		}
		return shifted(re, s, from)
	}
}

func shifted(re *onig.Regexp, s string, from int) ([]int, error) {
	loc, err := re.FindStringSubmatchIndex(s[from:])
	return addOffset(loc, from), err
}

func addOffset(loc []int, by int) []int {
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += by
		}
	}
	return loc
}
