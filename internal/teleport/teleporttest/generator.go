package teleporttest

import (
	"encoding/hex"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// GeneratorOptions describe a stream of invented events.
type GeneratorOptions struct {
	Seed        uint64
	Start       time.Time     // of event 0; default one hour ago
	Step        time.Duration // between two events; default 1 ms
	UploadEvery int           // see Options; default 64
	Cluster     string        // default "teleport.example.com"
}

// Generator makes events out of the templates folder. Event i is a function of
// the options and i alone, so nobody has to keep events: a million of them
// weigh nothing until they are asked for. Its times never go back.
//
// Events come in blocks of UploadEvery. A block is one interactive session: its
// first event is the session's start, the last but one its end, the last the
// upload of its recording; those between share user and session where their
// template names one.
type Generator struct {
	o      GeneratorOptions
	all    []*template
	weight []uint16 // indexes of all, as often as each weighs
	start  *template
	end    *template
	upload *template
}

// NewGenerator reads the templates; they are part of the program and known to
// be right, which a test sees to.
func NewGenerator(o GeneratorOptions) *Generator {
	if o.Start.IsZero() {
		o.Start = time.Now().Add(-time.Hour)
	}
	o.Start = o.Start.UTC().Truncate(time.Second)
	if o.Step <= 0 {
		o.Step = time.Millisecond
	}
	if o.UploadEvery == 0 {
		o.UploadEvery = 64
	}
	if o.Cluster == "" {
		o.Cluster = "teleport.example.com"
	}
	g := &Generator{o: o, all: loadTemplates()}
	for i, t := range g.all {
		for range t.weight {
			g.weight = append(g.weight, uint16(i))
		}
		switch t.name {
		case "session.start.T2000I":
			g.start = t
		case "session.end.T2004I":
			g.end = t
		case "session.upload.T2005I":
			g.upload = t
		}
	}
	return g
}

// block is the number of events that share a session.
func (g *Generator) block() int {
	if g.o.UploadEvery < 4 {
		return 64
	}
	return g.o.UploadEvery
}

func (g *Generator) templateOf(i int) *template {
	at, size := i%g.block(), g.block()
	if g.o.UploadEvery >= 4 {
		switch at {
		case 0:
			return g.start
		case size - 2:
			return g.end
		case size - 1:
			return g.upload
		}
	}
	r := mix(g.o.Seed ^ mix(uint64(i)))
	return g.all[g.weight[r%uint64(len(g.weight))]]
}

// Type is event i's type.
func (g *Generator) Type(i int) string { return g.templateOf(i).event }

// UID is event i's uid, a random UUID by its looks.
func (g *Generator) UID(i int) string { return uuidOf(g.o.Seed, uint64(i)) }

// Time is when event i happened. Its precision varies: Go's RFC 3339 drops
// trailing zeros, so consumers see 0 to 9 digits of fraction.
func (g *Generator) Time(i int) time.Time {
	slot := time.Duration(i) * g.o.Step
	r := mix(g.o.Seed + 7*uint64(i) + 3)
	exact := slot + time.Duration(r%uint64(g.o.Step))
	for _, p := range precisions[r>>40%uint64(len(precisions)):] {
		// Never before its slot: then times could go back.
		if t := exact.Truncate(p); t >= slot {
			return g.o.Start.Add(t)
		}
	}
	return g.o.Start.Add(exact)
}

var precisions = []time.Duration{time.Second, 100 * time.Millisecond, time.Millisecond, time.Millisecond, time.Microsecond, time.Nanosecond}

// Before is how many events have a time that is surely before t.
func (g *Generator) Before(t time.Time) int {
	return max(0, int(t.Sub(g.o.Start)/g.o.Step))
}

// SessionID is the session of the block that event i belongs to.
func (g *Generator) SessionID(i int) string {
	return uuidOf(g.o.Seed^0x5e55, uint64(i/g.block()))
}

// Event makes event i as the Auth service hands it out.
func (g *Generator) Event(i int) *auditlogpb.EventUnstructured {
	t := g.templateOf(i)
	at := g.Time(i)
	d := &draw{g: g, i: i, at: at, rng: g.o.Seed ^ uint64(i)*0x9e3779b97f4a7c15}
	body := t.body(d).GetStructValue()
	uid := g.UID(i)
	body.Fields["uid"] = structpb.NewStringValue(uid)
	body.Fields["time"] = structpb.NewStringValue(at.Format(time.RFC3339Nano))
	body.Fields["cluster_name"] = structpb.NewStringValue(g.o.Cluster)
	index := int64(0)
	if ei, given := body.Fields["ei"]; given {
		index = int64(ei.GetNumberValue())
	} else {
		body.Fields["ei"] = structpb.NewNumberValue(0)
	}
	return &auditlogpb.EventUnstructured{Type: t.event, Id: uid, Time: timestamppb.New(at), Index: index, Unstructured: body}
}

// mix spreads the bits of x over 64 (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// uuidOf makes a version 4 UUID of two numbers.
func uuidOf(a, b uint64) string {
	hi, lo := mix(a^mix(b)), mix(mix(a+1)^b)
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[0:8], raw[0:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:36], raw[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
