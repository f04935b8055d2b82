package parser

import (
	"errors"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// csv reads one row of comma-separated values. Values beyond the keys are left
// out, as in Fluentd; a second row, which Fluentd would drop, is refused.
type csv struct {
	base
	keys            []string
	delimiter, kind string
}

// NewCSV makes a csv parser.
func NewCSV(plugin.Env) plugin.Parser { return new(csv) }

func (p *csv) Params(s *param.Set) {
	s.Strings("keys", &p.keys, nil, "Names of the values, in order.").Required()
	s.String("delimiter", &p.delimiter, ",", "What stands between values.")
	s.String("parser_type", &p.kind, "normal", "How strict quotes are read: fast takes quotes anywhere.").Enum("normal", "fast")
	p.params(s, defaults{})
}

func (p *csv) Check() error {
	if p.delimiter == "" || strings.ContainsAny(p.delimiter, "\"\r\n") {
		return param.Errorf("delimiter", "", "delimiter must not be empty, and no quote or line break")
	}
	return p.base.Check()
}

func (p *csv) Parse(text []byte, yield func(event.Event) error) error {
	row := rowReader{s: string(text), delimiter: p.delimiter, lenient: p.kind == "fast"}
	values, err := row.read()
	switch {
	case err != nil:
		return err
	case len(values) == 0:
		return notMatched("there is no row")
	case strings.Trim(row.s, "\r\n") != "":
		return notMatched("there is more than one row")
	}
	r := event.NewRecord()
	for i, key := range p.keys {
		if i < len(values) {
			r.Set(key, values[i])
		} else if !row.lenient {
			r.Set(key, nil)
		}
	}
	return p.yield(r, yield)
}

// The texts of Ruby's CSV.
var (
	errUnclosed   = errors.New("Unclosed quoted field in line 1.")                      //nolint:staticcheck // Ruby's own words
	errIllegal    = errors.New("Illegal quoting in line 1.")                            //nolint:staticcheck // Ruby's own words
	errAfterQuote = errors.New("Any value after quoted field isn't allowed in line 1.") //nolint:staticcheck // Ruby's own words
)

// rowReader reads one row; s is what has not been read.
type rowReader struct {
	s, delimiter string
	lenient      bool
}

// read gives the values of a row: text, or nil for one that is empty without
// quotes. An empty line is no values.
func (r *rowReader) read() ([]any, error) {
	if r.s == "" || r.s[0] == '\n' || r.s[0] == '\r' {
		return nil, nil
	}
	var values []any
	for {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if !strings.HasPrefix(r.s, r.delimiter) {
			return values, nil
		}
		r.s = r.s[len(r.delimiter):]
	}
}

func (r *rowReader) value() (any, error) {
	if strings.HasPrefix(r.s, `"`) {
		return r.quoted()
	}
	s := r.plain()
	if strings.Contains(s, `"`) && !r.lenient {
		return nil, errIllegal
	}
	if s == "" {
		return nil, nil
	}
	return s, nil
}

// plain takes text up to the next delimiter or the end of the line.
func (r *rowReader) plain() string {
	end := len(r.s)
	for _, stop := range [...]string{r.delimiter, "\n", "\r"} {
		if i := strings.Index(r.s[:end], stop); i >= 0 {
			end = i
		}
	}
	s := r.s[:end]
	r.s = r.s[end:]
	return s
}

func (r *rowReader) quoted() (any, error) {
	var out strings.Builder
	s := r.s[1:]
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			if !r.lenient {
				return nil, errUnclosed
			}
			r.s = ""
			return out.String() + s, nil
		}
		out.WriteString(s[:i])
		s = s[i+1:]
		if strings.HasPrefix(s, `"`) {
			out.WriteByte('"')
			s = s[1:]
			continue
		}
		r.s = s
		if tail := r.plain(); tail != "" {
			if !r.lenient {
				return nil, errAfterQuote
			}
			out.WriteString(tail)
		}
		return out.String(), nil
	}
}
