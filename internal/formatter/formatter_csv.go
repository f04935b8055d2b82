package formatter

import (
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// csv writes some fields with commas between, as Ruby's CSV does (RFC 4180).
type csv struct {
	newline
	fields      []string
	delimiter   string
	forceQuotes bool

	accessors []event.Accessor
}

// NewCSV makes a csv formatter.
func NewCSV(plugin.Env) plugin.Formatter { return new(csv) }

func (f *csv) Params(p *param.Set) {
	p.Strings("fields", &f.fields, nil, "Fields to write, in order; names or paths such as $.a.b.").Required()
	p.String("delimiter", &f.delimiter, ",", "What stands between values; TAB is a tab.")
	p.Bool("force_quotes", &f.forceQuotes, true, "Quote all values, not only those that need it.")
	f.params(p)
}

// Check compiles the paths of the fields.
func (f *csv) Check() error {
	if f.delimiter == "TAB" || f.delimiter == `\t` {
		f.delimiter = "\t"
	}
	if f.delimiter == "" || strings.ContainsAny(f.delimiter, "\"\r\n") {
		return param.Errorf("delimiter", "", "delimiter must not be empty, and no quote or line break")
	}
	f.accessors = nil
	for _, field := range f.fields {
		a, err := event.ParseAccessor(field)
		if err != nil {
			return param.Errorf("fields", "", "%w", err)
		}
		f.accessors = append(f.accessors, a)
	}
	return nil
}

func (f *csv) Format(dst []byte, _ string, e event.Event) ([]byte, error) {
	for i, a := range f.accessors {
		if i > 0 {
			dst = append(dst, f.delimiter...)
		}
		v, _ := a.Get(e.Record)
		dst = f.value(dst, v)
	}
	return f.end(dst), nil
}

// value writes one value. Without force_quotes null is nothing, and empty text is
// quoted, so that it can be told from null.
func (f *csv) value(dst []byte, v any) []byte {
	if v == nil && !f.forceQuotes {
		return dst
	}
	s := event.Text(v)
	if !f.forceQuotes && s != "" && !strings.ContainsAny(s, "\"\r\n") && !strings.Contains(s, f.delimiter) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}
