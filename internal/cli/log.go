// Package cli is what the binaries share towards the person who runs them, and
// towards the service manager: log lines in the shape that people's scrapers
// know, the command line, errors that name the cure, the version, signals.
//
// All logging is log/slog. A [Handler] writes one line a record in one of three
// shapes: Fluentd's text line and a JSON object for the relay ([NewRelayLog]),
// upstream's line for the event handler ([NewHandlerLog]).
package cli

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// LevelTrace and LevelFatal are Fluentd's levels beyond slog's.
const (
	LevelTrace = slog.LevelDebug - 4
	LevelFatal = slog.LevelError + 4
)

// LevelName is Fluentd's word for a level: trace, debug, info, warn, error, fatal.
func LevelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	case l < LevelFatal:
		return "error"
	}
	return "fatal"
}

// RelayLog says how the relay logs.
type RelayLog struct {
	Level *slog.LevelVar // nil: info
	JSON  bool
	// Hook is told of each record that is logged, after it was written, so that it
	// can become a fluent.<level> event. The attributes are flat and hold those of
	// the logger, too. What the hook does must not log through this handler again
	// without an end.
	Hook func(slog.Record, []slog.Attr)
}

// NewRelayLog makes a handler of Fluentd's log lines:
//
//	2026-11-23 15:16:42 +0000 [info]: #0 [id] message key=value key="text"
//
// #0 is the worker, which is always the first; [id] is the attribute plugin_id,
// left out for plugins whose @id nobody wrote ("object:3f8"). Values are written
// as Ruby's inspect writes them. In JSON the line is an object with the keys
// time, level, message, worker_id and those of the attributes.
func NewRelayLog(w io.Writer, o RelayLog) *Handler {
	h := &Handler{out: &output{w: w}, level: slog.LevelInfo, hook: o.Hook}
	if o.Level != nil {
		h.level = o.Level
	}
	h.SetFormat(o.JSON, nil)
	return h
}

// NewHandlerLog makes a handler of the event handler's log lines, as upstream has
// them; its lines carry no time, which journald and container engines add:
//
//	INFO  Using batch size batch:20 handler/run.go:42
//
// In JSON the lines are those of slog's own handler.
func NewHandlerLog(w io.Writer, level slog.Level, json bool) slog.Handler {
	if json {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	h := &Handler{out: &output{w: w}, level: level}
	line := format(handlerLine)
	h.out.format.Store(&line)
	return h
}

// format appends one record without the line's end.
type format func(dst []byte, r slog.Record, attrs []slog.Attr) []byte

// output is what a handler shares with those derived from it; it keeps lines apart.
type output struct {
	format atomic.Pointer[format]

	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// Handler is a slog.Handler that writes one line a record.
type Handler struct {
	out    *output
	level  slog.Leveler
	hook   func(slog.Record, []slog.Attr)
	attrs  []slog.Attr // flat
	prefix string      // of a group: "group."
}

// SetFormat chooses JSON or text, and how times are written in either; nil is
// Fluentd's "2026-11-23 15:16:42 +0000". It holds for every handler derived from
// this one, at once: the relay logs before it has read <system><log>.
func (h *Handler) SetFormat(json bool, appendTime func(dst []byte, t time.Time) []byte) {
	if appendTime == nil {
		appendTime = func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, "2006-01-02 15:04:05 -0700") }
	}
	line := format(relayFormat{appendTime}.text)
	if json {
		line = relayFormat{appendTime}.json
	}
	h.out.format.Store(&line)
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs[:len(h.attrs):len(h.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.prefix, a)
		return true
	})
	err := h.out.write(r, attrs)
	if h.hook != nil {
		h.hook(r, attrs)
	}
	return err
}

// bigLine is the size beyond which a line's buffer is not kept for the next.
const bigLine = 64 << 10

func (o *output) write(r slog.Record, attrs []slog.Attr) error {
	line := *o.format.Load()
	o.mu.Lock()
	defer o.mu.Unlock()
	buf := append(line(o.buf[:0], r, attrs), '\n')
	if len(buf) <= bigLine {
		o.buf = buf
	}
	_, err := o.w.Write(buf)
	return err
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		c.attrs = flatten(c.attrs, h.prefix, a)
	}
	return &c
}

// WithGroup implements slog.Handler: lines are flat, so keys get the prefix "name.".
func (h *Handler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.prefix += name + "."
	}
	return &c
}

// flatten appends an attribute, or those of a group with its name before theirs.
func flatten(dst []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return dst
	}
	if a.Value.Kind() != slog.KindGroup {
		a.Key = prefix + a.Key
		return append(dst, a)
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, inner := range a.Value.Group() {
		dst = flatten(dst, prefix, inner)
	}
	return dst
}
