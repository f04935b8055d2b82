package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// relayFormat writes the relay's lines.
type relayFormat struct {
	appendTime func(dst []byte, t time.Time) []byte
}

func (f relayFormat) text(dst []byte, r slog.Record, attrs []slog.Attr) []byte {
	dst = f.appendTime(dst, r.Time)
	dst = append(append(append(dst, " ["...), LevelName(r.Level)...), "]: #0 "...)
	for _, a := range attrs {
		if id := a.Value.String(); a.Key == "plugin_id" && !strings.HasPrefix(id, "object:") {
			dst = append(append(append(dst, '['), id...), "] "...)
		}
	}
	return appendLineText(dst, r, attrs)
}

// LineText is what a line says behind its level: the message and the attributes.
func LineText(r slog.Record, attrs []slog.Attr) string {
	return string(appendLineText(nil, r, attrs))
}

func appendLineText(dst []byte, r slog.Record, attrs []slog.Attr) []byte {
	dst = append(dst, continued(r.Message)...)
	for _, a := range attrs {
		if a.Key == "plugin_id" {
			continue
		}
		dst = append(append(append(dst, ' '), a.Key...), '=')
		dst = appendInspect(dst, a.Value)
	}
	return dst
}

// continued begins lines after the first with two spaces, so that no text can pass
// for a line. Only the end of a dumped configuration stands at the margin, where
// Fluentd has it.
func continued(text string) string {
	const end = "\n</ROOT>"
	rest, dump := strings.CutSuffix(text, end)
	rest = strings.ReplaceAll(strings.ReplaceAll(rest, "\n", "\n  "), "\n    ", "\n  ")
	if dump {
		rest += end
	}
	return rest
}

func (f relayFormat) json(dst []byte, r slog.Record, attrs []slog.Attr) []byte {
	dst = append(dst, `{"time":`...)
	dst = appendJSONText(dst, string(f.appendTime(nil, r.Time)))
	dst = append(append(append(dst, `,"level":"`...), LevelName(r.Level)...), `","message":`...)
	dst = appendJSONText(dst, r.Message)
	dst = append(dst, `,"worker_id":0`...)
	for _, a := range attrs {
		dst = append(appendJSONText(append(dst, ','), a.Key), ':')
		dst = appendJSON(dst, a.Value)
	}
	return append(dst, '}')
}

func appendJSON(dst []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		return append(dst, v.String()...)
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsInf(f, 0) && !math.IsNaN(f) {
			return append(dst, v.String()...)
		}
	case slog.KindTime:
		return appendJSONText(dst, v.Time().Format(time.RFC3339Nano))
	case slog.KindAny:
		switch x := v.Any().(type) {
		case nil:
			return append(dst, "null"...)
		case error, fmt.Stringer: // their text, below
		default:
			if text, err := json.Marshal(x); err == nil {
				return append(dst, text...)
			}
		}
	}
	return appendJSONText(dst, v.String())
}

// appendJSONText writes text as JSON, bytes that are no UTF-8 as U+FFFD.
func appendJSONText(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // text always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

var handlerLevels = map[string]string{
	"trace": "TRAC", "debug": "DEBU", "info": "INFO", "warn": "WARN", "error": "ERRO", "fatal": "FATA",
}

// handlerLine is upstream's: level, message, key:value, place in the source.
// Times stand unquoted, as "2022-09-21 18:51:04.849 +0000 UTC".
func handlerLine(dst []byte, r slog.Record, attrs []slog.Attr) []byte {
	dst = append(append(append(dst, handlerLevels[LevelName(r.Level)]...), "  "...), strings.ReplaceAll(r.Message, "\n", "\n  ")...)
	for _, a := range attrs {
		dst = append(append(append(dst, ' '), a.Key...), ':')
		text := a.Value.String()
		switch {
		case a.Value.Kind() == slog.KindTime:
			dst = append(dst, a.Value.Time().UTC().Format("2006-01-02 15:04:05.999999999 -0700 MST")...)
		case text == "" || strings.ContainsFunc(text, needsQuotes):
			dst = strconv.AppendQuote(dst, text)
		default:
			dst = append(dst, text...)
		}
	}
	if r.PC == 0 {
		return dst
	}
	frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	return fmt.Appendf(dst, " %s:%d", shortFile(frame.File), frame.Line)
}

func needsQuotes(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f || r == utf8.RuneError }

// shortFile is a file with the folder that holds it.
func shortFile(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		if j := strings.LastIndexByte(path[:i], '/'); j >= 0 {
			return path[j+1:]
		}
	}
	return path
}
