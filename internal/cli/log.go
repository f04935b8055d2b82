// Package cli is what the binaries share towards the person who runs them: log
// lines in the shape that people's scrapers know, the command line, and signals
// to the service manager.
package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LevelTrace and LevelFatal are Fluentd's levels beyond slog's.
const (
	LevelTrace = slog.LevelDebug - 4
	LevelFatal = slog.LevelError + 4
)

// RelayLog says how the relay logs.
type RelayLog struct {
	Level *slog.LevelVar
	JSON  bool
	// Hook is told of each record, so that it can become a fluent.<level> event.
	Hook func(slog.Record, []slog.Attr)
}

// NewRelayLog makes a handler of Fluentd's log lines:
//
//	2026-11-23 15:16:42 +0000 [info]: #0 message key=value key="text"
//
// An attribute plugin_id becomes [id] before the text.
func NewRelayLog(w io.Writer, o RelayLog) slog.Handler {
	if o.JSON {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level})
	}
	return &lines{out: &output{w: w}, level: o.Level, hook: o.Hook, line: fluentdLine}
}

// NewHandlerLog makes a handler of the event handler's log lines:
//
//	INFO  Using batch size batch:20 handler/run.go:42
func NewHandlerLog(w io.Writer, level slog.Level, json bool) slog.Handler {
	if json {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	return &lines{out: &output{w: w}, level: level, line: handlerLine}
}

// output keeps lines apart.
type output struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// lines is a slog.Handler that writes one line a record.
type lines struct {
	out   *output
	level slog.Leveler
	hook  func(slog.Record, []slog.Attr)
	attrs []slog.Attr
	line  func(dst []byte, r slog.Record, attrs []slog.Attr) []byte
}

func (h *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

func (h *lines) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs[:len(attrs):len(attrs)], a)
		return true
	})
	h.out.mu.Lock()
	h.out.buf = append(h.line(h.out.buf[:0], r, attrs), '\n')
	_, err := h.out.w.Write(h.out.buf)
	h.out.mu.Unlock()
	if h.hook != nil {
		h.hook(r, attrs)
	}
	return err
}

func (h *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return &c
}

// WithGroup is not used here: Fluentd's lines are flat.
func (h *lines) WithGroup(string) slog.Handler { return h }

// LevelName is Fluentd's word for a level.
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

func fluentdLine(dst []byte, r slog.Record, attrs []slog.Attr) []byte {
	dst = r.Time.AppendFormat(dst, "2006-01-02 15:04:05 -0700")
	dst = append(append(append(dst, " ["...), LevelName(r.Level)...), "]: #0 "...)
	for _, a := range attrs {
		if id := a.Value.String(); a.Key == "plugin_id" && !strings.HasPrefix(id, "object:") {
			dst = append(append(append(dst, '['), id...), "] "...)
		}
	}
	dst = append(dst, r.Message...)
	for _, a := range attrs {
		if a.Key == "plugin_id" {
			continue
		}
		dst = append(append(append(dst, ' '), a.Key...), '=')
		dst = appendValue(dst, a.Value)
	}
	return dst
}

// appendValue writes numbers bare and text in quotes, as Ruby's inspect does.
func appendValue(dst []byte, v slog.Value) []byte {
	v = v.Resolve()
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindBool:
		return append(dst, v.String()...)
	case slog.KindTime:
		return v.Time().AppendFormat(dst, "2006-01-02 15:04:05.000000000 -0700")
	case slog.KindAny:
		if v.Any() == nil {
			return append(dst, "nil"...)
		}
	}
	return strconv.AppendQuote(dst, v.String())
}

func handlerLine(dst []byte, r slog.Record, attrs []slog.Attr) []byte {
	name := map[string]string{"trace": "TRAC", "debug": "DEBU", "info": "INFO", "warn": "WARN", "error": "ERRO", "fatal": "FATA"}[LevelName(r.Level)]
	dst = r.Time.UTC().AppendFormat(dst, time.RFC3339)
	dst = append(append(append(append(dst, ' '), name...), "  "...), r.Message...)
	for _, a := range attrs {
		dst = append(append(append(dst, ' '), a.Key...), ':')
		text := a.Value.Resolve().String()
		if t, ok := a.Value.Any().(time.Time); ok {
			text = t.UTC().Format("2006-01-02 15:04:05.999 -0700 MST")
		} else if strings.ContainsAny(text, " \t\n\"") || text == "" {
			text = strconv.Quote(text)
		}
		dst = append(dst, text...)
	}
	if r.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		dst = append(dst, ' ')
		dst = append(dst, shortFile(frame.File)...)
		dst = fmt.Appendf(dst, ":%d", frame.Line)
	}
	return dst
}

// shortFile is a file with the folder that holds it.
func shortFile(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		if j := strings.LastIndexByte(path[:i], '/'); j >= 0 {
			return path[j+1:]
		}
	}
	return path
}
