package teleporttest

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

//go:embed templates/*.json
var templateFiles embed.FS

// template is one kind of event. Its file is named event.code.json and holds
// {"weight": how often, "event": the body}. In the body a text may hold
// ${word args}, see words; a text that is nothing but one becomes what the word
// makes, also a number. uid, time and cluster_name come from the generator.
type template struct {
	name, event string
	weight      int
	body        maker
}

// maker makes the value of one place in a body.
type maker func(*draw) *structpb.Value

func loadTemplates() []*template {
	all, err := parseTemplates(templateFiles)
	if err != nil {
		panic("teleporttest: " + err.Error()) // the files are compiled in; TestTemplates reads them all
	}
	return all
}

func parseTemplates(files fs.FS) ([]*template, error) {
	paths, err := fs.Glob(files, "templates/*.json")
	if err != nil {
		return nil, err
	}
	var all []*template
	for _, path := range paths {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		t, err := parseTemplate(path, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, t)
	}
	return all, nil
}

func parseTemplate(path string, text []byte) (*template, error) {
	var file struct {
		Weight int            `json:"weight"`
		Event  map[string]any `json:"event"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".json")
	event, _ := file.Event["event"].(string)
	code, _ := file.Event["code"].(string)
	if name != event+"."+code {
		return nil, fmt.Errorf("the file of event %q, code %q has another name", event, code)
	}
	body, err := compile(file.Event)
	return &template{name: name, event: event, weight: file.Weight, body: body}, err
}

func compile(v any) (maker, error) {
	switch v := v.(type) {
	case map[string]any:
		return compileObject(v)
	case []any:
		return compileList(v)
	case string:
		return compileText(v)
	}
	fixed, err := structpb.NewValue(v)
	return func(*draw) *structpb.Value { return fixed }, err
}

func compileObject(v map[string]any) (maker, error) {
	keys := slices.Sorted(maps.Keys(v)) // the order of drawing must not depend on the map's
	makers := make([]maker, len(keys))
	for i, key := range keys {
		var err error
		if makers[i], err = compile(v[key]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return func(d *draw) *structpb.Value {
		fields := make(map[string]*structpb.Value, len(keys)+4)
		for i, key := range keys {
			fields[key] = makers[i](d)
		}
		return structpb.NewStructValue(&structpb.Struct{Fields: fields})
	}, nil
}

func compileList(v []any) (maker, error) {
	makers := make([]maker, len(v))
	for i, item := range v {
		var err error
		if makers[i], err = compile(item); err != nil {
			return nil, err
		}
	}
	return func(d *draw) *structpb.Value {
		list := &structpb.ListValue{Values: make([]*structpb.Value, len(makers))}
		for i, m := range makers {
			list.Values[i] = m(d)
		}
		return structpb.NewListValue(list)
	}, nil
}

// compileText splits text at its ${...}.
func compileText(text string) (maker, error) {
	if !strings.Contains(text, "${") {
		fixed := structpb.NewStringValue(text)
		return func(*draw) *structpb.Value { return fixed }, nil
	}
	var parts []func(*draw) any
	for text != "" {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			parts = append(parts, func(*draw) any { return before })
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("${ without } in %q", text)
		}
		word, args, _ := strings.Cut(inside, " ")
		make, known := words[word]
		if !known {
			return nil, fmt.Errorf("unknown word ${%s}", word)
		}
		part, err := make(args)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", inside, err)
		}
		parts = append(parts, part)
		text = after
	}
	return joinParts(parts), nil
}

func joinParts(parts []func(*draw) any) maker {
	if len(parts) == 1 {
		return func(d *draw) *structpb.Value {
			switch v := parts[0](d).(type) {
			case float64:
				return structpb.NewNumberValue(v)
			case bool:
				return structpb.NewBoolValue(v)
			case string:
				return structpb.NewStringValue(v)
			}
			return structpb.NewNullValue()
		}
	}
	return func(d *draw) *structpb.Value {
		var b strings.Builder
		for _, part := range parts {
			fmt.Fprint(&b, part(d))
		}
		return structpb.NewStringValue(b.String())
	}
}
