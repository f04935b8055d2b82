package conf

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// scanner walks over the text of one file and knows the line and column of every
// offset. What it calls spacing and the end of a line is what Fluentd's parser
// takes for them: blanks, tabs, CR, LF and # comments.
type scanner struct {
	file   file
	text   string
	pos    int
	starts []int // offsets at which the lines begin
	last   int   // index into starts of the line that was asked for last
	known  struct{ offset, col int }
}

func newScanner(f file, text string) scanner {
	starts := make([]int, 1, strings.Count(text, "\n")+1)
	for i := range len(text) {
		if text[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return scanner{file: f, text: text, starts: starts}
}

// line is the index of the line that holds an offset. Most questions are about the
// line of the one before, or one of the next.
func (s *scanner) line(offset int) int {
	for i := s.last; i < min(s.last+8, len(s.starts)); i++ {
		if s.starts[i] <= offset && (i+1 == len(s.starts) || offset < s.starts[i+1]) {
			s.last = i
			return i
		}
	}
	s.last = sort.SearchInts(s.starts, offset+1) - 1
	return s.last
}

// at is an offset as line and column. Questions mostly come in the order of the
// text, so that a line is counted once.
func (s *scanner) at(offset int) Pos {
	line := s.line(offset)
	from, col := s.starts[line], 1
	if k := s.known; k.offset >= from && k.offset <= offset && k.col > 0 {
		from, col = k.offset, k.col // goes on where the last question ended
	}
	col += utf8.RuneCountInString(s.text[from:offset])
	s.known.offset, s.known.col = offset, col
	return Pos{File: s.file.name, Line: line + 1, Col: col, Included: s.file.included}
}

func (s *scanner) eof() bool { return s.pos >= len(s.text) }

// peek is the byte at the position, 0 at the end.
func (s *scanner) peek() byte {
	if s.eof() {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) skip(prefix string) bool {
	if !strings.HasPrefix(s.text[s.pos:], prefix) {
		return false
	}
	s.pos += len(prefix)
	return true
}

// spacing skips white space, line ends and comments.
func (s *scanner) spacing() {
	for !s.eof() {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		case '#':
			s.pos = s.lineEndFrom(s.pos)
		default:
			return
		}
	}
}

// blanks skips white space but no comment, and says whether a line ended in it.
func (s *scanner) blanks() (newline bool) {
	for !s.eof() {
		switch s.text[s.pos] {
		case '\n':
			newline = true
		case ' ', '\t', '\r':
		default:
			return newline
		}
		s.pos++
	}
	return true
}

// lineEnd skips what may stand between a value and the next line; false means
// that something else stands there.
func (s *scanner) lineEnd() bool {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	switch s.peek() {
	case '#':
		s.pos = s.lineEndFrom(s.pos)
		return true
	case '\r', '\n':
		return true
	}
	return s.eof()
}

// lineEndFrom is the offset of the CR or LF that ends the line, or of the end.
func (s *scanner) lineEndFrom(offset int) int {
	if i := strings.IndexAny(s.text[offset:], "\r\n"); i >= 0 {
		return offset + i
	}
	return len(s.text)
}

// skipLine goes to the end of the line that holds offset.
func (s *scanner) skipLine(offset int) { s.pos = s.lineEndFrom(offset) }
