package param

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
)

// The ways in which a parameter can be absent; their texts are Fluentd's own,
// which people search their logs for.
var (
	ErrMissing = errors.New("parameter is required")
	ErrNil     = errors.New("parameter is required but nil is specified")
	ErrDefault = errors.New("doesn't have default value")
)

// What else is told apart by those who word it for the log.
var (
	ErrDeprecated    = errors.New("is deprecated")
	ErrEnum          = errors.New("valid options are")
	ErrUnknownPlugin = errors.New("Unknown") //nolint:staticcheck // Fluentd's own words
)

// Decode fills what declare declares from section n. All errors and warnings go
// to problems; path names the section in them, as "match app.** (s3)".
func Decode(n *conf.Node, path string, problems *conf.Problems, declare func(*Set)) {
	d := decoder{node: n, path: path, problems: problems}
	declare(&d.set)
	d.run()
}

type decoder struct {
	set      Set
	node     *conf.Node
	path     string
	problems *conf.Problems
}

func (d *decoder) run() {
	for _, p := range d.set.params {
		d.mark(p)
		d.param(p)
	}
	if p := d.set.arg; p != nil {
		d.argument(p)
	}
	for _, s := range d.set.sections {
		s.decode(d, d.find(s.names()))
	}
	d.leftovers()
}

// mark tells the lines of the section which parameter they are.
func (d *decoder) mark(p *Param) {
	for i := range d.node.Params {
		if line := &d.node.Params[i]; line.Name == p.name || slices.Contains(p.aliases, line.Name) {
			line.Declared, line.Secret = true, line.Secret || p.secret
		}
	}
}

func (d *decoder) param(p *Param) {
	p.reset()
	line, found := d.lookup(p)
	if p.present != nil {
		*p.present = found
	}
	switch {
	case !found && p.required:
		d.fail(p.name, d.node.Pos, ErrMissing, p.requiredHint())
	case !found:
	case line.Value.Kind == conf.Nil && p.required:
		d.fail(p.name, line.At, ErrNil, "")
	case line.Value.Kind == conf.Default && p.required:
		d.fail(p.name, line.At, ErrDefault, "")
	case line.Value.Kind != conf.Text:
	default:
		d.value(p, line)
	}
}

func (d *decoder) value(p *Param, line conf.Param) {
	if p.deprecated != "" {
		d.warn(line.Name, line.Pos, ErrDeprecated, p.deprecated)
	}
	if err := p.checkEnum(line.Value.Text); err != nil {
		d.fail(line.Name, line.At, err, nearestHint(line.Value.Text, p.enum))
		return
	}
	hint, err := p.decode(line.Value.Text)
	switch {
	case err != nil:
		d.fail(line.Name, line.At, p.mask(err), hint)
	case hint != "":
		d.warn(line.Name, line.At, &Lenient{quote(p, line.Value.Text) + " " + hint}, "")
	}
}

func (d *decoder) argument(p *Param) {
	p.reset()
	if p.present != nil {
		*p.present = d.node.Arg != ""
	}
	if d.node.Arg == "" {
		if p.required {
			d.fail("", d.node.Pos, fmt.Errorf("<%s> needs an argument", d.node.Name), p.requiredHint())
		}
		return
	}
	if err := p.checkEnum(d.node.Arg); err != nil {
		d.fail("", d.node.Pos, err, nearestHint(d.node.Arg, p.enum))
		return
	}
	if hint, err := p.decode(d.node.Arg); err != nil {
		d.fail("", d.node.Pos, err, hint)
	}
}

// lookup is the last line that names the parameter, by any of its names.
func (d *decoder) lookup(p *Param) (conf.Param, bool) {
	for i := len(d.node.Params) - 1; i >= 0; i-- {
		if line := d.node.Params[i]; line.Name == p.name || slices.Contains(p.aliases, line.Name) {
			return line, true
		}
	}
	return conf.Param{}, false
}

// leftovers warns, as Fluentd does, about what the section holds and nobody declared.
func (d *decoder) leftovers() {
	known := d.set.names()
	for _, line := range d.node.Params {
		switch reason, ignored := d.set.ignored[line.Name]; {
		case slices.Contains(known, line.Name), strings.HasPrefix(line.Name, "@"):
		case ignored:
			d.warn(line.Name, line.Pos, errors.New("has no effect"), reason)
		case d.set.rest != nil:
			*d.set.rest = append(*d.set.rest, line)
		default:
			d.warn(line.Name, line.Pos, &Unused{Param: line.Name, Section: d.node}, nearestHint(line.Name, known))
		}
	}
	for _, child := range d.node.Children {
		switch reason, ignored := d.set.ignored["<"+child.Name+">"]; {
		case d.declaresSection(child.Name):
		case ignored:
			d.warn("", child.Pos, fmt.Errorf("<%s> has no effect", child.Name), reason)
		default:
			d.warn("", child.Pos, &Unused{Child: child, Section: d.node}, nearestHint(child.Name, d.set.sectionNames()))
		}
	}
}

// Lenient is the warning about a value that is read with Fluentd's leniency:
// "10 apples" as a number is 10.
type Lenient struct{ text string }

func (l *Lenient) Error() string { return l.text }

// Unused is the warning about a parameter or section that nothing reads.
type Unused struct {
	Param   string
	Child   *conf.Node
	Section *conf.Node
}

func (u *Unused) Error() string {
	if u.Child != nil {
		return fmt.Sprintf("section <%s> is not used in <%s>%s", u.Child.Name, u.Section.Title(), ofPlugin(u.Section))
	}
	return fmt.Sprintf("parameter '%s' in <%s> is not used", u.Param, u.Section.Title())
}

// Text is the warning as Fluentd logs it: with the whole section, in which secrets
// are masked.
func (u *Unused) Text() string {
	if u.Child != nil {
		return u.Error()
	}
	var section strings.Builder
	_ = conf.Dump(&section, u.Section, true) // a Builder takes everything
	return fmt.Sprintf("parameter '%s' in %s is not used.", u.Param, strings.TrimSuffix(section.String(), "\n"))
}

func ofPlugin(n *conf.Node) string {
	if typ := n.Text("@type"); typ != "" {
		return " of " + typ + " plugin"
	}
	return ""
}

func (d *decoder) declaresSection(name string) bool {
	return slices.ContainsFunc(d.set.sections, func(s *section) bool { return slices.Contains(s.names(), name) })
}

func (d *decoder) find(names []string) []*conf.Node {
	var found []*conf.Node
	for _, child := range d.node.Children {
		if slices.Contains(names, child.Name) {
			found = append(found, child)
		}
	}
	return found
}

func (d *decoder) fail(name string, at conf.Pos, err error, hint string) {
	d.problems.Fail(&conf.Error{Pos: at, Path: d.path, Param: name, Err: err, Hint: hint, Section: d.node})
}

func (d *decoder) warn(name string, at conf.Pos, err error, hint string) {
	d.problems.Warn(&conf.Error{Pos: at, Path: d.path, Param: name, Err: err, Hint: hint})
}
