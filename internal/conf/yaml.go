package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// yamlReader reads Fluentd's YAML form of a configuration: a map with system (one
// section) and config (a list of maps, each with source, filter, match, label or
// worker). What stands where is described in Fluentd's documentation under "Config
// File Syntax (YAML)"; the scalars mean what Ruby's YAML 1.1 reader takes them for.
type yamlReader struct{ *loader }

// yaml reads a YAML file into the root.
func (l *loader) yaml(f file, text []byte, root *Node) {
	doc := (&yamlFile{file: f, load: l, nodes: new(int)}).document(text)
	if doc == nil {
		return
	}
	y := yamlReader{l}
	if doc.kind != yaml.MappingNode {
		y.fail(doc.pos, place{}, errors.New("the file is no map"), "write the keys config: and system: at the left margin")
	}
	for _, e := range doc.entries {
		switch e.key {
		case "system":
			root.Children = slices.Insert(root.Children, 0, y.section(e, e.value, "", place{}))
		case "config":
			y.sections(root, e.value, place{})
		default:
			if !e.value.anchored { // a key that holds parts for aliases is used
				y.warn(e.at, place{}, e.key+": is not used", "the keys of the file are config and system")
			}
		}
	}
}

func (l *loader) fail(at Pos, in place, err error, hint string) {
	l.problems.Fail(&Error{Pos: at, Path: in.path, Param: in.param, Err: err, Hint: hint})
}

func (l *loader) warn(at Pos, in place, text, hint string) {
	l.problems.Warn(&Error{Pos: at, Path: in.path, Param: in.param, Err: errors.New(text), Hint: hint})
}

// document parses text and converts it; nil when there is nothing, or an error. Only
// the first of several documents counts.
func (f *yamlFile) document(text []byte) *yamlNode {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		f.lines = append(f.lines, utf8.RuneCount(line))
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case err == io.EOF:
		return nil
	case err != nil:
		f.syntax(text, err)
		return nil
	case len(doc.Content) == 0:
		return nil
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		f.load.problems.Warn(&Error{Pos: f.pos(1, 1), Err: errors.New("only the first document of the file counts"), Hint: "take out the line ---"})
	}
	return f.convert(doc.Content[0])
}

var yamlLine = regexp.MustCompile(`^(?:line (\d+): )?`)

// syntax reports an error of the YAML parser, whose text begins with a line.
func (f *yamlFile) syntax(file []byte, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	m := yamlLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(m[1])
	line = blamedLine(file, line)
	f.load.problems.Fail(&Error{
		Pos: f.pos(max(1, min(line, len(f.lines))), 0), Err: errors.New("YAML: " + text[len(m[0]):]),
		Hint: "mind the indentation, and quote text that holds ': ' or ' #' or begins with one of * & ! % @ ` [ {",
	})
}

// routed are the sections of a config list, in the order in which Fluentd takes
// them out of one map.
var routed = []string{"label", "source", "filter", "match", "worker"}

// sections reads a config list into parent.
func (y yamlReader) sections(parent *Node, list *yamlNode, in place) {
	if list.kind != yaml.SequenceNode {
		y.fail(list.pos, in, errors.New("config is no list"), "begin each section with - below config:")
		return
	}
	for _, item := range list.items {
		if item.kind != yaml.MappingNode {
			y.fail(item.pos, in, errors.New("an entry of config is no section"), "write - source: or another of "+strings.Join(routed, ", "))
			continue
		}
		slices.SortStableFunc(item.entries, func(a, b yamlEntry) int {
			return slices.Index(routed, a.key) - slices.Index(routed, b.key)
		})
		for _, e := range item.entries {
			y.routed(parent, e, in)
		}
	}
}

// routed reads one section of a config list. Only these have an argument of their
// own name: $tag, $name.
func (y yamlReader) routed(parent *Node, e yamlEntry, in place) {
	switch e.key {
	case "source":
		parent.Children = append(parent.Children, y.section(e, e.value, "", in))
	case "filter", "match":
		parent.Children = append(parent.Children, y.section(e, e.value, "$tag", in))
	case "label":
		y.block(parent, e, "$name", in)
	case "worker":
		y.block(parent, e, "$arg", in)
	default:
		hint := "config takes " + strings.Join(routed, ", ")
		if e.key == "system" {
			hint = "system: stands at the left margin, beside config:"
		}
		y.fail(e.at, in, fmt.Errorf("unknown section %s", e.key), hint)
	}
}

// block reads a label or worker: an argument and a config list of its own.
func (y yamlReader) block(parent *Node, e yamlEntry, argKey string, in place) {
	n := &Node{Name: e.key, Arg: y.argument(e.value, argKey, in), Pos: e.at}
	parent.Children = append(parent.Children, n)
	in = in.within(n)
	found := false
	for _, sub := range e.value.entries {
		switch sub.key {
		case argKey:
		case "config":
			found = true
			y.sections(n, sub.value, in)
		default:
			y.warn(sub.at, in, sub.key+": is not used", fmt.Sprintf("%s takes %s and config", e.key, argKey))
		}
	}
	if !found {
		y.fail(e.at, in, errors.New("config is missing"), fmt.Sprintf("write %s: and, below it, config: with the sections", argKey))
	}
}

// place is the section and parameter that a problem is in.
type place struct{ path, param string }

// within is the place in section n, which stands in this place.
func (in place) within(n *Node) place {
	if in.path == "" {
		return place{path: n.Title()}
	}
	return place{path: in.path + " <" + n.Title() + ">"}
}
