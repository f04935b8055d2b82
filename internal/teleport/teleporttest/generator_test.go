package teleporttest

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/sluicelog/sluice/internal/teleport"
)

func TestTemplates(t *testing.T) {
	all, err := parseTemplates(templateFiles)
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]bool{}
	for _, tm := range all {
		events[tm.event] = true
	}
	if len(events) < 30 {
		t.Errorf("%d kinds of events, want at least 30", len(events))
	}
}

// TestEventsAreWhatPantherNeeds: every audit event has event, code, time and
// uid, and agrees with what the RPC says about it.
func TestEventsAreWhatPantherNeeds(t *testing.T) {
	g := NewGenerator(GeneratorOptions{Seed: 3, Start: time.Date(2026, 1, 15, 9, 30, 0, 0, time.UTC)})
	uids, kinds, digits := map[string]bool{}, map[string]bool{}, map[int]bool{}
	last := time.Time{}
	for i := range 20_000 {
		e := g.Event(i)
		f := e.Unstructured.Fields
		at, err := time.Parse(time.RFC3339Nano, f["time"].GetStringValue())
		if err != nil || !at.Equal(e.Time.AsTime()) || !at.Equal(g.Time(i)) {
			t.Fatalf("event %d: time %q, RPC says %v: %v", i, f["time"].GetStringValue(), e.Time.AsTime(), err)
		}
		if at.Before(last) {
			t.Fatalf("event %d: time went back from %v to %v", i, last, at)
		}
		last = at
		digits[len(f["time"].GetStringValue())-len("2006-01-02T15:04:05Z")] = true
		if f["event"].GetStringValue() != e.Type || g.Type(i) != e.Type || f["code"].GetStringValue() == "" || f["cluster_name"].GetStringValue() == "" {
			t.Fatalf("event %d lacks a field: %v", i, f)
		}
		uid := f["uid"].GetStringValue()
		if uid != e.Id || len(uid) != 36 || uids[uid] {
			t.Fatalf("event %d: uid %q, id %q, seen %v", i, uid, e.Id, uids[uid])
		}
		uids[uid] = true
		kinds[e.Type] = true
	}
	if len(kinds) < 30 || len(digits) < 5 {
		t.Errorf("%d kinds of events and %d lengths of fractions are no variety", len(kinds), len(digits))
	}
}

func TestGeneratorIsDeterministic(t *testing.T) {
	o := GeneratorOptions{Seed: 9, Start: time.Unix(1_700_000_000, 0)}
	a, b := NewGenerator(o), NewGenerator(o)
	o.Seed++
	c := NewGenerator(o)
	same := 0
	for i := range 500 {
		if !proto.Equal(a.Event(i), b.Event(i)) {
			t.Fatalf("event %d differs between two generators of one seed", i)
		}
		if a.UID(i) == c.UID(i) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d uids are the same for another seed", same)
	}
	first, second := a.Recording(70), b.Recording(100)
	if len(first) != len(second) || !proto.Equal(first[2], second[2]) {
		t.Error("one session has two recordings")
	}
}

func TestRecording(t *testing.T) {
	g := NewGenerator(GeneratorOptions{Seed: 1})
	withoutUID, total := 0, 0
	for block := range 200 {
		all := g.Recording(block * 64)
		if len(all) < 5 || len(all) > 60 {
			t.Fatalf("block %d: %d events", block, len(all))
		}
		if all[0].Type != "session.start" || all[len(all)-1].Type != "session.end" || all[0].Id != g.UID(block*64) {
			t.Fatalf("block %d: begins with %s %s, ends with %s", block, all[0].Type, all[0].Id, all[len(all)-1].Type)
		}
		for k, e := range all {
			if e.Index != int64(k) || e.Id == "" || int(e.Unstructured.Fields["ei"].GetNumberValue()) != k {
				t.Fatalf("block %d, event %d: index %d, id %q", block, k, e.Index, e.Id)
			}
			total++
			if e.Unstructured.Fields["uid"] == nil {
				withoutUID++
			}
		}
		if sid := all[0].Unstructured.Fields["sid"].GetStringValue(); sid != g.Event(block*64 + 63).Unstructured.Fields["sid"].GetStringValue() {
			t.Fatalf("block %d: the upload names another session than %s", block, sid)
		}
	}
	if withoutUID < total/2 {
		t.Errorf("%d of %d events have no uid, want most", withoutUID, total)
	}
}

// TestPrinterOnGeneratedEvents holds our printer to protobuf's.
func TestPrinterOnGeneratedEvents(t *testing.T) {
	g := NewGenerator(GeneratorOptions{Seed: 5})
	for i := range 2000 {
		e := g.Event(i)
		slow, err := protojson.Marshal(e.Unstructured)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, slow); err != nil {
			t.Fatal(err)
		}
		if got := teleport.AppendJSON(nil, e.Unstructured); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("event %d:\n got %s\nwant %s", i, got, want.Bytes())
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	g := NewGenerator(GeneratorOptions{Seed: 1})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		g.Event(i)
		i++
	}
}

func BenchmarkEventJSON(b *testing.B) {
	g := NewGenerator(GeneratorOptions{Seed: 1})
	b.ReportAllocs()
	var buf []byte
	i := 0
	for b.Loop() {
		buf = teleport.AppendJSON(buf[:0], g.Event(i).Unstructured)
		i++
	}
}
