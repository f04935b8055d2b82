package relay

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/output"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/router"
	"github.com/sluicelog/sluice/internal/status"
)

// env prepares what a plugin is given; false when the section has no @type.
func (b *builder) env(n *conf.Node, kind string) (plugin.Env, bool) {
	typ := n.Text("@type")
	if typ == "" {
		b.fail(n, "@type", fmt.Errorf("Missing '@type' parameter on <%s> directive", kind), "say which plugin: @type NAME") //nolint:staticcheck // Fluentd's own words
		return plugin.Env{}, false
	}
	b.count++
	env := plugin.Env{
		ID: n.Text("@id"), HasID: n.Text("@id") != "", Type: typ, Metrics: b.Metrics, Hostname: b.hostname,
		RootDir: b.relay.System.RootDir, Node: n, Sockets: b.Sockets,
	}
	if env.HasID {
		b.uniqueID(n, env.ID)
	} else {
		env.ID = fmt.Sprintf("object:%x", b.count)
	}
	env.Log = b.Log.With(slog.String("plugin_id", env.ID))
	if level := n.Text("@log_level"); level != "" {
		env.Log = b.withLevel(n, env.Log, level)
	}
	b.nested(&env)
	return env, true
}

// nested gives a plugin the means to make the plugins that it holds.
func (b *builder) nested(env *plugin.Env) {
	inner := *env
	env.Parser = func(typ string) (plugin.Parser, error) {
		if build, ok := b.Table.Parsers[typ]; ok {
			return build(inner), nil
		}
		return nil, b.typeError("parser", typ)
	}
	env.Formatter = func(typ string) (plugin.Formatter, error) {
		if build, ok := b.Table.Formatters[typ]; ok {
			return build(inner), nil
		}
		return nil, b.typeError("formatter", typ)
	}
	inner.Parser, inner.Formatter = env.Parser, env.Formatter // those may hold others in turn
	env.Acceptor = b.acceptor
	env.Label = func(name string) plugin.Acceptor {
		if p := b.relay.pipelines[name]; p != nil {
			return p
		}
		return nil
	}
}

func (b *builder) uniqueID(n *conf.Node, id string) {
	if first, twice := b.ids[id]; twice {
		b.fail(n, "@id", fmt.Errorf("Duplicated plugin id `%s`. Check whole configuration and fix it.", id), "it is used at "+first.String()+" too") //nolint:staticcheck // Fluentd's own words
		return
	}
	b.ids[id] = n.Pos
}

// acceptor builds the output of a <match> or <store> section.
func (b *builder) acceptor(n *conf.Node) (plugin.Acceptor, error) {
	env, typed := b.env(n, n.Name)
	if !typed {
		return nil, nil
	}
	hasBuffer := len(sections(n, "buffer")) > 0
	if build, ok := b.Table.Passers[env.Type]; ok {
		return b.passer(n, env, build(env))
	}
	direct, isDirect := b.Table.Directs[env.Type]
	buffered, isBuffered := b.Table.Outputs[env.Type]
	switch {
	case isBuffered && (hasBuffer || !isDirect):
		return b.buffered(n, env, buffered(env))
	case isDirect:
		d := direct(env)
		param.DecodePlugin(n, pathOf(n), b.problems, d)
		b.keep(d)
		b.report(reporterOf(d, env, "output"), n)
		return b.identify(plugin.DirectAcceptor(d), env)
	}
	b.unknownType(n, "output", env.Type)
	return nil, nil
}

func (b *builder) passer(n *conf.Node, env plugin.Env, p plugin.Passer) (plugin.Acceptor, error) {
	param.DecodePlugin(n, pathOf(n), b.problems, p)
	b.keep(p)
	b.report(reporterOf(p, env, "output"), n)
	return b.identify(p, env)
}

func (b *builder) buffered(n *conf.Node, env plugin.Env, out plugin.Output) (plugin.Acceptor, error) {
	o := output.NewBuffered(env, out, b.secondary)
	param.DecodePlugin(n, pathOf(n), b.problems, o)
	if path := o.Path(); path != "" {
		if first, twice := b.paths[path]; twice {
			b.fail(n, "path", fmt.Errorf("Other '%s' plugin already use same buffer path: type = %s, buffer path = %s", env.Type, env.Type, path), //nolint:staticcheck // Fluentd's own words
				"the section at "+first.String()+" uses it; give each output a folder of its own")
		}
		b.paths[path] = n.Pos
		o.TakeOver(b.Before.outputAt(path))
	}
	b.keep(o)
	b.relay.outputs = append(b.relay.outputs, o)
	b.report(o, n)
	b.relay.Board.Check(env.ID, o.Ready)
	return b.identify(o, env)
}

