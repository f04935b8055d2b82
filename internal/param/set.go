// Package param lets a plugin say once what it can be told.
//
// A plugin's Params method declares each parameter with its name, the field it
// fills, its default and a sentence:
//
//	p.Size("chunk_limit_size", &c.Limit, 8<<20, "Largest chunk.")
//	p.String("s3_bucket", &o.bucket, "", "Bucket to write to.").Required()
//
// From that one place come decoding, defaults, the collected errors of
// `relay check`, the masked configuration dump, docs/reference and "did you
// mean". The package works in two modes: [Decode] runs a declaration against a
// section of the configuration and fills the fields, [Describe] runs the same
// declaration and returns what it said.
//
// Fields are filled after the declaring function returned, so a declaration
// never reads what it declares; rules between parameters belong in the plugin's
// Check method.
package param

import (
	"fmt"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
)

// Set receives the declarations of one section.
type Set struct {
	params   []*Param
	sections []*section
	arg      *Param
	rest     *[]conf.Param
	restDoc  string
	ignored  map[string]string // known sections or parameters that do nothing here, with the reason
}

// Param is one declared parameter; its methods refine the declaration and
// return it, so that they chain.
type Param struct {
	name, kind, doc string
	def             string // as a configuration would write it
	hasDefault      bool
	required        bool
	secret          bool
	aliases         []string
	deprecated      string
	enum            []string
	present         *bool
	reset           func()
	decode          func(text string) (hint string, err error)
}

func (s *Set) add(p *Param) *Param {
	s.params = append(s.params, p)
	return p
}

// String declares a text parameter.
func (s *Set) String(name string, dst *string, def, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "string", doc: doc, def: def, hasDefault: def != "",
		reset:  func() { *dst = def },
		decode: func(t string) (string, error) { *dst = t; return "", nil },
	})
}

// Strings declares an array parameter: "a,b" or ["a","b"].
func (s *Set) Strings(name string, dst *[]string, def []string, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "array", doc: doc, def: joinComma(def), hasDefault: len(def) > 0,
		reset:  func() { *dst = def },
		decode: into(dst, conf.ParseArray),
	})
}

// Bool declares a parameter that takes true, yes, false, no, or nothing for true.
func (s *Set) Bool(name string, dst *bool, def bool, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "bool", doc: doc, def: fmt.Sprint(def), hasDefault: true,
		reset:  func() { *dst = def },
		decode: into(dst, conf.ParseBool),
	})
}

// Int declares a whole number. Text that is none counts as its leading digits
// or 0, as in Fluentd, with a warning.
func (s *Set) Int(name string, dst *int, def int, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "integer", doc: doc, def: fmt.Sprint(def), hasDefault: true,
		reset:  func() { *dst = def },
		decode: func(t string) (string, error) { return decodeInt(dst, t) },
	})
}

// Port declares the number of a port to listen on; 0 lets the system choose.
func (s *Set) Port(name string, dst *int, def int, doc string) *Param {
	p := s.Int(name, dst, def, doc)
	number := p.decode
	p.decode = func(t string) (string, error) {
		hint, err := number(t)
		if err == nil && (*dst < 0 || *dst > 65535) {
			err = fmt.Errorf("%d is no port: it must be 0 to 65535", *dst)
		}
		return hint, err
	}
	return p
}

// Float declares a number.
func (s *Set) Float(name string, dst *float64, def float64, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "float", doc: doc, def: fmt.Sprint(def), hasDefault: true,
		reset:  func() { *dst = def },
		decode: func(t string) (string, error) { return decodeFloat(dst, t) },
	})
}

// Size declares a number of bytes: 10, 8k, 10m, 1g, 1t.
func (s *Set) Size(name string, dst *int64, def int64, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "size", doc: doc, def: sizeText(def), hasDefault: true,
		reset:  func() { *dst = def },
		decode: func(t string) (string, error) { return decodeSize(dst, t) },
	})
}

// Time declares a duration: 10, 0.5, 30s, 10m, 1h, 1d.
func (s *Set) Time(name string, dst *time.Duration, def time.Duration, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "time", doc: doc, def: timeText(def), hasDefault: true,
		reset:  func() { *dst = def },
		decode: func(t string) (string, error) { return decodeTime(dst, t) },
	})
}

// Regexp declares a Ruby regular expression, with or without slashes.
func (s *Set) Regexp(name string, dst **onig.Regexp, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "regexp", doc: doc,
		reset:  func() { *dst = nil },
		decode: into(dst, compileRegexp),
	})
}

// Accessor declares the name or path of a field: key, $.a.b, $['a'][0].
func (s *Set) Accessor(name string, dst *event.Accessor, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "field", doc: doc,
		reset:  func() { *dst = event.Accessor{} },
		decode: into(dst, event.ParseAccessor),
	})
}

// Pair is one entry of a hash parameter, in the order written.
type Pair struct {
	Key   string
	Value any
}

// Hash declares a hash parameter: k:v,k:v or {"k":"v"}.
func (s *Set) Hash(name string, dst *[]Pair, doc string) *Param {
	return s.add(&Param{
		name: name, kind: "hash", doc: doc,
		reset:  func() { *dst = nil },
		decode: into(dst, parseHash),
	})
}

// Arg declares the section's argument, the text after its name.
func (s *Set) Arg(dst *string, def, doc string) *Param {
	s.arg = &Param{
		name: "(argument)", kind: "string", doc: doc, def: def, hasDefault: def != "",
		reset:  func() { *dst = def },
		decode: func(t string) (string, error) { *dst = t; return "", nil },
	}
	return s.arg
}

// Rest takes all parameters that are not declared, in order; <record> has such.
func (s *Set) Rest(dst *[]conf.Param, doc string) {
	s.rest, s.restDoc = dst, doc
}

// Ignore declares a parameter or section that Fluentd knows and that does
// nothing here; using it gives a warning with the reason.
func (s *Set) Ignore(name, reason string) {
	if s.ignored == nil {
		s.ignored = map[string]string{}
	}
	s.ignored[name] = reason
}

// Required makes the absence of the parameter an error.
func (p *Param) Required() *Param { p.required, p.hasDefault = true, false; return p }

// Secret keeps the value out of dumps and messages.
func (p *Param) Secret() *Param { p.secret = true; return p }

// Alias adds other names for the parameter.
func (p *Param) Alias(names ...string) *Param { p.aliases = append(p.aliases, names...); return p }

// Deprecated warns whoever uses the parameter; hint says what to use instead.
func (p *Param) Deprecated(hint string) *Param { p.deprecated = hint; return p }

// Enum restricts a text parameter to some words.
func (p *Param) Enum(values ...string) *Param { p.enum = values; return p }

// Present records whether the configuration sets the parameter.
func (p *Param) Present(dst *bool) *Param { p.present = dst; return p }
