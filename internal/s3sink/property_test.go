package s3sink

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// world is a store with a row of faults to come, and the relays that write to it.
type world struct {
	mu    sync.Mutex
	puts  []int
	heads []int
	store string // honours, ignores, refuses
	s     *s3test.Server
}

var putFaults = []s3test.Fault{
	{},
	{Status: 500},
	{Status: 500, Stored: true},
	{Drop: true},
	{Drop: true, Stored: true},
	{Status: 403},
	{Status: 403, Stored: true},
	{Status: 409},
	{Status: 409, Stored: true},
	{Status: 503, Stored: true},
	{Status: 404},
	{Status: 400, Code: "ExpiredToken", Stored: true},
	{Status: 412, Stored: true}, // a proxy between us has sent it twice
}

// strangerFault is drawn beside putFaults: somebody takes the key just before.
var strangerFault = len(putFaults)

var headFaults = []s3test.Fault{{}, {}, {Status: 500}, {Drop: true}, {Status: 403}, {Status: 400}}

func (w *world) decide(r *http.Request) s3test.Fault {
	if strings.Count(r.URL.Path, "/") < 2 || strings.HasSuffix(r.URL.Path, "/") {
		return s3test.Fault{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	take := func(list *[]int) int {
		if len(*list) == 0 {
			return 0
		}
		n := (*list)[0]
		*list = (*list)[1:]
		return n
	}
	switch {
	case r.Method == http.MethodHead:
		return headFaults[take(&w.heads)]
	case r.Method == http.MethodPut, r.Method == http.MethodPost && r.URL.Query().Has("uploadId"):
		if w.store == "refuses" && r.Header.Get("If-None-Match") != "" {
			return s3test.Fault{Status: 501}
		}
		n := take(&w.puts)
		if n != strangerFault {
			f := putFaults[n]
			f.IgnoreConditions = w.store == "ignores"
			return f
		}
		if w.store != "honours" || !strings.HasSuffix(r.URL.Path, ".gz") {
			// Nothing helps against one who ignores, and nobody guesses a unique key.
			return s3test.Fault{IgnoreConditions: w.store == "ignores"}
		}
		key := strings.TrimPrefix(r.URL.Path, "/b1/")
		return s3test.Fault{Before: func() { w.stranger(key) }}
	}
	return s3test.Fault{}
}

// stranger puts an object, unless there is one.
func (w *world) stranger(key string) {
	if _, err := w.s.Read("b1", key); err != nil {
		_ = w.s.Put("b1", key, []byte("stranger"), nil)
	}
}

// TestOnceWhateverHappens sends a few chunks through random rows of faults,
// restarts and strangers, from two relays, by PUT or in parts, and finds each in the
// bucket once.
func TestOnceWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "s3sink-")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := &world{
			store: rapid.SampledFrom([]string{"honours", "honours", "ignores", "refuses"}).Draw(rt, "store"),
			puts:  rapid.SliceOfN(rapid.IntRange(0, strangerFault), 0, 24).Draw(rt, "puts"),
			heads: rapid.SliceOfN(rapid.IntRange(0, len(headFaults)-1), 0, 16).Draw(rt, "heads"),
		}
		if w.s, err = s3test.Start(dir, s3test.Options{Buckets: []string{"b1"}, Script: w.decide, NoSync: true}); err != nil {
			rt.Fatal(err)
		}
		defer w.s.Close()
		format := rapid.SampledFrom([]string{"", "s3_object_key_format ${chunk_id}_%{index}", "s3_object_key_format %{uuid_flush}\ncheck_object false"}).Draw(rt, "format")
		inParts := rapid.Bool().Draw(rt, "in parts")
		relays := 2
		if w.store != "honours" {
			relays = 1
		}
		outputs := make([]*output, relays)
		start := func() *output {
			o, _, err := decode(common(w.s.URL())+format+"\n"+hourly, 1)
			if err == nil {
				err = o.Start(context.Background())
			}
			if inParts {
				o.put.partsAbove, o.put.partSize, o.pack.spools.smallSize = 1, 16, 0
			}
			if err != nil {
				rt.Fatal(err)
			}
			return o
		}
		for i := range outputs {
			outputs[i] = start()
		}
		var chunks []*testChunk
		for i := range rapid.IntRange(1, 4).Draw(rt, "chunks") {
			c := newChunk(i)
			chunks = append(chunks, c)
			relay := i % relays
			for try := 0; ; try++ {
				if rapid.Bool().Draw(rt, "restart") && try < 3 {
					outputs[relay].Close(context.Background())
					outputs[relay] = start()
				}
				err := outputs[relay].write(context.Background(), c)
				if err == nil {
					break
				}
				if try == 60 {
					rt.Fatalf("never succeeds: %v", err)
				}
			}
		}
		if err := onceEach(w.s, chunks...); err != nil {
			rt.Fatal(err)
		}
		for _, o := range outputs {
			o.Close(context.Background())
		}
	})
}
