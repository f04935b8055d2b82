// Package onig is Ruby's regular expressions.
package onig

import (
	"regexp"
	"strings"
)

// Options are a pattern's flags.
type Options struct{ IgnoreCase, Extended, MultiLine bool }

// Regexp is a compiled pattern.
type Regexp struct{ re *regexp.Regexp }

// Compile compiles a pattern.
func Compile(src string, o Options) (*Regexp, error) {
	flags := "m"
	if o.IgnoreCase {
		flags += "i"
	}
	if o.MultiLine {
		flags += "s"
	}
	re, err := regexp.Compile("(?" + flags + ")" + src)
	if err != nil {
		return nil, err
	}
	return &Regexp{re}, nil
}

// ParseLiteral compiles "/re/imx", or a pattern without slashes.
func ParseLiteral(text string) (*Regexp, error) {
	if len(text) > 1 && text[0] == '/' {
		end := strings.LastIndexByte(text, '/')
		if end > 0 {
			f := text[end+1:]
			return Compile(text[1:end], Options{strings.Contains(f, "i"), strings.Contains(f, "x"), strings.Contains(f, "m")})
		}
	}
	return Compile(text, Options{})
}

// MatchString reports whether the pattern matches somewhere in s.
func (r *Regexp) MatchString(s string) bool { return r.re.MatchString(s) }

// FindStringSubmatchIndex gives byte offsets, nil when there is no match.
func (r *Regexp) FindStringSubmatchIndex(s string) ([]int, error) {
	return r.re.FindStringSubmatchIndex(s), nil
}

// SubexpNames are the groups' names.
func (r *Regexp) SubexpNames() []string { return r.re.SubexpNames() }

// NumSubexp is the number of groups.
func (r *Regexp) NumSubexp() int { return r.re.NumSubexp() }

func (r *Regexp) String() string { return r.re.String() }
