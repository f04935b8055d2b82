package onig

import (
	"errors"
	"fmt"
)

// Error is what is wrong with a pattern, or what of it is not supported.
type Error struct {
	Src  string // the pattern
	Col  int    // where in it, in characters from 1
	Msg  string // Ruby's words where Ruby refuses it too
	Hint string // what to write instead; "" when there is nothing to say
}

func (e *Error) Error() string {
	s := fmt.Sprintf("regular expression /%s/, column %d: %s", e.Src, e.Col, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// ErrTimeout is that a search took longer than [Timeout] or [Regexp.WithTimeout].
var ErrTimeout = errors.New("regular expression took too long")
