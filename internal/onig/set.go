package onig

import (
	"slices"
	"sync"
	"unicode"
)

// set is a set of characters: pairs of first and last, sorted, apart.
type set struct{ pairs []rune }

const maxRune = unicode.MaxRune

func setOf(pairs ...rune) *set {
	s := &set{}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.pairs = append(s.pairs, pairs[i], pairs[i+1])
	}
	return s.normal()
}

func setOfTables(tables ...*unicode.RangeTable) *set {
	s := &set{}
	for _, t := range tables {
		for _, r := range t.R16 {
			s.addStrided(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			s.addStrided(rune(r.Lo), rune(r.Hi), rune(r.Stride)) //nolint:gosec // code points
		}
	}
	return s.normal()
}

func (s *set) addStrided(lo, hi, stride rune) {
	if stride == 1 {
		s.pairs = append(s.pairs, lo, hi)
		return
	}
	for r := lo; r <= hi; r += stride {
		s.pairs = append(s.pairs, r, r)
	}
}

// normal sorts the pairs and joins those that touch.
func (s *set) normal() *set {
	type pair struct{ lo, hi rune }
	list := make([]pair, 0, len(s.pairs)/2)
	for i := 0; i < len(s.pairs); i += 2 {
		list = append(list, pair{s.pairs[i], s.pairs[i+1]})
	}
	slices.SortFunc(list, func(a, b pair) int { return int(a.lo - b.lo) })
	s.pairs = s.pairs[:0]
	for _, p := range list {
		if n := len(s.pairs); n > 0 && p.lo <= s.pairs[n-1]+1 {
			s.pairs[n-1] = max(s.pairs[n-1], p.hi)
			continue
		}
		s.pairs = append(s.pairs, p.lo, p.hi)
	}
	return s
}

func (s *set) union(other *set) *set {
	return (&set{slices.Concat(s.pairs, other.pairs)}).normal()
}

func (s *set) negate() *set {
	out, next := &set{}, rune(0)
	for i := 0; i < len(s.pairs); i += 2 {
		if s.pairs[i] > next {
			out.pairs = append(out.pairs, next, s.pairs[i]-1)
		}
		next = s.pairs[i+1] + 1
	}
	if next <= maxRune {
		out.pairs = append(out.pairs, next, maxRune)
	}
	return out
}

func (s *set) intersect(other *set) *set {
	return s.negate().union(other.negate()).negate()
}

// cased are the characters that have another case.
var cased = sync.OnceValue(func() *set {
	out := &set{}
	for _, t := range []*unicode.RangeTable{unicode.Lu, unicode.Ll, unicode.Lt, unicode.Mn, unicode.Nl, unicode.So} {
		all := setOfTables(t)
		for i := 0; i < len(all.pairs); i += 2 {
			for r := all.pairs[i]; r <= all.pairs[i+1]; r++ {
				if unicode.SimpleFold(r) != r {
					out.pairs = append(out.pairs, r, r)
				}
			}
		}
	}
	return out.normal()
})

// folded adds to each character those that differ from it only in case.
func (s *set) folded() *set {
	out := &set{slices.Clone(s.pairs)}
	letters := s.intersect(cased())
	for i := 0; i < len(letters.pairs); i += 2 {
		for r := letters.pairs[i]; r <= letters.pairs[i+1]; r++ {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				out.pairs = append(out.pairs, f, f)
			}
		}
	}
	return out.normal()
}
