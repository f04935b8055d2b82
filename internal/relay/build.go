// Package relay makes a running relay of a configuration: it builds the tree of
// plugins, checks it, starts it, and stops it without losing anything.
//
// Build does no I/O and reports every problem of the configuration at once; the
// dry run and `relay check` end there. Run starts the outputs, then the inputs;
// stopping goes the other way round: inputs answer what is in flight, outputs
// flush what they are told to, buffers close.
package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/match"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/output"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/router"
	"github.com/sluicelog/sluice/internal/status"
)

// rootLabel is the name of the top level among the labels.
const rootLabel = "@ROOT"

// Relay is a configuration turned into plugins.
type Relay struct {
	System  System
	Board   *status.Board
	Metrics *metrics.Registry

	log       *slog.Logger
	logEvents *LogEvents
	sockets   *plugin.Sockets
	pipelines map[string]*router.Pipeline
	inputs    []*input
	outputs   []*output.Buffered
	outputIDs map[plugin.Acceptor]string
	started   []any // plugins with Start or Close, in the order of the file
	endLog    func()
}

type input struct {
	plugin plugin.Input
	env    plugin.Env
	label  string
	node   *conf.Node
}

// Options is what Build is given beside the configuration.
type Options struct {
	Table   *plugin.Table
	Log     *slog.Logger
	Metrics *metrics.Registry
	Events  *LogEvents // the log as events; nil: it makes none
	Sockets *plugin.Sockets
	// Before is what runs in this process and is to be replaced; nil: nothing. Ports
	// and the folders of buffers pass from it.
	Before *Relay
	Strict bool // unknown parameters and sections are errors
	// StrictValues makes numbers that are none errors; <system>
	// strict_config_value does, too.
	StrictValues bool
}

// DescribeEnv is an environment in which plugins can be made to be described,
// not to be run.
func DescribeEnv(o Options) plugin.Env {
	b := &builder{Options: o, relay: &Relay{Board: &status.Board{}, pipelines: map[string]*router.Pipeline{}, outputIDs: map[plugin.Acceptor]string{}}, problems: &conf.Problems{}}
	env := plugin.Env{ID: "id", Log: o.Log, Metrics: o.Metrics, Hostname: "localhost", Node: &conf.Node{}}
	b.nested(&env)
	return env
}

// Uses reports whether a source listens on the port of an address.
func (r *Relay) Uses(addr string) bool {
	_, port, _ := net.SplitHostPort(addr)
	for _, in := range r.inputs {
		if l, ok := in.plugin.(interface{ Address() string }); ok {
			if _, p, _ := net.SplitHostPort(l.Address()); p == port {
				return true
			}
		}
	}
	return false
}

// builder carries what a build needs while it goes through the tree.
type builder struct {
	Options
	relay    *Relay
	problems *conf.Problems
	hostname string
	ids      map[string]conf.Pos
	paths    map[string]conf.Pos // buffer folders
	count    int
}

// Build makes a relay of a configuration tree. problems receives what is wrong
// and what is suspicious; with an error in it the relay must not run.
func Build(tree *conf.Node, problems *conf.Problems, o Options) *Relay {
	hostname, _ := os.Hostname()
	b := &builder{
		Options: o, problems: problems, hostname: hostname, ids: map[string]conf.Pos{}, paths: map[string]conf.Pos{},
		relay: &Relay{Board: &status.Board{}, Metrics: o.Metrics, log: o.Log, logEvents: o.Events, sockets: o.Sockets, pipelines: map[string]*router.Pipeline{}, outputIDs: map[plugin.Acceptor]string{}},
	}
	b.relay.System = decodeSystem(tree, problems)
	b.relay.Board.MaxAge(b.relay.System.MaxAge)
	b.labels(tree)
	b.section(tree, rootLabel)
	for _, label := range sections(tree, "label") {
		b.section(label, label.Arg)
	}
	b.sources(tree)
	b.unknownSections(tree)
	return b.relay
}

func sections(n *conf.Node, name string) []*conf.Node {
	var found []*conf.Node
	for _, child := range n.Children {
		if child.Name == name {
			found = append(found, child)
		}
	}
	return found
}

// labels makes an empty pipeline for the top level and for each <label>, so that
// sections can point to labels that stand further down.
func (b *builder) labels(tree *conf.Node) {
	b.relay.pipelines[rootLabel] = router.New(rootLabel, b.hooks())
	for _, n := range sections(tree, "label") {
		switch _, twice := b.relay.pipelines[n.Arg]; {
		case n.Arg == "":
			b.fail(n, "", errors.New("Missing symbol argument on <label> directive"), "write <label @NAME>") //nolint:staticcheck // Fluentd's own words
		case n.Arg == rootLabel:
			b.fail(n, "", fmt.Errorf("@ROOT for <label> is not permitted, reserved for getting root router"), "choose another name")
		case twice:
			b.fail(n, "", fmt.Errorf("Section <label %s> appears twice", n.Arg), "put both contents into one <label> section") //nolint:staticcheck // Fluentd's own words
		default:
			b.relay.pipelines[n.Arg] = router.New(n.Arg, b.hooks())
		}
	}
}