// identify remembers by which id an output is known.
func (b *builder) identify(a plugin.Acceptor, env plugin.Env) (plugin.Acceptor, error) {
	b.relay.outputIDs[a] = env.ID
	return a, nil
}

// secondary builds the output of a <secondary> section; it works on the
// primary's chunks and has no buffer of its own.
func (b *builder) secondary(typ string) (plugin.Output, error) {
	if build, ok := b.Table.Outputs[typ]; ok {
		env := plugin.Env{Type: typ, ID: "secondary", Log: b.Log, Metrics: b.Metrics, Hostname: b.hostname, RootDir: b.relay.System.RootDir}
		b.nested(&env)
		return build(env), nil
	}
	return nil, b.typeError("output", typ)
}

func (b *builder) unknownType(n *conf.Node, kind, typ string) {
	err := b.typeError(kind, typ)
	var placed *conf.Error
	if errors.As(err, &placed) {
		b.fail(n, "@type", placed.Err, placed.Hint)
	}
}

// typeError says that a plugin is not there, in Fluentd's words, and what is.
func (b *builder) typeError(kind, typ string) error {
	hint := b.Table.Absent[typ]
	if hint == "" {
		hint = param.Nearest(typ, b.Table.Names(kind))
	}
	if hint == "" {
		hint = fmt.Sprintf("there are: %v", b.Table.Names(kind))
	}
	return param.Errorf("@type", hint, "%w %s plugin '%s'. Sluice has no gems", param.ErrUnknownPlugin, kind, typ)
}

// hooks is what the pipelines tell of events that go nowhere or fail.
func (b *builder) hooks() router.Hooks {
	dropped := b.Metrics.Counter("relay_events_dropped_total", "Events that were thrown away, by reason.", "plugin_id", "reason")
	r, log := b.relay, b.Log
	return router.Hooks{
		NoMatch: func(tag string, events int, warn bool) {
			dropped.WithLabelValues("", "no match").Add(float64(events))
			if warn && !isLogTag(tag) {
				log.Warn("no patterns matched", "tag", tag)
			}
		},
		Failed: func(tx *plugin.Tx, tag string, e event.Event, cause error) error {
			if p := r.pipelines["@ERROR"]; p != nil {
				log.Warn("send an error event to @ERROR:", errorAttrs(tag, e, cause)...)
				return p.Accept(tx, tag, event.Stream{e})
			}
			dropped.WithLabelValues("", "filter error").Inc()
			log.Warn("dump an error event:", errorAttrs(tag, e, cause)...)
			return nil
		},
		Filtered: func(_ string, gone int) { dropped.WithLabelValues("", "filtered").Add(float64(max(gone, 0))) },
	}
}

// errorAttrs is what is logged of an event that a filter could not handle: all that
// Fluentd logs but the record, for payloads do not belong in logs.
func errorAttrs(tag string, e event.Event, cause error) []any {
	var attrs []any
	var classed interface{ Class() string }
	if errors.As(cause, &classed) {
		attrs = append(attrs, "error_class", cli.Bare(classed.Class()))
	}
	return append(attrs, "error", cause.Error(), "tag", tag, "time", timeText(e.Time))
}

// timeText is an event's time as Fluentd logs it.
func timeText(t event.Time) cli.Bare {
	return cli.Bare(t.Std().Local().Format("2006-01-02 15:04:05.000000000 -0700"))
}

// plain reports a plugin that counts nothing.
type plain struct {
	env      plugin.Env
	category string
}

func (p *plain) Status() status.Plugin {
	return status.Plugin{ID: p.env.ID, Category: p.category, Type: p.env.Type}
}

func reporterOf(p any, env plugin.Env, category string) status.Reporter {
	if r, ok := p.(status.Reporter); ok {
		return r
	}
	return &plain{env: env, category: category}
}

// withLevel gives a plugin's log a level of its own.
func (b *builder) withLevel(n *conf.Node, log *slog.Logger, name string) *slog.Logger {
	least, ok := levels[name]
	if !ok {
		b.fail(n, "@log_level", fmt.Errorf("valid options are trace,debug,info,warn,error,fatal but got %q", name), "")
		return log
	}
	return slog.New(&leveled{log.Handler(), least})
}
