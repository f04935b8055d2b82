package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// dollar are the keys that stand for Fluentd's parameters with @; they come first,
// in this order.
var dollar = []string{"$type", "$label", "$id", "$log_level"}

// section reads v, which is the value of e or one of its list, as a section.
// argKey is the key of its argument, "" for none.
func (y yamlReader) section(e yamlEntry, v *yamlNode, argKey string, in place) *Node {
	n := &Node{Name: e.key, Pos: v.pos}
	if v == e.value {
		n.Pos = e.at
	}
	if v.kind != yaml.MappingNode {
		y.fail(v.pos, in.within(n), errors.New("the section is no map"), "write its parameters below it, indented, as name: value")
		return n
	}
	n.Arg = y.argument(v, argKey, in)
	in = in.within(n)
	for _, key := range dollar {
		for _, e := range v.entries {
			if e.key == key && !e.value.isFalse() {
				y.line(n, yamlEntry{key: "@" + key[1:], at: e.at, value: e.value}, in)
			}
		}
	}
	for _, e := range v.entries {
		if argKey != "" && e.key == argKey || slices.Contains(dollar, e.key) && !e.value.isFalse() {
			continue
		}
		y.member(n, e, in)
	}
	return n
}

// member reads an entry of a section: a parameter, a section, or a list of either.
func (y yamlReader) member(n *Node, e yamlEntry, in place) {
	list := []*yamlNode{e.value}
	if e.value.kind == yaml.SequenceNode {
		list = e.value.items
	}
	if e.value.tag == tagJSON || len(list) == 0 || list[0].kind == yaml.ScalarNode {
		y.line(n, e, in)
		return
	}
	for _, v := range list {
		n.Children = append(n.Children, y.section(e, v, "$arg", in))
	}
}

// argument is the section's argument. A list is joined with commas, as Fluentd does.
func (y yamlReader) argument(m *yamlNode, key string, in place) string {
	for _, e := range m.entries {
		if e.key != key || key == "" {
			continue
		}
		if e.value.kind != yaml.SequenceNode {
			return y.value(e.value, in).Text
		}
		parts := make([]string, len(e.value.items))
		for i, item := range e.value.items {
			parts[i] = y.value(item, in).Text
		}
		arg := strings.Join(parts, ",")
		if key == "$tag" && len(parts) > 1 {
			in.param = key
			y.warn(e.at, in, fmt.Sprintf("a list becomes the one pattern %q, with the comma in it", arg),
				fmt.Sprintf("write $tag: '%s'", strings.Join(parts, " ")))
		}
		return arg
	}
	return ""
}

func (y yamlReader) line(n *Node, e yamlEntry, in place) {
	in.param = e.key
	n.Params = append(n.Params, Param{Name: e.key, Value: y.value(e.value, in), Pos: e.at, At: e.value.pos})
}