// section adds the filters and matches of a label, or of the top level, in order.
func (b *builder) section(n *conf.Node, label string) {
	pipeline := b.relay.pipelines[label]
	if pipeline == nil {
		return
	}
	for _, child := range n.Children {
		switch child.Name {
		case "filter":
			b.filter(pipeline, child)
		case "match":
			b.match(pipeline, child)
		}
	}
}

func (b *builder) filter(p *router.Pipeline, n *conf.Node) {
	pattern, ok := b.pattern(n)
	env, typed := b.env(n, "filter")
	if !ok || !typed {
		return
	}
	build, found := b.Table.Filters[env.Type]
	if !found {
		b.unknownType(n, "filter", env.Type)
		return
	}
	f := build(env)
	param.DecodePlugin(n, pathOf(n), b.problems, f)
	b.keep(f)
	b.report(&plain{env: env, category: "filter"}, n)
	p.AddFilter(pattern, f)
}

func (b *builder) match(p *router.Pipeline, n *conf.Node) {
	pattern, ok := b.pattern(n)
	acceptor, err := b.acceptor(n)
	if err != nil {
		b.problems.Fail(param.Place(err, n, pathOf(n)))
	}
	if ok && acceptor != nil {
		p.AddMatch(pattern, acceptor)
	}
}

// pattern compiles a section's argument; a missing one means **.
func (b *builder) pattern(n *conf.Node) (*match.Pattern, bool) {
	text := n.Arg
	if text == "" {
		text = "**"
	}
	pattern, err := match.Compile(text)
	if err != nil {
		b.fail(n, "", err, "")
	}
	return pattern, err == nil
}

func (b *builder) sources(tree *conf.Node) {
	for _, n := range sections(tree, "source") {
		env, typed := b.env(n, "source")
		if !typed {
			continue
		}
		build, found := b.Table.Inputs[env.Type]
		if !found {
			b.unknownType(n, "input", env.Type)
			continue
		}
		in := build(env)
		param.DecodePlugin(n, pathOf(n), b.problems, in)
		label := n.Text("@label")
		if label == "" {
			label = rootLabel
		}
		if b.relay.pipelines[label] == nil {
			b.fail(n, "@label", fmt.Errorf("%s label not found", label), "write a <label "+label+"> section, or correct the name")
		}
		b.relay.inputs = append(b.relay.inputs, &input{plugin: in, env: env, label: label, node: n})
		b.observe(in)
		b.report(reporterOf(in, env, "input"), n)
	}
	b.sameAddress()
}

// sameAddress refuses two sources on one port: there is one process.
func (b *builder) sameAddress() {
	seen := map[string]conf.Pos{}
	for _, in := range b.relay.inputs {
		listener, ok := in.plugin.(interface{ Address() string })
		if !ok {
			continue
		}
		if first, twice := seen[listener.Address()]; twice && !strings.HasSuffix(listener.Address(), ":0") {
			b.fail(in.node, "port", fmt.Errorf("%s is taken by the source at %s", listener.Address(), first), "give each source a port of its own")
		}
		seen[listener.Address()] = in.node.Pos
	}
}

func (b *builder) unknownSections(tree *conf.Node) {
	for _, n := range tree.Children {
		switch n.Name {
		case "source", "match", "filter", "label", "system":
		case "worker":
			b.fail(n, "", errors.New("<worker> sections are not supported: the relay is one process"), "take the sections out of <worker>; one process uses all cores")
		default:
			b.warn(n, "", fmt.Errorf("section <%s> is not used in <ROOT>", n.Name), "")
		}
	}
	for _, p := range tree.Params {
		b.problems.Warn(&conf.Error{Pos: p.Pos, Err: &param.Unused{Param: p.Name, Section: tree}, Hint: "it stands outside of any section"})
	}
}

// keep remembers a plugin for Start and Close.
func (b *builder) keep(p any) { b.relay.started = append(b.relay.started, p) }

func (b *builder) fail(n *conf.Node, name string, err error, hint string) {
	b.problems.Fail(&conf.Error{Pos: n.Pos, Path: pathOf(n), Param: name, Err: err, Hint: hint})
}

func (b *builder) warn(n *conf.Node, name string, err error, hint string) {
	b.problems.Warn(&conf.Error{Pos: n.Pos, Path: pathOf(n), Param: name, Err: err, Hint: hint})
}

// pathOf names a section in messages: "match app.** (s3)".
func pathOf(n *conf.Node) string {
	if typ := n.Text("@type"); typ != "" {
		return n.Title() + " (" + typ + ")"
	}
	return n.Title()
}
