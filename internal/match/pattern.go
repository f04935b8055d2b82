// Package match decides whether a tag is meant by the patterns of a <match> or
// <filter>.
//
// A tag is a line of parts with points between them. In a pattern * is one part or
// a piece of one, ** any number of parts, also none, {a,b} one of several, and
// /…/ a Ruby regular expression. Several patterns stand in one directive, with
// blanks between them. The meaning is Fluentd's to the letter, which translates a
// pattern to a regular expression; here the usual pattern is matched by hand, and
// the translation remains for what is unusual.
package match

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sluicelog/sluice/internal/onig"
)

// Pattern is what a directive is written for: all its patterns. It is safe for use
// by several goroutines.
type Pattern struct {
	text  string
	parts []part
}

// part is one of the patterns between the blanks.
type part struct {
	text string
	all  bool         // ** alone
	seqs []sequence   // any of them
	re   *onig.Regexp // from the outset: /…/, or braces that make too many sequences
	// translated is what Fluentd makes of a glob. It is asked about tags that hold a
	// line end, where the meaning of . and \Z counts.
	translated func() (*onig.Regexp, error)
}

// Compile reads the argument of a <match> or <filter>. An empty one means **, as in
// Fluentd. The error is a regular expression that is none, or is not closed.
func Compile(patterns string) (*Pattern, error) {
	p := &Pattern{text: patterns}
	if patterns == "" {
		p.parts = []part{{all: true}}
	}
	for _, text := range split(patterns) {
		one, err := compilePart(text)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", text, err)
		}
		p.parts = append(p.parts, one)
	}
	return p, nil
}

// split is Ruby's split(/\s+/): a blank at the beginning leaves an empty pattern,
// which means the empty tag.
func split(patterns string) []string {
	fields := strings.FieldsFunc(patterns, isBlank)
	if patterns != "" && isBlank(rune(patterns[0])) && len(fields) > 0 {
		fields = append([]string{""}, fields...)
	}
	return fields
}

func isBlank(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

// compilePart reads one pattern; braces are multiplied out unless that is too much.
func compilePart(text string) (part, error) {
	switch {
	case text == "**":
		return part{text: text, all: true}, nil
	case strings.HasPrefix(text, "/"):
		re, err := compileRegexp(text)
		return part{text: text, re: re}, err
	}
	tokens := tokenize(text)
	source := `\A` + translate(tokens) + `\Z`
	one := part{text: text, translated: sync.OnceValues(func() (*onig.Regexp, error) {
		return onig.Compile(source, onig.Options{})
	})}
	seqs, ok := expand(tokens)
	if !ok {
		re, err := one.translated()
		one.re = re
		return one, err
	}
	one.seqs = seqs
	return one, nil
}

// compileRegexp reads /source/. As in Fluentd only the first and last branch of a|b
// are tied to the tag's ends.
func compileRegexp(text string) (*onig.Regexp, error) {
	if !strings.HasSuffix(text, "/") {
		return nil, errors.New(`a regular expression ends with /; a blank in it is written \s, since blanks part patterns`)
	}
	source := strings.TrimSuffix(text[1:], "/")
	return onig.Compile(`\A`+source+`\Z`, onig.Options{})
}

// Match says whether one of the patterns means the tag.
func (p *Pattern) Match(tag string) bool {
	odd := strings.IndexByte(tag, '\n') >= 0
	for i := range p.parts {
		if p.parts[i].match(tag, odd) {
			return true
		}
	}
	return false
}

// match asks one pattern; odd tags hold a line end.
func (p *part) match(tag string, odd bool) bool {
	switch {
	case p.all:
		return true
	case p.re != nil:
		return p.re.MatchString(tag)
	case odd:
		re, err := p.translated()
		return err == nil && re.MatchString(tag)
	}
	for _, s := range p.seqs {
		if s.match(tag) {
			return true
		}
	}
	return false
}

// String is the text that was compiled.
func (p *Pattern) String() string { return p.text }
