package ruby

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/ruby/syntax"
)

// ParseError says why an expression was not taken: a mistake in it, or a
// construct outside the subset. Line and Col count from 1; Col counts
// characters. Hint may be "".
type ParseError struct {
	Line, Col int
	Msg       string
	Hint      string
}

// Error is "col 12: … (hint)"; the line is named when it is not the first.
func (e *ParseError) Error() string {
	var b strings.Builder
	if e.Line > 1 {
		fmt.Fprintf(&b, "line %d, ", e.Line)
	}
	fmt.Fprintf(&b, "col %d: %s", e.Col, e.Msg)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// placed turns an offset in a source into a line and column.
func placed(src string, e *syntax.Error) *ParseError {
	off := min(max(e.Off, 0), len(src))
	before := src[:off]
	line := strings.Count(before, "\n") + 1
	start := strings.LastIndexByte(before, '\n') + 1
	return &ParseError{Line: line, Col: utf8.RuneCountInString(before[start:]) + 1, Msg: e.Msg, Hint: e.Hint}
}

// Exception is a Ruby exception, as a value and as the error that Eval returns.
// Error is its message in the words of Ruby 3.1.
type Exception struct {
	class *Class
	msg   Value // what raise was given; nil when only text is there
	text  string
}

// Error is the exception's message.
func (e *Exception) Error() string { return e.text }

// Class is the name of its class, such as NoMethodError.
func (e *Exception) Class() string { return e.class.name }

// raise raises an exception of a class that is known by name.
func (m *Env) raise(class, format string, args ...any) {
	panic(newException(class, fmt.Sprintf(format, args...)))
}

func newException(class, text string) *Exception {
	return &Exception{class: classes[class], text: text}
}

// Unsupported says that an expression came upon something at run time that Ruby
// can do and this package cannot. No rescue clause catches it.
type Unsupported struct{ What, Hint string }

func (e *Unsupported) Error() string {
	if e.Hint != "" {
		return e.What + " is not supported (" + e.Hint + ")"
	}
	return e.What + " is not supported"
}

func (m *Env) unsupported(what, hint string) { panic(&Unsupported{what, hint}) }

// LimitError says that an expression took too many steps or too much memory. No
// rescue clause catches it.
type LimitError struct{ What string }

func (e *LimitError) Error() string { return "the expression needs too " + e.What }

// jump is break, next or return on its way out.
type jump struct {
	kind byte // 'b', 'n' or 'r'
	to   any  // *Proc of a break, *frame of a next or return; nil: the program
	v    Value
}
