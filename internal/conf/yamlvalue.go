package conf

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// value is what a parameter gets: text, JSON of a list or map, nil for null.
func (y yamlReader) value(v *yamlNode, in place) Value {
	switch {
	case v.tag == tagRuby:
		return y.ruby(v, in)
	case v.tag == tagJSON || v.kind != yaml.ScalarNode:
		text := string(appendJSON(nil, y.data(v, in)))
		return Value{Text: text, Quote: text[0]}
	}
	s := y.scalar(v, in)
	switch x := s.(type) {
	case nil:
		return Value{Kind: Nil}
	case string:
		if !v.plain {
			return Value{Text: x, Quote: '"'}
		}
		return Value{Text: x}
	}
	return Value{Text: textOf(s), Quote: Typed}
}

// data is a value as JSON has it.
func (y yamlReader) data(v *yamlNode, in place) any {
	switch v.kind {
	case yaml.SequenceNode:
		list := make([]any, len(v.items))
		for i, item := range v.items {
			list[i] = y.data(item, in)
		}
		return list
	case yaml.MappingNode:
		pairs := make([]Pair, len(v.entries))
		for i, e := range v.entries {
			pairs[i] = Pair{e.key, y.data(e.value, in)}
		}
		return pairs
	}
	if v.tag == tagRuby {
		return y.ruby(v, in).Text
	}
	return y.scalar(v, in)
}

// scalar types a plain scalar and warns where that changes what is written.
func (y yamlReader) scalar(v *yamlNode, in place) any {
	if !v.plain {
		if v.tag != tagJSON {
			y.noRuby(v, in)
		}
		return v.text
	}
	value := plainScalar(v.text)
	switch text := textOf(value); value.(type) {
	case string, int64, float64:
		if text != v.text {
			y.warn(v.pos, in, fmt.Sprintf("%s is read as %s, by the rules of YAML 1.1", v.text, text), "quote the value to keep its text")
		}
	}
	y.noRuby(v, in)
	return value
}

// noRuby warns of "#{…}" without the tag: in the classic form it would be computed.
func (y yamlReader) noRuby(v *yamlNode, in place) {
	if strings.Contains(v.text, "#{") {
		y.warn(v.pos, in, "#{ is plain text here", `embedded Ruby is written !fluent/s "#{…}"`)
	}
}

// ruby is !fluent/s: the text as Ruby reads it between double quotes. Errors are
// placed at its beginning, since YAML may have folded the lines.
func (y yamlReader) ruby(v *yamlNode, in place) Value {
	d := doubleQuoted{Value: Value{Quote: '"'}}
	for rest := v.text; rest != ""; {
		n := 1
		switch {
		case strings.HasPrefix(rest, "#{"):
			end := rubyEnd(rest[2:])
			if end < 0 {
				y.fail(v.pos, in, errors.New("#{ is not closed"), "write } at the end of the Ruby text")
				return d.value()
			}
			y.addRuby(&d, rest[2:2+end], v.pos, in)
			n = end + 3
		case rest[0] == '\\' && len(rest) > 1:
			n = 2
			if i := strings.IndexByte(rubyEscapes, rest[1]); i >= 0 {
				d.buf = append(d.buf, rubyEscaped[i])
			} else if isNameByte(rest[1]) && rest[1] != '_' {
				y.fail(v.pos, in, fmt.Errorf(`unknown escape \%c in !fluent/s`, rest[1]), "write the character itself")
			} else if rest[1] != '\n' {
				d.buf = append(d.buf, rest[1])
			}
		default:
			d.buf = append(d.buf, rest[0])
		}
		rest = rest[n:]
	}
	return d.value()
}

// The one-letter escapes of a Ruby text in double quotes.
const rubyEscapes, rubyEscaped = "nrtfbs0eav", "\n\r\t\f\b \x00\x1b\a\v"

func (y yamlReader) addRuby(d *doubleQuoted, src string, at Pos, in place) {
	v, err := y.evaluate(src, at)
	if err == nil {
		d.add(v)
		return
	}
	if err.Path == "" {
		err.Path, err.Param = in.path, in.param
	}
	y.problems.Fail(err)
}
