// Package onig is Ruby's regular expressions (Onigmo's Ruby syntax, UTF-8).
//
// A pattern is parsed by Ruby's grammar into a tree. Where the tree means the
// same in Go's own regexp (RE2), it is written in that syntax: such a pattern
// takes time linear in the text. Look-around, back references, atomic groups and
// possessive repetition go to a backtracking engine (dlclark/regexp2) with a
// time limit. Some patterns use both: \b is the same in RE2 as long as the text
// is ASCII, ^ as long as the text does not end with a newline. The text decides.
//
// What neither engine has (\K, subexpression calls, absent operators, \X) is an
// [Error] that names the construct, its column and what to write instead.
//
// Known differences from Ruby: ignoring case never equates one letter with two
// (ß with ss), and in the backtracking engine \b follows .NET's idea of a word.
//
// Bytes that are no UTF-8 match like U+FFFD, one by one, where Ruby raises an
// error; offsets stay those of the text.
package onig

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

// Timeout is how long the backtracking engine may search one text, unless
// [Regexp.WithTimeout] says otherwise.
const Timeout = time.Second

// Options are a pattern's flags, as behind Ruby's /…/.
type Options struct {
	IgnoreCase bool // i
	Extended   bool // x: white space and # comments in the pattern do not count
	MultiLine  bool // m: a dot matches a newline too
}

// Regexp is a compiled pattern, safe for concurrent use.
type Regexp struct {
	src   string
	opts  Options
	tree  *node
	names []string // by group; "" is the whole match and groups without a name

	// re is nil when RE2 can not say the pattern. With trailing, group 1 of re is
	// the match and the pattern's groups begin at 2.
	re       *regexp.Regexp
	trailing bool // the pattern ends with \Z
	ascii    bool // re is right for ASCII text only
	unended  bool // re is right only for text that does not end with a newline

	timeout time.Duration // of slow

	behind func() *regexp.Regexp        // re with something in front of it; nil when it can not be made
	slow   func() (*backtracker, error) // built when first needed
}

// Compile reads a pattern. The error is an [*Error].
func Compile(src string, opts Options) (*Regexp, error) {
	p := newParser(src, opts)
	tree, err := p.parse()
	if err != nil {
		return nil, err
	}
	r := &Regexp{src: src, opts: opts, tree: tree, names: p.names, timeout: Timeout}
	r.compileRE2()
	r.slow = sync.OnceValues(func() (*backtracker, error) { return newBacktracker(r) })
	if r.re == nil {
		if _, err := r.slow(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// WithTimeout is the same pattern with another limit for a search that backtracks.
func (r *Regexp) WithTimeout(limit time.Duration) *Regexp {
	other := *r
	other.timeout = limit
	other.slow = sync.OnceValues(func() (*backtracker, error) { return newBacktracker(&other) })
	return &other
}

// ParseLiteral compiles what a configuration holds: /pattern/ with flags i, m and
// x behind it, or a pattern without slashes.
func ParseLiteral(text string) (*Regexp, error) {
	if !strings.HasPrefix(text, "/") {
		return Compile(text, Options{})
	}
	end := strings.LastIndexByte(text, '/')
	flags := text[end+1:]
	if end == 0 || strings.Trim(flags, "imx") != "" {
		return nil, &Error{Src: text, Col: end + 1, Msg: "a slash is missing at the end", Hint: "write /pattern/, with i, m or x behind it, or the pattern without slashes"}
	}
	re, err := Compile(text[1:end], Options{
		IgnoreCase: strings.Contains(flags, "i"), Extended: strings.Contains(flags, "x"), MultiLine: strings.Contains(flags, "m"),
	})
	if e, ok := err.(*Error); ok {
		e.Col++ // the slash
	}
	return re, err
}

// String is the pattern as it was written, without slashes and flags.
func (r *Regexp) String() string { return r.src }

// Options are the flags that it was compiled with.
func (r *Regexp) Options() Options { return r.opts }

// NumSubexp is the number of groups that capture. When a pattern names a group,
// those without a name do not capture, as in Ruby.
func (r *Regexp) NumSubexp() int { return len(r.names) - 1 }

// SubexpNames are the groups' names by number; that of the whole match is "". A
// name may stand more than once.
func (r *Regexp) SubexpNames() []string { return r.names }

// Linear reports whether every search takes time linear in the text.
func (r *Regexp) Linear() bool { return r.re != nil && !r.ascii && !r.unended }
