package handler

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// malformed are events as no cluster should have them.
func malformed(at time.Time) []*auditlogpb.EventUnstructured {
	number := func(n float64) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(n)}}
	}
	text := func(key, value string) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{key: structpb.NewStringValue(value)}}
	}
	deep := structpb.NewStringValue("x")
	for range 500 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	all := []*auditlogpb.EventUnstructured{
		{},
		{Id: "no body", Type: "user.login"},
		{Type: "no.id", Unstructured: text("x", "y")},
		{Id: "no type", Unstructured: text("x", "y")},
		{Id: "not a number", Type: "t", Unstructured: number(math.NaN())},
		{Id: "infinite", Type: "t", Unstructured: number(math.Inf(-1))},
		{Id: "null value", Type: "t", Unstructured: &structpb.Struct{Fields: map[string]*structpb.Value{"x": nil, "y": {}}}},
		{Id: "success is a text", Type: "user.login", Unstructured: text("success", "false")},
		{Id: "upload of nothing", Type: "session.upload", Unstructured: text("sid", "")},
		{Id: "upload of a path", Type: "session.upload", Unstructured: text("sid", "../../etc/passwd")},
		{Id: strings.Repeat("long id ", 10_000), Type: "t", Unstructured: text("x", "y")},
		{Id: "deep", Type: "t", Unstructured: &structpb.Struct{Fields: map[string]*structpb.Value{"x": deep}}},
		{Id: "large", Type: "t", Unstructured: text("x", strings.Repeat("y", 6<<20))},
		{Id: "negative index", Index: -5, Type: "t", Unstructured: text("x", "y")},
	}
	for i, e := range all {
		e.Time = timestamppb.New(at.Add(time.Duration(i) * time.Millisecond))
	}
	return all
}

// TestMalformedEventsAreHandedOn as JSON, and what stands around them too.
func TestMalformedEventsAreHandedOn(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: mode, Step: time.Second, ChunkSize: 50})
			srv.Generate(100)
			bad := malformed(begin.Add(30 * time.Second))
			srv.AppendRaw(bad...)
			cfg := testConfig(t.TempDir(), c)
			src := openTest(t, cfg)
			var mu sync.Mutex
			n := 0
			err := src.Run(t.Context(), func(_ context.Context, r *Read) error {
				mu.Lock()
				defer mu.Unlock()
				n++
				if !json.Valid(r.Body) || r.Body[0] != '{' || r.ID == "" {
					t.Errorf("event %.40q: id %.40q, body %.80q", r.Type, r.ID, r.Body)
				}
				src.Ack(r)
				return nil
			})
			if err := errors.Join(err, src.Close()); err != nil {
				t.Fatal(err)
			}
			if want := 100 + len(bad); n != want {
				t.Errorf("%d events, want %d", n, want)
			}
			if again := readAll(t, cfg); len(again) > 0 {
				t.Errorf("again: %.60q", again)
			}
		})
	}
}

// TestEventWithoutTimeIsNotTooOld.
func TestEventWithoutTimeIsNotTooOld(t *testing.T) {
	cfg := testConfig(t.TempDir(), nil)
	if cfg.leaveOut(teleport.Event{Type: "t"}) {
		t.Error("an event without a time is left out")
	}
	if !cfg.leaveOut(teleport.Event{Type: "t", Time: cfg.start.Add(-time.Second)}) {
		t.Error("an event before the start time is sent")
	}
}
