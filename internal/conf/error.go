package conf

import (
	"cmp"
	"slices"
	"strings"
)

// Error is a problem in a configuration: where, in which section and parameter,
// what, and how to mend it.
//
//	fluent.conf:14:3: match app.** (s3): s3_bucket: required parameter is missing
//	  included from main.conf:2
//	  hint: name the bucket: s3_bucket my-audit-logs
type Error struct {
	Pos   Pos
	Path  string // the section as people name it: "match app.** (s3)"; may be ""
	Param string // may be ""
	Err   error
	Hint  string // the cure, when we know it
	// Section is what the parameter stands in, nil when that is not known.
	Section *Node
}

func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Pos.String(), e.Path, e.Param} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(e.Err.Error())
	for _, at := range e.Pos.Included {
		b.WriteString("\n  included from " + at.String())
	}
	if e.Hint != "" {
		b.WriteString("\n  hint: " + e.Hint)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Problems collects everything that is wrong (Errors) or suspicious (Warnings)
// in a configuration, so that a user sees all of it at once.
type Problems struct {
	Errors   []*Error
	Warnings []*Error
}

// Fail adds an error.
func (p *Problems) Fail(e *Error) { p.Errors = append(p.Errors, e) }

// Warn adds a warning.
func (p *Problems) Warn(e *Error) { p.Warnings = append(p.Warnings, e) }

// Sort orders both lists by file, line and column.
func (p *Problems) Sort() {
	byPlace := func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	}
	slices.SortStableFunc(p.Errors, byPlace)
	slices.SortStableFunc(p.Warnings, byPlace)
}

// Err is nil when there are no errors, else one error that prints all of them,
// a paragraph each, and unwraps to each.
func (p *Problems) Err() error {
	if len(p.Errors) == 0 {
		return nil
	}
	p.Sort()
	return errorList(p.Errors)
}

type errorList []*Error

func (l errorList) Error() string {
	texts := make([]string, len(l))
	for i, e := range l {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

func (l errorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}
