package param

import (
	"fmt"

	"github.com/sluicelog/sluice/internal/conf"
)

// Declarer is whatever declares parameters: every plugin does.
type Declarer interface{ Params(*Set) }

type section struct {
	Param
	many     bool
	decode   func(d *decoder, nodes []*conf.Node)
	describe func() *Set
}

func (s *section) names() []string { return append([]string{s.name}, s.aliases...) }

// SectionChecker is the target of [Section] that has rules between its
// parameters; CheckSection runs when each of them is good by itself, also when the
// section is absent. It does no I/O.
type SectionChecker interface{ CheckSection() error }

// Section declares a <name> section that occurs at most once.
func Section[T any](s *Set, name string, dst *T, declare func(*Set, *T), doc string) *Param {
	return s.addSection(&section{
		Param: Param{name: name, kind: "section", doc: doc},
		decode: func(d *decoder, nodes []*conf.Node) {
			d.atMostOne(nodes)
			n := &conf.Node{Name: name, Pos: d.node.Pos}
			if len(nodes) > 0 {
				n = nodes[len(nodes)-1]
			}
			// An absent section still has defaults, but it cannot lack what is required.
			problems := d.problems
			if len(nodes) == 0 {
				problems = &conf.Problems{}
			}
			before := len(problems.Errors)
			Decode(n, d.path, problems, func(set *Set) { declare(set, dst) })
			if c, ok := any(dst).(SectionChecker); ok && len(problems.Errors) == before {
				for _, err := range each(c.CheckSection()) {
					problems.Fail(Place(err, n, d.path))
				}
			}
		},
		describe: func() *Set { set := &Set{}; declare(set, new(T)); return set },
	})
}

// Sections declares a <name> section that occurs any number of times.
func Sections[T any](s *Set, name string, dst *[]T, declare func(*Set, *T), doc string) *Param {
	return s.addSection(&section{
		Param: Param{name: name, kind: "section", doc: doc}, many: true,
		decode: func(d *decoder, nodes []*conf.Node) {
			// The elements are decoded in place: a declaration may keep their address.
			*dst = make([]T, len(nodes))
			for i, n := range nodes {
				Decode(n, d.path, d.problems, func(set *Set) { declare(set, &(*dst)[i]) })
			}
		},
		describe: func() *Set { set := &Set{}; declare(set, new(T)); return set },
	})
}

// Plugin declares a <name> section that holds a plugin, chosen by its @type.
// Without a section, or without @type in it, defType is taken; "" means that
// dst stays as it is.
func Plugin[P Declarer](s *Set, name string, dst *P, defType string, build func(typ string) (P, error), doc string) *Param {
	return s.addSection(&section{
		Param: Param{name: name, kind: "plugin", doc: doc, def: defType},
		decode: func(d *decoder, nodes []*conf.Node) {
			d.atMostOne(nodes)
			n := &conf.Node{Name: name, Pos: d.node.Pos}
			if len(nodes) > 0 {
				n = nodes[len(nodes)-1]
			}
			if plugin, ok := decodePlugin(d, n, defType, build); ok {
				*dst = plugin
			}
		},
	})
}

// Plugins declares <name> sections of which each holds a plugin.
func Plugins[P Declarer](s *Set, name string, dst *[]P, build func(typ string) (P, error), doc string) *Param {
	return s.addSection(&section{
		Param: Param{name: name, kind: "plugin", doc: doc}, many: true,
		decode: func(d *decoder, nodes []*conf.Node) {
			for _, n := range nodes {
				if plugin, ok := decodePlugin(d, n, "", build); ok {
					*dst = append(*dst, plugin)
				}
			}
		},
	})
}

// Nodes declares <name> sections that the caller builds itself, by their nodes.
func (s *Set) Nodes(name string, dst *[]*conf.Node, doc string) *Param {
	return s.addSection(&section{
		Param:  Param{name: name, kind: "plugin", doc: doc},
		many:   true,
		decode: func(_ *decoder, nodes []*conf.Node) { *dst = nodes },
	})
}

func decodePlugin[P Declarer](d *decoder, n *conf.Node, defType string, build func(string) (P, error)) (P, bool) {
	var none P
	typ := n.Text("@type")
	if typ == "" {
		typ = defType
	}
	if typ == "" {
		if n.Pos.Line != 0 && len(n.Params)+len(n.Children) > 0 {
			d.fail("", n.Pos, fmt.Errorf("Missing '@type' parameter on <%s> directive", n.Name), "") //nolint:staticcheck // Fluentd's own words
		}
		return none, false
	}
	plugin, err := build(typ)
	if err != nil {
		d.problems.Fail(Place(err, n, d.path))
		return none, false
	}
	path := fmt.Sprintf("%s <%s> (%s)", d.path, n.Name, typ)
	DecodePlugin(n, path, d.problems, plugin)
	return plugin, true
}

// Checker is a plugin with rules between its parameters. Check does no I/O.
type Checker interface{ Check() error }

// DecodePlugin decodes a plugin's section and then runs its Check; what Check
// returns is placed at the parameter that it blames (see [Errorf]), else at the
// section. Check does not run on a section whose parameters are wrong already.
func DecodePlugin(n *conf.Node, path string, problems *conf.Problems, plugin Declarer) {
	before := len(problems.Errors)
	Decode(n, path, problems, plugin.Params)
	if c, ok := plugin.(Checker); ok && len(problems.Errors) == before {
		for _, err := range each(c.Check()) {
			problems.Fail(Place(err, n, path))
		}
	}
	if w, ok := plugin.(warner); ok {
		for _, err := range w.Warnings() {
			problems.Warn(Place(err, n, path))
		}
	}
}

// each is the errors that errors.Join has put together; none for nil.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only the outermost is taken apart
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, each(one)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// warner is a plugin whose Check also finds what is legal and hardly wanted.
type warner interface{ Warnings() []error }

func (d *decoder) atMostOne(nodes []*conf.Node) {
	if len(nodes) > 1 {
		d.warn("", nodes[1].Pos, fmt.Errorf("<%s> is written %d times; the last one counts", nodes[0].Name, len(nodes)), "")
	}
}

func (s *Set) addSection(sec *section) *Param {
	inner := sec.decode
	sec.decode = func(d *decoder, nodes []*conf.Node) {
		if sec.present != nil {
			*sec.present = len(nodes) > 0
		}
		if sec.required && len(nodes) == 0 {
			d.fail("", d.node.Pos, fmt.Errorf("'<%s>' sections are required", sec.name), "") // Fluentd's own words
			return
		}
		inner(d, nodes)
	}
	s.sections = append(s.sections, sec)
	return &sec.Param
}
