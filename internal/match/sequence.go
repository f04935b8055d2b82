package match

import "strings"

// sequence is a pattern without braces.
type sequence []token

// maxSequences bounds what braces may multiply to; beyond it the regular expression
// is used.
const maxSequences = 64

// expand multiplies the braces out.
func expand(tokens []token) (seqs []sequence, ok bool) {
	seqs = []sequence{nil}
	for _, t := range tokens {
		if t.kind != either {
			for i := range seqs {
				seqs[i] = appendToken(seqs[i], t)
			}
			continue
		}
		var grown []sequence
		for _, alt := range t.alts {
			tails, ok := expand(alt)
			if !ok || len(grown)+len(seqs)*len(tails) > maxSequences {
				return nil, false
			}
			grown = append(grown, join(seqs, tails)...)
		}
		seqs = grown
	}
	return seqs, true
}

func join(heads, tails []sequence) []sequence {
	var list []sequence
	for _, head := range heads {
		for _, tail := range tails {
			s := append(sequence{}, head...)
			for _, t := range tail {
				s = appendToken(s, t)
			}
			list = append(list, s)
		}
	}
	return list
}

// appendToken joins literals, in a copy: sequences share their beginnings.
func appendToken(s sequence, t token) sequence {
	if n := len(s); n > 0 && t.kind == literal && s[n-1].kind == literal {
		joined := append(sequence{}, s...)
		joined[n-1].text += t.text
		return joined
	}
	return append(s[:len(s):len(s)], t)
}

// match goes through the tag once and comes back, when it fails, to the last * or
// else to the last **. What lies before those need not be tried again: a later **
// reaches whatever it would have reached after more of an earlier one, and so does a
// later *, within its part. The tag holds no line end.
func (s sequence) match(tag string) bool {
	var star, double retry
	for i, pos := 0, 0; ; {
		if i == len(s) && pos == len(tag) {
			return true
		}
		if i < len(s) && s[i].fits(tag, pos) {
			t := &s[i]
			i++
			switch {
			case t.kind == literal:
				pos += len(t.text)
			case t.kind == boundary:
			case i == len(s) && t.takesAll(tag[pos:]):
				return true
			case t.kind == anyInPart:
				star = retry{on: true, token: i, pos: pos}
			default:
				star, double = retry{}, retry{on: true, token: i, pos: pos, parts: t.kind == anyParts}
				if double.parts && pos > 0 && !double.advance(tag) {
					return false
				}
				pos = double.pos
			}
			continue
		}
		switch {
		case star.on && star.pos < len(tag) && tag[star.pos] != '.':
			star.pos++
			i, pos = star.token, star.pos
		case double.on && double.advance(tag):
			star = retry{}
			i, pos = double.token, double.pos
		default:
			return false
		}
	}
}

// retry is the place to go on from when the rest does not match: the token after a
// wildcard, and where the wildcard ends.
type retry struct {
	on         bool
	token, pos int
	parts      bool // it ends behind a point
}

// advance makes a ** longer: by one byte, or by one part.
func (r *retry) advance(tag string) bool {
	if !r.parts {
		r.pos++
		return r.pos <= len(tag)
	}
	n := strings.IndexByte(tag[r.pos:], '.')
	r.pos += n + 1
	return n >= 0
}

// fits says whether a token, wildcards as nothing, may stand at a position.
func (t *token) fits(tag string, pos int) bool {
	switch t.kind {
	case literal:
		return strings.HasPrefix(tag[pos:], t.text)
	case boundary:
		return pos == len(tag) || tag[pos] == '.'
	}
	return true
}

// takesAll says that a wildcard at the pattern's end matches the rest of the tag.
func (t *token) takesAll(rest string) bool {
	return t.kind == anything || t.kind == anyInPart && strings.IndexByte(rest, '.') < 0
}
