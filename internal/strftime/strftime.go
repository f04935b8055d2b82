// Package strftime is Ruby's time formats, both ways: Time#strftime, and
// strptime as Fluentd uses it.
//
// A layout is compiled once into a list of steps. Printing appends to the
// caller's slice and allocates nothing; reading allocates nothing either, but
// for an error or an unusual offset. Printing follows Ruby's documentation of
// Time#strftime. For reading, Fluentd has two readers, and a layout is read by
// the one that would read it there: the strptime gem, which knows few directives
// and is strict, or Time.strptime, which knows all of them (see parse.go).
//
// Both directions are held to the real ones by tests that run ruby where it is
// installed.
package strftime

import (
	"fmt"
	"strings"
	"time"
)

// Layout is a compiled format, safe for concurrent use.
type Layout struct {
	src   string
	print []step
	read  []step
	gem   bool // the strptime gem understands it
	quick quick
	zone  zoneCache
	spans spanCache
}

// step is literal text (verb 0) or one directive with its flags and width.
type step struct {
	literal string
	verb    byte
	flags   flag
	pad     byte // 0: the directive's own; '0' or ' '
	colons  uint8
	width   int16 // 0: the directive's own
	plain   bool  // no flag, no width
}

type flag uint8

const (
	upper flag = 1 << iota // ^
	swap                   // #
	left                   // -
)

// maxWidth bounds what one directive can print; no line is longer.
const maxWidth = 1024

// Compile reads a format. What is no directive is printed as it stands, as Ruby
// does. An error is a directive that the end cuts off, as "100%", or a width of
// more than 1024.
func Compile(src string) (*Layout, error) {
	l := &Layout{src: src, quick: quickOf(src)}
	if err := l.compilePrint(src); err != nil {
		return nil, fmt.Errorf("compile time format %q: %w", src, err)
	}
	l.compileRead(src)
	return l, nil
}

// String is the format's source.
func (l *Layout) String() string { return l.src }

// HasZone reports whether the format names a zone or an offset (%z, %Z): then
// Fluentd lets the text decide and no configured time zone.
func (l *Layout) HasZone() bool {
	return strings.Contains(l.src, "%z") || strings.Contains(l.src, "%Z")
}

// Format appends t by a format that is compiled for this one call. A format that
// does not compile is appended as it stands.
func Format(dst []byte, layout string, t time.Time) []byte {
	l, err := Compile(layout)
	if err != nil {
		return append(dst, layout...)
	}
	return l.Append(dst, t)
}

func (l *Layout) compilePrint(src string) error {
	for s := src; s != ""; {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			i = len(s)
		}
		l.literal(s[:i])
		if s = s[i:]; s == "" {
			break
		}
		d, n, known, err := directiveAt(s)
		switch {
		case err != nil:
			return err
		case known:
			l.directive(d)
		default:
			l.literal(s[:n])
		}
		s = s[n:]
	}
	return nil
}

func (l *Layout) literal(s string) {
	if s == "" {
		return
	}
	if n := len(l.print); n > 0 && l.print[n-1].verb == 0 {
		l.print[n-1].literal += s
		return
	}
	l.print = append(l.print, step{literal: s})
}

// directive adds a step, those that stand for others as the others.
func (l *Layout) directive(d step) {
	whole, composed := composites[d.verb]
	if !composed {
		l.print = append(l.print, d)
		return
	}
	d.literal = whole
	switch {
	case d.plain && len(whole) == 1:
		l.literal(whole)
	case d.plain:
		_ = l.compilePrint(whole) // our own text: it compiles
	default:
		l.print = append(l.print, d)
	}
}

// composites are directives that stand for others.
var composites = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y", 'D': "%m/%d/%y", 'x': "%m/%d/%y", 'F': "%Y-%m-%d", 'r': "%I:%M:%S %p", 'R': "%H:%M",
	'T': "%H:%M:%S", 'X': "%H:%M:%S", 'v': "%e-%^b-%4Y", '+': "%a %b %e %H:%M:%S %Z %Y", '%': "%", 'n': "\n", 't': "\t",
}

const verbs = "AaBbCcDdeFGgHhIjkLlMmNnPpRrSsTtUuVvWwXxYyZz%+"

// directiveAt reads the directive at the start of s, n bytes long. Flags stand
// before the width; a flag behind it makes the whole unknown, as in Ruby.
func directiveAt(s string) (d step, n int, known bool, err error) {
	i, width := 1, 0
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case '-':
			d.flags, d.pad = d.flags|left, 0
		case '^':
			d.flags |= upper
		case '#':
			d.flags |= swap
		case '_':
			d.pad = ' '
		case '0':
			d.pad = '0'
		default:
			goto width
		}
	}
width:
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9' && width <= maxWidth; i++ {
		width = width*10 + int(s[i]-'0')
	}
	if width > maxWidth {
		return d, i, false, fmt.Errorf("a width of %d or more is too large", width)
	}
	if colons := len(s[i:]) - len(strings.TrimLeft(s[i:], ":")); colons > 0 {
		if colons > 3 || i+colons == len(s) || s[i+colons] != 'z' {
			return d, i, false, nil
		}
		d.colons = uint8(colons) //nolint:gosec // at most 3
		i += colons
	}
	if i < len(s)-1 && (s[i] == 'E' && strings.IndexByte("cCxXyY", s[i+1]) >= 0 || s[i] == 'O' && strings.IndexByte("deHkIlmMSuUVwWy", s[i+1]) >= 0) {
		i++ // a modifier for other calendars, which Ruby reads and ignores
	}
	if i == len(s) {
		return d, i, false, fmt.Errorf("%q has no end (write %%%% for a percent sign)", s)
	}
	d.verb, d.width = s[i], int16(width) //nolint:gosec // at most maxWidth
	d.plain = d.flags == 0 && d.pad == 0 && width == 0 && d.colons == 0
	return d, i + 1, strings.IndexByte(verbs, d.verb) >= 0, nil
}
