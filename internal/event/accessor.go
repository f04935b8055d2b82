package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Accessor names a place within a record, in Fluentd's record_accessor syntax: a
// plain key, `$.a.b`, `$.a[0]`, or `$['a']["b"][0]`.
type Accessor struct {
	src  string
	path []step
}

// step is one key, or one place in an array.
type step struct {
	key     string
	at      int
	isIndex bool
}

// ParseAccessor reads an accessor. What begins with neither `$.` nor `$[` is a
// plain key, whatever it holds.
func ParseAccessor(s string) (Accessor, error) {
	a := Accessor{src: s}
	var err error
	switch {
	case strings.HasPrefix(s, "$."):
		a.path, err = parseDots(s[2:])
	case strings.HasPrefix(s, "$["):
		a.path, err = parseBrackets(s[1:])
	default:
		a.path = []step{{key: s}}
	}
	if err != nil {
		return Accessor{}, fmt.Errorf("record accessor %s: %w", s, err)
	}
	return a, nil
}

// parseDots reads `a.b[0].c`.
func parseDots(s string) ([]step, error) {
	var path []step
	for part := range strings.SplitSeq(s, ".") {
		key, indexes, bracket := strings.Cut(part, "[")
		if strings.ContainsAny(part, " \t\r\n\f\v") {
			return nil, errors.New("white space is not allowed in dot notation, use $['a b']")
		}
		if key == "" && !(bracket && path != nil) {
			return nil, errors.New("empty key in dot notation")
		}
		if key != "" {
			path = append(path, step{key: key})
		}
		if !bracket {
			continue
		}
		more, err := parseIndexes("[" + indexes)
		if err != nil {
			return nil, err
		}
		path = append(path, more...)
	}
	return path, nil
}

// parseIndexes reads `[0][1]` to the end.
func parseIndexes(s string) ([]step, error) {
	var path []step
	for s != "" {
		if s[0] != '[' {
			return nil, fmt.Errorf("expected '[' before %q", s)
		}
		text, rest, ok := strings.Cut(s[1:], "]")
		if !ok {
			return nil, errors.New("missing ']'")
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("array index %q is no integer", text)
		}
		path = append(path, step{at: int(n), isIndex: true})
		s = rest
	}
	return path, nil
}

// parseBrackets reads `['a']["b"][0]`.
func parseBrackets(s string) ([]step, error) {
	var path []step
	for s != "" {
		if len(s) > 1 && s[0] == '[' && (s[1] == '\'' || s[1] == '"') {
			key, rest, ok := strings.Cut(s[2:], s[1:2]+"]")
			if !ok {
				return nil, fmt.Errorf("missing %s]", s[1:2])
			}
			path = append(path, step{key: key})
			s = rest
			continue
		}
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return nil, errors.New("missing ']'")
		}
		more, err := parseIndexes(s[:end+1])
		if err != nil {
			return nil, err
		}
		path = append(path, more...)
		s = s[end+1:]
	}
	return path, nil
}

// String is the accessor as it was written.
func (a Accessor) String() string { return a.src }

// IsZero tells whether the accessor was never set.
func (a Accessor) IsZero() bool { return len(a.path) == 0 }

// Key is the name of the field when the accessor is nothing but a top-level key.
func (a Accessor) Key() (string, bool) {
	if len(a.path) != 1 || a.path[0].isIndex {
		return "", false
	}
	return a.path[0].key, true
}

// Get is the value at the place, and whether there is one.
func (a Accessor) Get(r *Record) (any, bool) {
	if len(a.path) == 0 {
		return nil, false
	}
	return dig(r, a.path)
}

// dig goes down from v.
func dig(v any, path []step) (any, bool) {
	for _, s := range path {
		var ok bool
		switch in := v.(type) {
		case *Record:
			if s.isIndex {
				return nil, false
			}
			v, ok = in.Get(s.key)
		case []any:
			at := s.place(len(in))
			if ok = s.isIndex && at >= 0 && at < len(in); ok {
				v = in[at]
			}
		}
		if !ok {
			return nil, false
		}
	}
	return v, true
}

// place is the index within an array of n; negative ones count from the end.
func (s step) place(n int) int {
	if s.at < 0 {
		return s.at + n
	}
	return s.at
}

// Set puts a value at the place. All but the last step must be there, else
// nothing happens; in an array the place must exist or be the next one.
func (a Accessor) Set(r *Record, v any) {
	if len(a.path) == 0 {
		return
	}
	last := a.path[len(a.path)-1]
	parent, ok := dig(r, a.path[:len(a.path)-1])
	if !ok {
		return
	}
	switch in := parent.(type) {
	case *Record:
		if !last.isIndex {
			in.Set(last.key, v)
		}
	case []any:
		at := last.place(len(in))
		switch {
		case !last.isIndex || at < 0 || at > len(in):
		case at < len(in):
			in[at] = canonicalValue(v)
		default:
			a.replaceParent(r, append(in, canonicalValue(v)))
		}
	}
}

// Delete takes the value at the place out and returns it. Later elements of an
// array move up.
func (a Accessor) Delete(r *Record) (any, bool) {
	if len(a.path) == 1 && !a.path[0].isIndex {
		return r.Delete(a.path[0].key) // on the text, where it can be
	}
	v, ok := a.Get(r)
	if !ok {
		return nil, false
	}
	last := a.path[len(a.path)-1]
	parent, _ := dig(r, a.path[:len(a.path)-1])
	switch in := parent.(type) {
	case *Record:
		in.Delete(last.key)
	case []any:
		at := last.place(len(in))
		a.replaceParent(r, append(in[:at:at], in[at+1:]...))
	}
	return v, true
}

// replaceParent puts another array where the last step's array was.
func (a Accessor) replaceParent(r *Record, array []any) {
	up := Accessor{path: a.path[:len(a.path)-1]}
	up.Set(r, array)
}
