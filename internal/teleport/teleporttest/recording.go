package teleporttest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sluicelog/sluice/internal/teleport"
)

// Recording makes the recording of the session whose block event i belongs to:
// 5 to 60 events. The first and the last are the session's audit events once
// more, with the same uid, as in Teleport; most between have neither uid nor
// code.
func (g *Generator) Recording(i int) []*auditlogpb.EventUnstructured {
	first := i / g.block() * g.block()
	d := &draw{g: g, i: first, at: g.Time(first), rng: mix(g.o.Seed ^ uint64(first) ^ 0x4ec)}
	n := 5 + d.below(56)
	all := make([]*auditlogpb.EventUnstructured, 0, n)
	all = append(all, reindex(g.Event(first), 0))
	offset, elapsed := 0, 0
	for k := 1; k < n-1; k++ {
		elapsed += 10 + d.below(900)
		d.at = g.Time(first).Add(time.Duration(elapsed) * time.Millisecond)
		body := g.keystrokes(d, k, elapsed, &offset)
		all = append(all, sessionEvent(body, k, d.at))
	}
	return append(all, reindex(g.Event(first+g.block()-2), n-1))
}

// keystrokes is the body of one event in the middle: mostly terminal output,
// sometimes a resize or a command.
func (g *Generator) keystrokes(d *draw, k, elapsed int, offset *int) map[string]*structpb.Value {
	body := map[string]*structpb.Value{
		"cluster_name": structpb.NewStringValue(g.o.Cluster),
		"time":         structpb.NewStringValue(d.at.Format(time.RFC3339Nano)),
		"ei":           structpb.NewNumberValue(float64(k)),
	}
	put := func(key string, v any) { body[key], _ = structpb.NewValue(v) }
	switch r := d.below(20); {
	case r == 0:
		put("event", "resize")
		put("code", "T2002I")
		put("uid", uuidOf(d.next(), d.rng))
		put("sid", g.SessionID(d.i))
		put("user", userAt(d.session()))
		put("size", "120:40")
	case r < 3:
		put("event", "session.command")
		put("code", "T4000I")
		put("uid", uuidOf(d.next(), d.rng))
		put("sid", g.SessionID(d.i))
		put("user", userAt(d.session()))
		put("program", at(programs, d.next()))
		put("argv", []any{at(commands, d.next())})
		put("return_code", 0)
	default:
		text := at(commands, d.next()) + "\r\n" + prose(d, 20+d.below(200)) + "\x1b[0m$ "
		put("event", "print")
		put("data", base64.StdEncoding.EncodeToString([]byte(text)))
		put("bytes", len(text))
		put("ms", elapsed)
		put("offset", *offset)
		put("ci", k-1)
		*offset += len(text)
	}
	return body
}

// reindex gives an audit event its place in the recording.
func reindex(e *auditlogpb.EventUnstructured, k int) *auditlogpb.EventUnstructured {
	e.Index = int64(k)
	e.Unstructured.Fields["ei"] = structpb.NewNumberValue(float64(k))
	return e
}

func sessionEvent(body map[string]*structpb.Value, k int, when time.Time) *auditlogpb.EventUnstructured {
	e := &auditlogpb.EventUnstructured{
		Type:         body["event"].GetStringValue(),
		Id:           body["uid"].GetStringValue(),
		Index:        int64(k),
		Time:         timestamppb.New(when),
		Unstructured: &structpb.Struct{Fields: body},
	}
	if e.Id == "" {
		e.Id = hashOf(e.Unstructured)
	}
	return e
}

// hashOf is the id that Teleport gives to an event without a uid.
func hashOf(body *structpb.Struct) string {
	sum := sha256.Sum256(teleport.AppendJSON(nil, body))
	return hex.EncodeToString(sum[:])
}
