// Package filter changes, keeps or drops events, one file a plugin, named as in
// Fluentd.
package filter

import (
	"errors"
	"fmt"
	"sync"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
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
	expanders  sync.Pool // of *expansion: one goroutine uses one at a time
}

type recordSection struct{ lines []conf.Param }

// field is one line of <record>.
type field struct {
	key   string
	value template
}

// NewRecordTransformer makes a record_transformer filter.
func NewRecordTransformer(env plugin.Env) plugin.Filter { return &recordTransformer{env: env} }

func (f *recordTransformer) Params(p *param.Set) {
	p.Bool("enable_ruby", &f.enableRuby, false, "Let ${...} hold Ruby expressions (docs/reference/ruby.md).")
	p.Bool("auto_typecast", &f.typecast, true, "A value that is one placeholder and nothing else keeps its type; without it everything becomes text.")
	p.Bool("renew_record", &f.renew, false, "Begin with an empty record.")
	p.String("renew_time_key", &f.renewTime, "", "Field whose number becomes the event's time.")
	p.Strings("keep_keys", &f.keepKeys, nil, "Fields that a new record keeps.")
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
	var errs []error
	for _, list := range []struct {
		name  string
		texts []string
		dst   *[]event.Accessor
	}{{"keep_keys", f.keepKeys, &f.keep}, {"remove_keys", f.removeKeys, &f.remove}} {
		for _, text := range list.texts {
			a, err := event.ParseAccessor(text)
			if err != nil {
				errs = append(errs, param.Errorf(list.name, "", "%w", err))
			}
			*list.dst = append(*list.dst, a)
		}
	}
	for _, section := range f.records {
		for _, line := range section.lines {
			value, err := f.compile(line)
			if err != nil {
				errs = append(errs, err)
			}
			f.fields = append(f.fields, field{line.Name, value})
		}
	}
	f.expanders.New = func() any { return newExpansion(f) }
	return errors.Join(errs...)
}

// compile makes a template of a line's value: text, or JSON whose texts are
// templates in turn.
func (f *recordTransformer) compile(line conf.Param) (template, error) {
	var v any = line.Value.Text
	if line.Value.IsJSON() {
		parsed, err := conf.ParseJSON(line.Value.Text)
		if err != nil {
			return nil, &conf.Error{Pos: line.At, Param: line.Name, Err: err}
		}
		v = parsed
	}
	t, err := f.templateOf(v)
	if err != nil {
		return nil, &conf.Error{Pos: line.At, Param: line.Name, Err: err, Hint: hintOf(err)}
	}
	return t, nil
}

func (f *recordTransformer) templateOf(v any) (template, error) {
	switch v := v.(type) {
	case string:
		if f.enableRuby {
			return compileRuby(v, f.typecast)
		}
		return compilePlain(v, f.typecast), nil
	case []any:
		list := make(listTemplate, len(v))
		for i, item := range v {
			var err error
			if list[i], err = f.templateOf(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case []conf.Pair:
		hash := hashTemplate{}
		for _, pair := range v {
			t, err := f.templateOf(pair.Value)
			if err != nil {
				return nil, err
			}
			hash = append(hash, field{pair.Key, t})
		}
		return hash, nil
	}
	return constant{v}, nil
}

// Filter transforms one event. An expression that raises is an error, and the
// event goes to @ERROR as it came.
func (f *recordTransformer) Filter(tag string, e event.Event, emit func(event.Event)) error {
	x := f.expanders.Get().(*expansion)
	defer f.expanders.Put(x)
	x.reset(tag, e)
	x.values = x.values[:0]
	for i := range f.fields {
		v, err := f.fields[i].value.expand(x)
		if err != nil {
			return fmt.Errorf("failed to expand `%s`: %w", f.fields[i].key, err)
		}
		x.values = append(x.values, v)
	}
	// All values are known before the first is set: an error must leave the record
	// as it came, and expressions see it so.
	for i, v := range x.values {
		final, err := x.final(v)
		if err != nil {
			return fmt.Errorf("failed to expand `%s`: %w", f.fields[i].key, err)
		}
		x.values[i] = final
	}
	record := e.Record
	if f.renew {
		record = f.renewed(e.Record)
	}
	for i, v := range x.values {
		record.Set(f.fields[i].key, v)
	}
	if f.renewTime != "" {
		if v, ok := record.Get(f.renewTime); ok {
			e.Time = timeOf(v)
		}
	}
	for _, a := range f.remove {
		a.Delete(record)
	}
	emit(event.Event{Time: e.Time, Record: record})
	return nil
}

func (f *recordTransformer) renewed(old *event.Record) *event.Record {
	record := event.NewRecord()
	for _, a := range f.keep {
		if v, ok := a.Get(old); ok {
			a.Set(record, v)
		}
	}
	return record
}
