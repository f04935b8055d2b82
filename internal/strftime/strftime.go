// Package strftime is Ruby's time formats, both ways: Time#strftime, and
// strptime as Fluentd uses it.
//
// A layout is compiled once into a list of directives; printing appends to the
// caller's slice and allocates nothing. The rules are those of Ruby's
// documentation of Time#strftime; reading follows what Fluentd was seen to do:
// what stands behind the described part is left over and not an error, 30
// February becomes 2 March, missing leading zeros are fine.
package strftime

import (
	"fmt"
	"strings"
	"time"
)

// Layout is a compiled format, safe for concurrent use.
type Layout struct {
	src   string
	parts []directive
}

// directive is literal text, or one % directive with its flags and width.
type directive struct {
	literal string
	verb    byte
	pad     byte // 0: the verb's own; '-' none; '0' or '_' (blank)
	upper   bool // ^
	swap    bool // #
	colons  int  // of %:z
	width   int  // -1: the verb's own
}

// String is the format's source.
func (l *Layout) String() string { return l.src }

// Compile reads a format. It never fails for what Ruby accepts: an unknown
// directive is printed as it stands. The error is for a width that no line holds.
func Compile(src string) (*Layout, error) {
	l := &Layout{src: src}
	for s := src; s != ""; {
		i := strings.IndexByte(s, '%')
		if i != 0 {
			if i < 0 {
				i = len(s)
			}
			l.literal(s[:i])
			s = s[i:]
			continue
		}
		d, n, ok := directiveAt(s)
		if d.width > 1024 {
			return nil, fmt.Errorf("compile time format %q: a width of %d is too large", src, d.width)
		}
		if !ok {
			l.literal(s[:n])
		} else if whole, composed := composed[d.verb]; composed && d.width < 0 && !d.upper {
			inner, _ := Compile(whole)
			l.parts = append(l.parts, inner.parts...)
		} else {
			l.parts = append(l.parts, d)
		}
		s = s[n:]
	}
	return l, nil
}

func (l *Layout) literal(s string) {
	if n := len(l.parts); n > 0 && l.parts[n-1].verb == 0 {
		l.parts[n-1].literal += s
		return
	}
	l.parts = append(l.parts, directive{literal: s})
}

// composed are directives that stand for others.
var composed = map[byte]string{
	'D': "%m/%d/%y", 'x': "%m/%d/%y", 'F': "%Y-%m-%d", 'T': "%H:%M:%S", 'X': "%H:%M:%S", 'R': "%H:%M",
	'r': "%I:%M:%S %p", 'c': "%a %b %e %H:%M:%S %Y", 'v': "%e-%^b-%Y", '+': "%a %b %e %H:%M:%S %Z %Y", 'n': "\n", 't': "\t",
}

const verbs = "YCymBbhdejHkIlMSLNzZAaupPwGgVUWsnt%cDFTxXRrv+"

// directiveAt reads the directive at the start of s, n bytes long.
func directiveAt(s string) (d directive, n int, ok bool) {
	d.width = -1
	i := 1
flags:
	for ; i < len(s); i++ {
		switch s[i] {
		case '-', '0', '_':
			d.pad = s[i]
		case '^':
			d.upper = true
		case '#':
			d.swap = true
		default:
			break flags
		}
	}
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9' && d.width <= 1<<20; i++ {
		d.width = max(d.width, 0)*10 + int(s[i]-'0')
	}
	for ; i < len(s) && s[i] == ':' && d.colons < 3; i++ {
		d.colons++
	}
	if i < len(s) && (s[i] == 'E' || s[i] == 'O') && i+1 < len(s) {
		i++ // locale modifiers change nothing
	}
	if i >= len(s) || !strings.ContainsRune(verbs, rune(s[i])) || d.colons > 0 && s[i] != 'z' {
		return d, min(i+1, len(s)), false
	}
	d.verb = s[i]
	return d, i + 1, true
}

// Format prints t by a format that is compiled for this one call.
func Format(dst []byte, layout string, t time.Time) []byte {
	l, err := Compile(layout)
	if err != nil {
		return append(dst, layout...)
	}
	return l.Append(dst, t)
}

// Append appends t.
func (l *Layout) Append(dst []byte, t time.Time) []byte {
	for i := range l.parts {
		if d := &l.parts[i]; d.verb == 0 {
			dst = append(dst, d.literal...)
		} else {
			dst = d.append(dst, t)
		}
	}
	return dst
}
