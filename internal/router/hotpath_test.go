package router_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/filter"
	"github.com/sluicelog/sluice/internal/formatter"
	"github.com/sluicelog/sluice/internal/match"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/output"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/parser"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/router"
)

// sink formats as the s3 output does and delivers nowhere.
type sink struct{ format plugin.Formatter }

func (s *sink) Params(*param.Set)                          {}
func (s *sink) Write(context.Context, *buffer.Chunk) error { return nil }
func (s *sink) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	return s.format.Format(dst, tag, e)
}

// hotPath is what lies between a request's body and the buffer's memory: parser,
// filter, router, formatter, batch.
type hotPath struct {
	parser   plugin.Parser
	pipeline *router.Pipeline
	events   event.Stream
	out      *output.Buffered
}

const publishedFilter = `
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    time ${time.utc.strftime("%Y-%m-%dT%H:%M:%SZ")}
  </record>
</filter>`

func newHotPath(t testing.TB, filterText string) *hotPath {
	t.Helper()
	root, err := conf.Parse("hot.conf", []byte(`
<parse>
  @type json
  time_type string
  time_format %iso8601
  keep_time_key true
</parse>
<match **>
  <buffer>
    @type memory
    total_limit_size 1g
  </buffer>
</match>`+filterText), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	env := plugin.Env{ID: "hot", Type: "sink", Log: slog.New(slog.DiscardHandler), Metrics: metrics.New(), Node: root.Children[1]}
	format := formatter.NewJSON(env)
	h := &hotPath{parser: parser.NewJSON(env), out: output.NewBuffered(env, &sink{format}, nil)}
	decode(t, root.Children[0], h.parser)
	decode(t, &conf.Node{Name: "format"}, format)
	decode(t, root.Children[1], h.out)
	if err := h.out.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.out.Close(context.Background()) })
	all, err := match.Compile("**")
	if err != nil {
		t.Fatal(err)
	}
	h.pipeline = router.New("@ROOT", router.Hooks{})
	for _, n := range root.Children[2:] {
		f := filter.NewRecordTransformer(env)
		decode(t, n, f)
		h.pipeline.AddFilter(all, f)
	}
	h.pipeline.AddMatch(all, h.out)
	return h
}

func decode(t testing.TB, n *conf.Node, p param.Declarer) {
	t.Helper()
	var problems conf.Problems
	param.DecodePlugin(n, n.Name, &problems, p)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
}

// plan does all but the commit: the buffer's part has benchmarks of its own.
func (h *hotPath) plan(body []byte) error {
	h.events = h.events[:0]
	if err := h.parser.Parse(body, func(e event.Event) error { h.events = append(h.events, e); return nil }); err != nil {
		return err
	}
	tx := plugin.Begin(context.Background())
	err := h.pipeline.Accept(tx, "test.log", h.events)
	tx.Abort(errStop)
	return err
}

var errStop = errors.New("planned only")

func bodyOf(fields, events int) []byte {
	var one strings.Builder
	one.WriteString(`{"ei":0`)
	for i := range fields {
		fmt.Fprintf(&one, `,"field%d":"value %d","flag%d":true`, i, i, i)
	}
	one.WriteString(`,"time":"2026-01-15T09:30:00.123Z","uid":"55dc09f3"}`)
	if events == 1 {
		return []byte(one.String())
	}
	return append(append([]byte{'['}, bytes.Repeat([]byte(one.String()+","), events-1)...), one.String()+"]"...)
}

// BenchmarkHotPath is the relay's own work on a request without HTTP and disk.
func BenchmarkHotPath(b *testing.B) {
	for _, c := range []struct {
		name, filter string
		events       int
	}{
		{"single/plain", "", 1},
		{"single/published", publishedFilter, 1},
		{"array100/plain", "", 100},
		{"array100/published", publishedFilter, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newHotPath(b, c.filter)
			body := bodyOf(10, c.events)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := h.plan(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
