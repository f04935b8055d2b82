package onig

import (
	"strings"
	"unicode/utf8"
)

// linear reports whether RE2 says what Ruby would say of this text.
func (r *Regexp) linear(s string) bool {
	return r.re != nil && (!r.unended || !strings.HasSuffix(s, "\n")) && (!r.ascii || isASCII(s))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Match reports whether the pattern matches somewhere in s. The error is
// [ErrTimeout]; a pattern that is [Regexp.Linear] never gives one.
func (r *Regexp) Match(s string) (bool, error) {
	if r.linear(s) {
		return r.re.MatchString(s), nil
	}
	loc, err := r.FindStringSubmatchIndex(s)
	return loc != nil, err
}

// MatchString is Match for patterns of which it does not matter whether they do
// not match or take too long.
func (r *Regexp) MatchString(s string) bool {
	ok, err := r.Match(s)
	return ok && err == nil
}

// FindStringSubmatchIndex finds the first match. The result is nil when there is
// none, else byte offsets: begin and end of the match, then of each group, -1 for
// a group that took no part. The error is [ErrTimeout].
func (r *Regexp) FindStringSubmatchIndex(s string) ([]int, error) {
	if !r.linear(s) {
		return r.backtrack(s, 0)
	}
	loc := r.re.FindStringSubmatchIndex(s)
	if r.trailing && loc != nil {
		loc = loc[2:] // group 1 is the match without the newline at the end
	}
	return loc, nil
}

// FindStringSubmatchIndexFrom finds the first match that begins at byte offset
// from or behind it. What stands before is seen by \b, ^ and look-behind.
func (r *Regexp) FindStringSubmatchIndexFrom(s string, from int) ([]int, error) {
	switch {
	case from > len(s):
		return nil, nil
	case from <= 0:
		return r.FindStringSubmatchIndex(s)
	case !r.linear(s):
		return r.backtrack(s, from)
	}
	if behind := r.behind(); behind != nil {
		_, n := utf8.DecodeLastRuneInString(s[:from])
		loc := behind.FindStringSubmatchIndex(s[from-n:])
		if loc == nil {
			return nil, nil
		}
		return moved(loc[2:], from-n), nil
	}
	loc := r.re.FindStringSubmatchIndex(s[from:])
	if r.trailing && loc != nil {
		loc = loc[2:]
	}
	return moved(loc, from), nil
}

func moved(loc []int, by int) []int {
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += by
		}
	}
	return loc
}

func (r *Regexp) backtrack(s string, from int) ([]int, error) {
	b, err := r.slow()
	if err != nil {
		return nil, err
	}
	d := decode(s)
	return b.find(&d, utf8.RuneCountInString(s[:from]))
}

// FindAll yields the matches one after another from byte offset from on, as
// String#scan does: the next search begins at a match's end, a character further
// when the match was empty. It stops when yield says false. The error is
// [ErrTimeout].
func (r *Regexp) FindAll(s string, from int, yield func(loc []int) bool) error {
	if !r.linear(s) {
		return r.backtrackAll(s, from, yield)
	}
	for from <= len(s) {
		loc, err := r.FindStringSubmatchIndexFrom(s, from)
		if loc == nil || err != nil || !yield(loc) {
			return err
		}
		from = loc[1]
		if loc[0] == loc[1] {
			from += step(s, from)
		}
	}
	return nil
}

// step is the length of the character at an offset; 1 at the end.
func step(s string, at int) int {
	_, n := utf8.DecodeRuneInString(s[at:])
	return max(n, 1)
}

// backtrackAll decodes the text only once.
func (r *Regexp) backtrackAll(s string, from int, yield func(loc []int) bool) error {
	b, err := r.slow()
	if err != nil {
		return err
	}
	d := decode(s)
	for at := utf8.RuneCountInString(s[:from]); at <= len(d.runes); {
		loc, err := b.find(&d, at)
		if loc == nil || err != nil || !yield(loc) {
			return err
		}
		if at += utf8.RuneCountInString(s[d.byteOffset(at):loc[1]]); loc[0] == loc[1] {
			at++
		}
	}
	return nil
}

// ReplaceAll appends s to dst with every match replaced by what replace appends.
func (r *Regexp) ReplaceAll(dst []byte, s string, replace func(dst []byte, loc []int) []byte) ([]byte, error) {
	last := 0
	err := r.FindAll(s, 0, func(loc []int) bool {
		dst = append(dst, s[last:loc[0]]...)
		dst = replace(dst, loc)
		last = loc[1]
		return true
	})
	return append(dst, s[last:]...), err
}
