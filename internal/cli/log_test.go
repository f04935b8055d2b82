package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 23, 15, 16, 42, 5_000_000, time.UTC)

// record makes a record of a known time and no place in the source.
func record(level slog.Level, text string, args ...any) slog.Record {
	r := slog.NewRecord(at, level, text, 0)
	r.Add(args...)
	return r
}

func TestRelayLines(t *testing.T) {
	plain := func(h slog.Handler) slog.Handler { return h }
	for _, tc := range []struct {
		name string
		with func(slog.Handler) slog.Handler
		r    slog.Record
		want string
	}{
		{
			"values", plain, record(slog.LevelWarn, "no patterns matched", "tag", "a", "n", 3, "f", 20.0, "ok", true, "nothing", nil),
			`2026-11-23 15:16:42 +0000 [warn]: #0 no patterns matched tag="a" n=3 f=20.0 ok=true nothing=nil`,
		},
		{
			"plugin", func(h slog.Handler) slog.Handler {
				return h.WithAttrs([]slog.Attr{slog.String("plugin_id", "s3_events")})
			},
			record(slog.LevelError, "x", "a", 1), `2026-11-23 15:16:42 +0000 [error]: #0 [s3_events] x a=1`,
		},
		{
			"plugin without @id", func(h slog.Handler) slog.Handler {
				return h.WithAttrs([]slog.Attr{slog.String("plugin_id", "object:3f8")})
			},
			record(slog.LevelInfo, "x"), `2026-11-23 15:16:42 +0000 [info]: #0 x`,
		},
		{"levels", plain, record(LevelTrace, "x"), `2026-11-23 15:16:42 +0000 [trace]: #0 x`},
		{"fatal", plain, record(LevelFatal, "x"), `2026-11-23 15:16:42 +0000 [fatal]: #0 x`},
		{"time", plain, record(slog.LevelInfo, "x", "next_retry_time", at.Truncate(time.Second)), `2026-11-23 15:16:42 +0000 [info]: #0 x next_retry_time=2026-11-23 15:16:42 +0000`},
		{
			"inspect", plain, record(slog.LevelInfo, "x", "error", errors.New("a\n\"b\"\\ \x1b #{c} # d é \xff"), "list", []string{"a", "b"}),
			`2026-11-23 15:16:42 +0000 [info]: #0 x error="a\n\"b\"\\ \e \#{c} # d é \xFF" list=["a", "b"]`,
		},
		{
			"no text passes for a line", plain, record(slog.LevelInfo, "a\n2026-11-23 15:16:42 +0000 [error]: #0 forged"),
			"2026-11-23 15:16:42 +0000 [info]: #0 a\n  2026-11-23 15:16:42 +0000 [error]: #0 forged",
		},
		{
			"group", func(h slog.Handler) slog.Handler {
				return h.WithGroup("g").WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("h")
			},
			record(slog.LevelInfo, "x", slog.Group("i", "b", 2), slog.Group("", "c", 3)), `2026-11-23 15:16:42 +0000 [info]: #0 x g.a=1 g.h.i.b=2 g.h.c=3`,
		},
	} {
		var out bytes.Buffer
		if err := tc.with(NewRelayLog(&out, RelayLog{})).Handle(t.Context(), tc.r); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != tc.want+"\n" {
			t.Errorf("%s:\n got %swant %s", tc.name, got, tc.want)
		}
	}
}

func TestRelayJSON(t *testing.T) {
	var out bytes.Buffer
	h := NewRelayLog(&out, RelayLog{JSON: true})
	r := record(slog.LevelWarn, "a <b>\n", "plugin_id", "s3", "n", 3, "error", errors.New("x"), "nan", func() float64 { var z float64; return z / z }(), "list", []string{"a"})
	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-11-23 15:16:42 +0000","level":"warn","message":"a <b>\n","worker_id":0,"plugin_id":"s3","n":3,"error":"x","nan":"NaN","list":["a"]}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if !json.Valid(out.Bytes()) {
		t.Error("that is no JSON")
	}
}

// <system><log> is read after loggers were made; the change reaches all of them.
func TestSetFormatReachesDerivedLoggers(t *testing.T) {
	var out bytes.Buffer
	h := NewRelayLog(&out, RelayLog{})
	derived := slog.New(h).With("a", 1)
	h.SetFormat(true, func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, "2006") })
	_ = derived.Handler().Handle(t.Context(), record(slog.LevelInfo, "x"))
	if got, want := out.String(), `{"time":"2026","level":"info","message":"x","worker_id":0,"a":1}`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestLevel(t *testing.T) {
	var level slog.LevelVar
	var out bytes.Buffer
	log := slog.New(NewRelayLog(&out, RelayLog{Level: &level}))
	log.Debug("no")
	level.Set(slog.LevelDebug)
	log.Debug("yes")
	if got := out.String(); strings.Contains(got, "no") || !strings.Contains(got, "[debug]: #0 yes") {
		t.Errorf("got %s", got)
	}
}

func TestHookSeesAllAttributes(t *testing.T) {
	type seen struct {
		text  string
		attrs []slog.Attr
	}
	var got []seen
	h := NewRelayLog(io.Discard, RelayLog{Hook: func(r slog.Record, attrs []slog.Attr) { got = append(got, seen{r.Message, attrs}) }})
	log := slog.New(h).With("plugin_id", "x")
	log.Info("one", "n", 1)
	log.Info("two", "n", 2)
	log.Debug("below the level")
	if len(got) != 2 || got[0].text != "one" || len(got[0].attrs) != 2 || got[0].attrs[0].Key != "plugin_id" || got[0].attrs[1].Value.Int64() != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestHandlerLine(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewHandlerLog(&out, slog.LevelDebug, false))
	log.Debug("Event sent", "id", "f19cf375", "index", 0, "ts", time.Date(2022, 9, 21, 18, 51, 4, 849_000_000, time.UTC), "type", "cert.create", "note", "two words", "none", "")
	want := regexp.MustCompile(`^DEBU  Event sent id:f19cf375 index:0 ts:2022-09-21 18:51:04\.849 \+0000 UTC type:cert\.create note:"two words" none:"" cli/log_test\.go:\d+\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("got %s", out.String())
	}
}

// Lines of several goroutines do not mix; -race watches the rest.
func TestLinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewRelayLog(&out, RelayLog{}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				log.With("a", 1).Info("text", "b", 2)
			}
		})
	}
	wg.Wait()
	for line := range strings.Lines(out.String()) {
		if !strings.HasSuffix(line, "[info]: #0 text a=1 b=2\n") {
			t.Fatalf("got %q", line)
		}
	}
}

func BenchmarkRelayLine(b *testing.B) {
	log := slog.New(NewRelayLog(io.Discard, RelayLog{})).With("plugin_id", "s3_events")
	b.ReportAllocs()
	for b.Loop() {
		log.Info("flushed", "chunk_id", "65f1a2b3c4d5e6f708192a3b4c5d6e7f", "bytes", 12345)
	}
}
