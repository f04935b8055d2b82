package conf

import (
	"errors"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// The tags that Fluentd gives a meaning.
const (
	tagInclude = "!include"
	tagJSON    = "!fluent/json"
	tagRuby    = "!fluent/s"
	tagString  = "!!str"
)

// yamlNode is a value of a YAML file with its place; aliases, << and !include are
// already replaced by what they stand for.
type yamlNode struct {
	kind     yaml.Kind // MappingNode, SequenceNode or ScalarNode
	tag      string    // one of the above, "" for all others
	text     string    // of a scalar
	plain    bool      // a scalar without quotes, whose type its text decides
	anchored bool      // there is an &anchor
	pos      Pos
	entries  []yamlEntry // of a map
	items    []*yamlNode // of a sequence
}

// yamlEntry is one key of a map and its value.
type yamlEntry struct {
	key   string
	at    Pos // of the key
	value *yamlNode
}

// Aliases can multiply nodes, and contain themselves.
const (
	maxYAMLNodes = 200_000
	maxYAMLDepth = 100
)

// yamlFile is one YAML file, or what is included from it.
type yamlFile struct {
	file
	load  *loader
	lines []int // characters in each
	nodes *int  // converted so far, in all files
	depth int
}

// at is the node's place. YAML ends lines also at a lone CR and at signs of Unicode,
// so that its counting can leave the file.
func (f *yamlFile) at(n *yaml.Node) Pos {
	line := max(1, min(n.Line, len(f.lines)))
	return f.pos(line, max(1, min(n.Column, f.lines[line-1]+1)))
}

func (f *yamlFile) fail(n *yaml.Node, err error, hint string) {
	f.load.fail(f.at(n), place{}, err, hint)
}

// convert gives nil when there is nothing, or an error was reported.
func (f *yamlFile) convert(n *yaml.Node) *yamlNode {
	*f.nodes++
	if f.depth++; f.depth > maxYAMLDepth || *f.nodes > maxYAMLNodes {
		if *f.nodes <= maxYAMLNodes+1 { // reported once
			*f.nodes = maxYAMLNodes + 1
			f.fail(n, errors.New("the file is nested too deep, or its aliases contain themselves"), "write out what the aliases stand for")
		}
		f.depth--
		return nil
	}
	defer func() { f.depth-- }()
	if n.Kind == yaml.AliasNode {
		return f.convert(n.Alias)
	}
	c := &yamlNode{kind: n.Kind, anchored: n.Anchor != "", pos: f.at(n)}
	switch n.Tag {
	case tagInclude:
		return f.include(n)
	case tagJSON, tagRuby, tagString:
		c.tag = n.Tag
	default:
		if n.Tag != "" && n.Style&yaml.TaggedStyle != 0 && n.Tag[:2] != "!!" {
			f.fail(n, fmt.Errorf("unknown tag %s", n.Tag), "the tags are !include, !fluent/s and !fluent/json; quote text that begins with !")
			return nil
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		f.mapping(c, n)
	case yaml.SequenceNode:
		f.sequence(c, n)
	default:
		c.text = n.Value
		c.plain = n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 && n.Style&yaml.TaggedStyle == 0
	}
	return c
}

// sequence converts a list; an included list's items are items of this one.
func (f *yamlFile) sequence(c *yamlNode, n *yaml.Node) {
	for _, item := range n.Content {
		switch v := f.convert(item); {
		case v == nil:
		case item.Tag == tagInclude && v.kind == yaml.SequenceNode:
			c.items = append(c.items, v.items...)
		default:
			c.items = append(c.items, v)
		}
	}
}

// mapping converts a map. Of a key that comes again, also by <<, the last value
// counts, at the first one's place, as in a Ruby hash.
func (f *yamlFile) mapping(c *yamlNode, n *yaml.Node) {
	index, written := map[string]int{}, map[string]bool{}
	put := func(e yamlEntry) {
		if i, again := index[e.key]; again {
			c.entries[i] = e
			return
		}
		index[e.key] = len(c.entries)
		c.entries = append(c.entries, e)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := f.convert(n.Content[i]), f.convert(n.Content[i+1])
		switch {
		case key == nil || value == nil:
		case key.kind != yaml.ScalarNode || key.text == "":
			f.fail(n.Content[i], errors.New("a key is no text"), "write name: value; quote text that begins with [ or {")
		case key.text == "<<" && key.plain:
			for _, e := range f.merged(n.Content[i], value) {
				put(e)
			}
		default:
			put(yamlEntry{key.text, key.pos, value})
			if written[key.text] {
				f.load.warn(key.pos, place{param: key.text}, "stands twice in the map; the last counts",
					"several sections of one name are written as a list")
			}
			written[key.text] = true
		}
	}
}

// merged is what << puts into a map: a map, or several of which the first wins.
func (f *yamlFile) merged(at *yaml.Node, v *yamlNode) []yamlEntry {
	if v.kind == yaml.MappingNode {
		return v.entries
	}
	var list []yamlEntry
	for _, item := range slices.Backward(v.items) {
		list = append(list, item.entries...)
	}
	if list == nil {
		f.fail(at, errors.New("<<: takes a map"), "name an anchor: <<: *name")
	}
	return list
}

// include reads the files that !include names. Lists are joined; a single file may
// also hold a map.
func (f *yamlFile) include(n *yaml.Node) *yamlNode {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		f.fail(n, errors.New("!include names no file"), "write !include path.yaml")
		return nil
	}
	paths := f.load.find(f.file, n.Value, f.at(n))
	joined := &yamlNode{kind: yaml.SequenceNode, pos: f.at(n)}
	for _, path := range paths {
		v := f.includeFile(n, path)
		switch {
		case v == nil:
		case len(paths) == 1:
			return v
		case v.kind != yaml.SequenceNode:
			f.fail(n, fmt.Errorf("include %s: the file is no list", path), "files are joined when each is a list: begin its lines with -")
		default:
			joined.items = append(joined.items, v.items...)
		}
	}
	if len(joined.items) == 0 {
		return nil
	}
	return joined
}

func (f *yamlFile) includeFile(n *yaml.Node, path string) *yamlNode {
	in := f.within(path, f.at(n))
	text, ok := f.load.open(f.file, in)
	if !ok {
		return nil
	}
	sub := &yamlFile{file: in, load: f.load, nodes: f.nodes, depth: f.depth}
	v := sub.document(text)
	if v != nil && v.kind == yaml.ScalarNode {
		f.fail(n, fmt.Errorf("include %s: the file is no YAML list", path), "a YAML configuration includes YAML files only")
		return nil
	}
	return v
}
