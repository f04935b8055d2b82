// Package filter changes, keeps or drops events, one file a plugin, named as in
// Fluentd.
package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/ruby"
)

// recordTransformer sets, keeps and removes fields. New fields stand at the end
// in the order of the configuration; one that is there keeps its place. What is
// not touched is not decoded: a Teleport event goes through as the text that it
// came as.
type recordTransformer struct {
	env        plugin.Env
	enableRuby bool
	typecast   bool
	renew      bool
	renewTime  string
	keepKeys   []string
	removeKeys []string
	records    []recordSection
	keep       []event.Accessor
	remove     []event.Accessor
	fields     []field
	expansions sync.Pool // of *expansion
}

type recordSection struct{ lines []conf.Param }

// NewRecordTransformer makes a record_transformer filter.
func NewRecordTransformer(env plugin.Env) plugin.Filter { return &recordTransformer{env: env} }

func (f *recordTransformer) Params(p *param.Set) {
	p.Bool("enable_ruby", &f.enableRuby, false, "Let ${...} hold Ruby expressions (docs/reference/ruby.md).")
	p.Bool("auto_typecast", &f.typecast, true, "A value that is one placeholder and nothing else keeps its type; without it everything becomes text.")
	p.Bool("renew_record", &f.renew, false, "Begin with an empty record.")
	p.String("renew_time_key", &f.renewTime, "", "Field whose number becomes the event's time.")
	p.Strings("keep_keys", &f.keepKeys, nil, "Fields that a new record keeps; paths as $.a.b too.")
	p.Strings("remove_keys", &f.removeKeys, nil, "Fields to remove, after all else; paths as $.a.b too.")
	param.Sections(p, "record", &f.records, func(p *param.Set, r *recordSection) {
		p.Rest(&r.lines, "a field and its value, in which ${...} is filled in")
	}, "Fields to set.")
}

// Check compiles the values: an expression that Ruby would not parse, or that is
// outside the subset, is a configuration error here.
func (f *recordTransformer) Check() error {
	if len(f.keepKeys) > 0 && !f.renew {
		return param.Errorf("keep_keys", "add `renew_record true`", "`renew_record` must be true to use `keep_keys`")
	}
	var err error
	if f.keep, err = accessors("keep_keys", f.keepKeys); err != nil {
		return err
	}
	if f.remove, err = accessors("remove_keys", f.removeKeys); err != nil {
		return err
	}
	f.fields = nil
	var wrong []error
	for _, section := range f.records {
		for _, line := range section.lines {
			wrong = append(wrong, f.addField(line))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	f.expansions.New = func() any { return newExpansion(f) }
	return nil
}

func accessors(name string, texts []string) ([]event.Accessor, error) {
	list := make([]event.Accessor, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = event.ParseAccessor(text); err != nil {
			return nil, param.Errorf(name, "", "%w", err)
		}
	}
	return list, nil
}

// addField compiles one line of <record>. Of lines with one name the last one
// counts, at the first one's place.
func (f *recordTransformer) addField(line conf.Param) error {
	key, err := f.compileText(line.Name, false)
	if err != nil {
		return fieldError(line.Name, err)
	}
	value, err := f.compileValue(f.parseValue(line))
	if err != nil {
		return fieldError(line.Name, err)
	}
	one := field{name: line.Name, key: key, value: value}
	if i := slices.IndexFunc(f.fields, func(other field) bool { return other.name == line.Name }); i >= 0 {
		f.fields[i] = one
	} else {
		f.fields = append(f.fields, one)
	}
	return nil
}

// fieldError blames a line of <record> and keeps the hint of the Ruby parser apart.
func fieldError(name string, err error) error {
	var p *ruby.ParseError
	if errors.As(err, &p) {
		plain := *p
		plain.Hint = ""
		return param.Errorf(name, p.Hint, "%w", &plain)
	}
	return param.Errorf(name, "", "%w", err)
}

// parseValue reads a value that looks like JSON as JSON. What is none is text, with
// Fluentd's warning: with enable_ruby a text may well begin with a bracket.
func (f *recordTransformer) parseValue(line conf.Param) any {
	text := line.Value.Text
	if !line.Value.IsJSON() && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return text
	}
	v, err := conf.ParseJSON(text)
	if err != nil {
		f.env.Log.Warn(fmt.Sprintf("failed to parse %s as json. Assuming %s is a string", text, text), "error", err.Error())
		return text
	}
	return v
}

// Filter transforms one event. An expression that raises is an error, and the
// event goes to @ERROR as it came.
func (f *recordTransformer) Filter(tag string, e event.Event, emit func(event.Event)) error {
	x := f.expansions.Get().(*expansion)
	defer x.release()
	x.begin(tag, e)
	if err := x.expand(); err != nil {
		return err
	}
	record := f.begin(e.Record)
	x.applyChanges(record)
	for i := range x.values {
		record.Set(x.keys[i], x.final(x.values[i]))
	}
	if f.renewTime != "" {
		if v, ok := record.Get(f.renewTime); ok {
			t, err := timeOf(x.timeObject(f.renewTime, v))
			if err != nil {
				return err
			}
			e.Time = t
		}
	}
	for _, a := range f.remove {
		a.Delete(record)
	}
	emit(event.Event{Time: e.Time, Record: record})
	return nil
}

// begin is the record that the fields are set in: the old one's copy, for other
// outputs may see the same record, or a new one with what is kept. The copy of a
// record that is still text is only a view of that text until it is changed.
func (f *recordTransformer) begin(old *event.Record) *event.Record {
	if !f.renew {
		if view, ok := old.View(); ok {
			return view
		}
		return old.Clone()
	}
	record := event.NewRecord()
	for _, a := range f.keep {
		if v, ok := a.Get(old); ok {
			a.Set(record, v)
		}
	}
	return record
}
