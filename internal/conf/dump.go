package conf

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Dump prints a tree as Fluentd prints its configuration at start: the root as
// <ROOT>, two blanks of indentation per level, of parameters that stand twice the
// last, secrets as xxxxxx. What is printed can be read again.
//
// masked hides what [Param.Shown] hides; without it the dump shows everything.
func Dump(w io.Writer, root *Node, masked bool) error {
	d := dumper{w: bufio.NewWriter(w), masked: masked}
	d.node(root)
	return d.w.Flush()
}

type dumper struct {
	w      *bufio.Writer // keeps the first error
	masked bool
	depth  int
}

// node prints a section with its parameters before its sections, as Fluentd does.
func (d *dumper) node(n *Node) {
	tag := n.Name
	if n.Arg != "" {
		tag += " " + argText(n.Arg)
	}
	d.line("<" + tag + ">")
	d.depth++
	for i, line := range n.Params {
		if isFirst(n.Params, i) {
			last, _ := n.Get(line.Name)
			d.param(last)
		}
	}
	for _, child := range n.Children {
		d.node(child)
	}
	d.depth--
	d.line("</" + n.Name + ">")
}

func isFirst(params []Param, i int) bool {
	for _, earlier := range params[:i] {
		if earlier.Name == params[i].Name {
			return false
		}
	}
	return true
}

func (d *dumper) param(p Param) {
	value := p.Value.String()
	if d.masked {
		value = p.Shown()
	}
	d.line(strings.TrimRight(nameText(p.Name)+" "+value, " "))
}

func (d *dumper) line(text string) {
	fmt.Fprintf(d.w, "%*s%s\n", 2*d.depth, "", text)
}

// String is the value as a line of fluent.conf has it: in double quotes when it was
// quoted, or would not be read back without them.
func (v Value) String() string {
	switch {
	case v.Kind == Nil:
		return `"#{use_nil}"`
	case v.Kind == Default:
		return `"#{use_default}"`
	case v.IsJSON():
		return v.Text
	case v.Quote != 0 || !isBare(v.Text):
		return quote(v.Text)
	}
	return v.Text
}

// isBare says that text reads back as it is without quotes.
func isBare(text string) bool {
	if text == "" {
		return true
	}
	return strings.IndexByte("\"'[{ \t", text[0]) < 0 && !strings.ContainsAny(text, "\r\n") &&
		bareLen(text) == len(text)
}

// argText quotes an argument that would end early, or be taken for a quoted one.
func argText(arg string) string {
	if strings.ContainsAny(arg, ">\r\n") || strings.IndexByte("\"' \t#", arg[0]) >= 0 || strings.TrimRight(arg, " \t") != arg {
		return quote(arg)
	}
	return arg
}

// nameText quotes a name that would not be read as one.
func nameText(name string) string {
	if name == "" || strings.ContainsAny(name, " \t\r\n") || strings.IndexByte("<#\"'", name[0]) >= 0 || name == "include" {
		return quote(name)
	}
	return name
}

// quote writes text in double quotes with the escapes that the reader knows.
func quote(text string) string {
	b := []byte{'"'}
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\'' || c == '\\':
			b = append(b, '\\', c)
		case c == '#' && strings.HasPrefix(text[i:], "#{"):
			b = append(b, `\#`...)
		case strings.IndexByte("\n\r\t\f\b\x00", c) >= 0:
			b = append(b, '\\', "nrtfb0"[strings.IndexByte("\n\r\t\f\b\x00", c)])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}
