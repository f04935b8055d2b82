// Package router takes an event from where it came in to where it goes: through
// the filters of a label that match its tag, into the first match that does.
//
// A label is one [Pipeline]: the list of its <filter> and <match> sections in
// the order of the file. What is written below the match that takes an event
// never sees it. Everything happens in plain calls on the caller's goroutine,
// within one transaction, so that an answer can wait for the disk.
package router

import (
	"context"
	"sync"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/match"
	"github.com/sluicelog/sluice/internal/plugin"
)

// cacheLimit bounds the tags whose route is remembered. Teleport makes one tag
// a session, so the cache is dropped whole when it is full.
const cacheLimit = 1024

// cachedTag is the longest tag that is remembered: clients choose tags, and may make
// them long.
const cachedTag = 1 << 10

// Pipeline is the filters and matches of one label, or of the top level.
type Pipeline struct {
	name   string
	rules  []rule
	hooks  Hooks
	misses misses

	mu     sync.RWMutex
	routes map[string]*route
}

// Hooks is what a pipeline tells the outside.
type Hooks struct {
	// NoMatch is told of emissions that nothing takes: how many so far in this
	// label, and whether this is one of those that Fluentd warns about.
	NoMatch func(tag string, events int, warn bool)
	// Failed takes an event that a filter could not handle, to <label @ERROR>
	// or the log.
	Failed func(tx *plugin.Tx, tag string, e event.Event, cause error) error
	// Filtered is told how many events a filter took away (or, below zero, added).
	Filtered func(tag string, gone int)
}

// rule is a filter or a match; one of the two is set.
type rule struct {
	pattern *match.Pattern
	filter  plugin.Filter
	out     plugin.Acceptor
}

type route struct {
	filters []plugin.Filter
	out     plugin.Acceptor // nil: nothing takes the tag
}

// New makes an empty pipeline. name is the label's, "@ROOT" for the top level.
func New(name string, hooks Hooks) *Pipeline {
	return &Pipeline{name: name, hooks: hooks, routes: map[string]*route{}}
}

// Name is the label's name.
func (p *Pipeline) Name() string { return p.name }

// AddFilter appends a filter. The pipeline must not be in use yet.
func (p *Pipeline) AddFilter(pattern *match.Pattern, f plugin.Filter) {
	p.rules = append(p.rules, rule{pattern: pattern, filter: f})
}

// AddMatch appends a match. The pipeline must not be in use yet.
func (p *Pipeline) AddMatch(pattern *match.Pattern, out plugin.Acceptor) {
	p.rules = append(p.rules, rule{pattern: pattern, out: out})
}

// Takes reports whether some match takes the tag.
func (p *Pipeline) Takes(tag string) bool { return p.find(tag).out != nil }

// Output is what takes a tag; nil: nothing does.
func (p *Pipeline) Output(tag string) plugin.Acceptor { return p.find(tag).out }

// Emit sends a stream through the pipeline and returns when it is durable.
func (p *Pipeline) Emit(ctx context.Context, tag string, es event.Stream) error {
	tx := plugin.Begin(ctx)
	if err := p.Accept(tx, tag, es); err != nil {
		tx.Abort(err)
		return err
	}
	return tx.Commit(ctx)
}

// Accept runs the filters and hands what is left to the match's output.
func (p *Pipeline) Accept(tx *plugin.Tx, tag string, es event.Stream) error {
	r := p.find(tag)
	for _, f := range r.filters {
		var err error
		if es, err = p.filter(tx, f, tag, es); err != nil {
			return err
		}
	}
	switch {
	case r.out == nil:
		p.hooks.NoMatch(tag, len(es), p.misses.next())
		return nil
	case len(es) == 0:
		return nil
	}
	return r.out.Accept(tx, tag, es)
}

func (p *Pipeline) filter(tx *plugin.Tx, f plugin.Filter, tag string, es event.Stream) (event.Stream, error) {
	out := &kept{}
	if out.events = out.room[:0]; len(es) > 1 {
		out.events = make(event.Stream, 0, len(es))
	}
	keep, failures := out.keep, 0
	for _, e := range es {
		before := len(out.events)
		if err := f.Filter(tag, e, keep); err != nil {
			failures++
			out.events = keptOnError(out.events, before, f)
			if err := p.hooks.Failed(tx, tag, e, err); err != nil {
				return nil, err
			}
		}
	}
	if gone := len(es) - len(out.events) - failures; gone != 0 && p.hooks.Filtered != nil {
		p.hooks.Filtered(tag, gone)
	}
	return out.events, nil
}

// kept is what a filter lets through.
type kept struct {
	events event.Stream
	room   [1]event.Event // of events, for requests of one event
}

func (k *kept) keep(e event.Event) { k.events = append(k.events, e) }

// keptOnError drops what a filter emitted before it failed, unless it says that
// both shall happen: the parser filter with reserve_data passes the event on and
// sends it to @ERROR.
func keptOnError(kept event.Stream, before int, f plugin.Filter) event.Stream {
	if k, ok := f.(interface{ KeepsFailed() bool }); ok && k.KeepsFailed() {
		return kept
	}
	return kept[:before]
}

// find is the route of a tag, from the cache or by walking the rules.
func (p *Pipeline) find(tag string) *route {
	p.mu.RLock()
	r := p.routes[tag]
	p.mu.RUnlock()
	if r != nil {
		return r
	}
	r = p.walk(tag)
	if len(tag) > cachedTag {
		return r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.routes) >= cacheLimit {
		clear(p.routes)
	}
	p.routes[tag] = r
	return r
}

func (p *Pipeline) walk(tag string) *route {
	r := &route{}
	for _, rule := range p.rules {
		switch {
		case !rule.pattern.Match(tag):
		case rule.filter != nil:
			r.filters = append(r.filters, rule.filter)
		default:
			r.out = rule.out
			return r
		}
	}
	return r // filters run all the same, as in Fluentd: one may count or print
}

// misses counts emissions that nothing took. Fluentd warns about the 1st, 2nd,
// 4th, ... 512th and from there on about every 512th, over all tags of a label.
type misses struct {
	mu sync.Mutex
	n  uint64
}

func (m *misses) next() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	if m.n < 512 {
		return m.n&(m.n-1) == 0
	}
	return m.n%512 == 0
}
