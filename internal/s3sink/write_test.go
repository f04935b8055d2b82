package s3sink

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// script answers requests of a method with faults, one after the other; then
// nothing goes wrong any more.
func script(method string, faults ...s3test.Fault) func(*http.Request) s3test.Fault {
	return func(r *http.Request) s3test.Fault {
		if r.Method != method || len(faults) == 0 || strings.Count(r.URL.Path, "/") < 2 {
			return s3test.Fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

func TestOneObjectPerChunk(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, log := startOutput(t, s, "warn_for_delay 1d")
	a, b := newChunk(1), newChunk(2)
	mustWrite(t, o, a)
	if !o.proof.proved() {
		t.Error("the first object proved nothing")
	}
	heads := s.Requests(http.MethodHead)
	mustWrite(t, o, b)
	if got := s.Requests(http.MethodHead); got != heads {
		t.Errorf("%d HEADs for the second object of a slice, want none", got-heads)
	}
	if got, want := keysOf(s), []string{"logs/2020091312_0.gz", "logs/2020091312_1.gz"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := onceEach(s, a, b); err != nil {
		t.Error(err)
	}
	if !a.conditional || a.noteWrites != 1 {
		t.Errorf("conditional %v, %d notes", a.conditional, a.noteWrites)
	}
	for _, want := range []string{
		"DEBUG out_s3: write chunk " + a.ID().String() + ` with metadata #<struct Fluent::Plugin::Buffer::Metadata timekey=1599998400, tag="a.b", variables=nil, seq=0> to s3://b1/logs/2020091312_0.gz`,
		"WARN out_s3: delayed events were put to s3://b1/logs/2020091312_0.gz",
	} {
		if !log.has(want) {
			t.Errorf("no line %q", want)
		}
	}
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		lines string
		want  map[string]string
	}{
		"gzip": {"", map[string]string{"Content-Type": "application/x-gzip", "X-Amz-Storage-Class": "STANDARD", "Content-Encoding": "", "If-None-Match": "*"}},
		"text": {"store_as text", map[string]string{"Content-Type": "text/plain", "Content-Encoding": ""}},
		"metadata": {
			`s3_metadata {"a":"b","T":"${tag}","i":"%{index}","ts":"%Y%m"}`,
			map[string]string{"X-Amz-Meta-A": "b", "X-Amz-Meta-T": "a.b", "X-Amz-Meta-I": "0", "X-Amz-Meta-Ts": "202009", "X-Amz-Meta-Sluice-Chunk": newChunk(1).ID().String()},
		},
		"grants":   {`grant_full_control id="x"` + "\n" + `grant_read id="y"`, map[string]string{"X-Amz-Grant-Full-Control": `id="x"`, "X-Amz-Grant-Read": `id="y"`}},
		"kms":      {"use_server_side_encryption aws:kms\nssekms_key_id arn:x", map[string]string{"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "arn:x"}},
		"class":    {"storage_class STANDARD_IA", map[string]string{"X-Amz-Storage-Class": "STANDARD_IA"}},
		"reduced":  {"reduced_redundancy true", map[string]string{"X-Amz-Storage-Class": "REDUCED_REDUNDANCY"}},
		"tagging":  {"tagging k=v&k2=v%202", map[string]string{"X-Amz-Tagging": "k=v&k2=v%202"}},
		"acl":      {"acl bucket-owner-full-control", map[string]string{"X-Amz-Acl": "bucket-owner-full-control"}},
		"checksum": {"checksum_algorithm CRC32\nstore_as text", map[string]string{"X-Amz-Checksum-Crc32": "hb4Rkw==", "Content-Md5": "", "X-Amz-Trailer": ""}},
		"md5":      {"store_as text", map[string]string{"Content-Md5": "mnYL2NGfXzMHY0jYO+V/Zg==", "X-Amz-Checksum-Crc32": "", "X-Amz-Sdk-Checksum-Algorithm": ""}},
		"no md5":   {"compute_checksums false", map[string]string{"Content-Md5": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var seen http.Header
			s := startServer(t, s3test.Options{Script: func(r *http.Request) s3test.Fault {
				if r.Method == http.MethodPut && seen == nil {
					seen = r.Header.Clone()
				}
				return s3test.Fault{}
			}})
			o, _ := startOutput(t, s, c.lines)
			mustWrite(t, o, newChunk(1))
			for name, want := range c.want {
				if got := seen.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestNoteFirst looks into the chunk at the moment when the first byte arrives.
func TestNoteFirst(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, _ := startOutput(t, s, "")
	c := newChunk(1)
	s.SetScript(func(r *http.Request) s3test.Fault {
		note, ok := c.Note()
		if p, good := parsePlan(note); r.Method == http.MethodPut && (!ok || !good || "/b1/"+p.key != r.URL.Path || p.metadata[chunkMetadata] != c.ID().String()) {
			t.Errorf("%s %s came when the chunk held %v", r.Method, r.URL.Path, note)
		}
		return s3test.Fault{}
	})
	mustWrite(t, o, c)

	c = newChunk(2)
	c.noteError = errors.New("disk is gone")
	puts := s.Requests(http.MethodPut)
	if err := o.write(t.Context(), c); !errors.Is(err, c.noteError) {
		t.Errorf("got %v", err)
	}
	if s.Requests(http.MethodPut) != puts {
		t.Error("something was sent without a note")
	}
	c.noteError = nil
	mustWrite(t, o, c)
	if keys := keysOf(s); !slices.Contains(keys, "logs/2020091312_1.gz") {
		t.Errorf("the index of the failed attempt was lost: %v", keys)
	}
}

// TestOutcomes is the table of buffer.md, "Exactly-once-ish S3": what goes wrong
// with the PUT of one chunk, on a store whose conditions are proved, and what is
// in the bucket in the end.
func TestOutcomes(t *testing.T) {
	const id = http.StatusInternalServerError
	stored := s3test.Fault{Status: id, Stored: true}
	drop := s3test.Fault{Drop: true, Stored: true}
	for name, c := range map[string]struct {
		faults []s3test.Fault
		writes int // calls of Write that are needed
		key    string
	}{
		"busy for a moment":          {[]s3test.Fault{{Status: 503}}, 1, "logs/2020091312_1.gz"},
		"busy for long":              {[]s3test.Fault{{Status: 503}, {Status: 503}, {Status: 503}, {Status: 503}, {Status: 503}}, 2, "logs/2020091312_1.gz"},
		"stored, answered 500":       {[]s3test.Fault{stored}, 1, "logs/2020091312_1.gz"},
		"stored, answer lost":        {[]s3test.Fault{drop}, 1, "logs/2020091312_1.gz"},
		"lost on the way":            {[]s3test.Fault{{Drop: true}}, 1, "logs/2020091312_1.gz"},
		"stored, answered 403":       {[]s3test.Fault{{Status: 403, Stored: true}}, 2, "logs/2020091312_1.gz"},
		"forbidden":                  {[]s3test.Fault{{Status: 403}, {Status: 403}, {Status: 403}}, 4, "logs/2020091312_1.gz"},
		"another request under way":  {[]s3test.Fault{{Status: 409}, {Status: 409}}, 1, "logs/2020091312_1.gz"},
		"stored, then 409, then 412": {[]s3test.Fault{{Status: 409, Stored: true}}, 1, "logs/2020091312_1.gz"},
		"no bucket":                  {[]s3test.Fault{{Status: 404}}, 2, "logs/2020091312_1.gz"},
		"expired":                    {[]s3test.Fault{{Status: 400, Code: "ExpiredToken"}}, 2, "logs/2020091312_1.gz"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, s3test.Options{})
			o, _ := startOutput(t, s, "")
			mustWrite(t, o, newChunk(0)) // proves
			s.SetScript(script(http.MethodPut, c.faults...))
			chunk := newChunk(1)
			writes := 1
			for ; o.write(t.Context(), chunk) != nil; writes++ {
				if writes == 10 {
					t.Fatal("never succeeds")
				}
			}
			if writes != c.writes || chunk.noteWrites != 1 {
				t.Errorf("%d writes, want %d; %d notes", writes, c.writes, chunk.noteWrites)
			}
			if err := onceEach(s, chunk); err != nil {
				t.Error(err)
			}
			if !slices.Contains(keysOf(s), c.key) {
				t.Errorf("got %v, want %s", keysOf(s), c.key)
			}
		})
	}
}

// TestRestart continues in a new process, whose configuration has changed, what an
// old one began.
func TestRestart(t *testing.T) {
	s := startServer(t, s3test.Options{})
	old, _ := startOutput(t, s, "")
	s.SetScript(script(http.MethodPut, s3test.Fault{Status: 403, Stored: true}))
	c := newChunk(1)
	if err := old.write(t.Context(), c); err == nil {
		t.Fatal("no error")
	}
	now, _ := startOutput(t, s, "store_as text\ns3_object_key_format new/%{index}")
	mustWrite(t, now, c)
	if err := onceEach(s, c); err != nil {
		t.Error(err)
	}
	if got := keysOf(s); !slices.Equal(got, []string{"logs/2020091312_0.gz"}) {
		t.Errorf("got %v", got)
	}
}

// TestOtherBucket drops a plan for a place that the user has turned away from.
func TestOtherBucket(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, log := startOutput(t, s, "")
	c := newChunk(1)
	c.note = (&plan{endpoint: s.URL(), bucket: "old", key: "k", storeAs: "gzip", level: 5, metadata: map[string]string{}}).note()
	mustWrite(t, o, c)
	if err := onceEach(s, c); err != nil || !log.has("was on its way to another bucket") {
		t.Error(err, log.lines)
	}
}

// TestStranger meets objects of somebody else, at several moments.
func TestStranger(t *testing.T) {
	stranger := func(s *s3test.Server, key string) func() {
		return func() { _ = s.Put("b1", key, []byte("stranger"), nil) }
	}
	const first, second, third = "logs/2020091312_0.gz", "logs/2020091312_1.gz", "logs/2020091312_2.gz"
	for name, c := range map[string]struct {
		prove bool // the store's conditions are proved before
		setup func(s *s3test.Server)
		want  string
	}{
		"there before": {false, func(s *s3test.Server) { stranger(s, first)() }, second},
		"between HEAD and PUT": {true, func(s *s3test.Server) {
			s.SetScript(script(http.MethodPut, s3test.Fault{Before: stranger(s, second)}))
		}, third},
		"between HEAD and PUT, unproved": {false, func(s *s3test.Server) {
			s.SetScript(script(http.MethodPut, s3test.Fault{Before: stranger(s, first)}))
		}, second},
		"after an attempt that stored nothing": {true, func(s *s3test.Server) {
			s.SetScript(script(http.MethodPut, s3test.Fault{Status: 500}, s3test.Fault{Before: stranger(s, second)}))
		}, third},
		"after a lost attempt, unproved": {false, func(s *s3test.Server) {
			s.SetScript(script(http.MethodPut, s3test.Fault{Drop: true, Before: stranger(s, first)}))
		}, second},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, s3test.Options{})
			o, _ := startOutput(t, s, "")
			if c.prove {
				mustWrite(t, o, newChunk(0))
			}
			c.setup(s)
			chunk := newChunk(1)
			mustWrite(t, o, chunk)
			if err := onceEach(s, chunk); err != nil {
				t.Error(err)
			}
			if note, _ := chunk.Note(); note["key"] != c.want {
				t.Errorf("got %s, want %s", note["key"], c.want)
			}
			for _, obj := range s.Objects("b1") {
				if b, _ := s.Read("b1", obj.Key); obj.ChunkID() == "" && string(b) != "stranger" {
					t.Errorf("%s was overwritten", obj.Key)
				}
			}
		})
	}
}

// TestHeadDenied is a bucket that may be written and not read.
func TestHeadDenied(t *testing.T) {
	deny := func(next func(*http.Request) s3test.Fault) func(*http.Request) s3test.Fault {
		return func(r *http.Request) s3test.Fault {
			if r.Method == http.MethodHead {
				return s3test.Fault{Status: 403}
			}
			return next(r)
		}
	}
	t.Run("the key tells", func(t *testing.T) {
		s := startServer(t, s3test.Options{})
		o, _ := startOutput(t, s, "s3_object_key_format %{path}${chunk_id}.gz")
		mustWrite(t, o, newChunk(0))
		s.SetScript(deny(script(http.MethodPut, s3test.Fault{Status: 403, Stored: true})))
		c := newChunk(1)
		if o.write(t.Context(), c) == nil {
			t.Fatal("no error")
		}
		mustWrite(t, o, c)
		if err := onceEach(s, c); err != nil || !c.conditional {
			t.Errorf("%v, conditional %v", err, c.conditional)
		}
	})
	t.Run("nothing tells", func(t *testing.T) {
		s := startServer(t, s3test.Options{})
		o, _ := startOutput(t, s, "")
		mustWrite(t, o, newChunk(0))
		s.SetScript(deny(script(http.MethodPut, s3test.Fault{Status: 403, Stored: true})))
		c := newChunk(1)
		if o.write(t.Context(), c) == nil {
			t.Fatal("no error")
		}
		err := o.write(t.Context(), c)
		if err == nil || plugin.IsPermanent(err) || !strings.Contains(err.Error(), "s3:GetObject") || o.Ready() == nil {
			t.Errorf("got %v, ready %v", err, o.Ready())
		}
		s.SetScript(nil) // somebody allows it
		mustWrite(t, o, c)
		if err := errors.Join(onceEach(s, c), o.Ready()); err != nil {
			t.Error(err)
		}
	})
	t.Run("never allowed, a stranger is there", func(t *testing.T) {
		s := startServer(t, s3test.Options{})
		if err := s.Put("b1", "logs/2020091312_0.gz", []byte("stranger"), nil); err != nil {
			t.Fatal(err)
		}
		o, _ := startOutput(t, s, "")
		o.proof.assume()
		s.SetScript(deny(script(http.MethodPut)))
		c := newChunk(1)
		mustWrite(t, o, c)
		if err := onceEach(s, c); err != nil || c.conditional {
			t.Errorf("%v, conditional %v", err, c.conditional)
		}
	})
	t.Run("unproved, no better than Fluentd", func(t *testing.T) {
		s := startServer(t, s3test.Options{})
		o, _ := startOutput(t, s, "")
		s.SetScript(deny(script(http.MethodPut)))
		if err := o.write(t.Context(), newChunk(1)); err == nil || s.Requests(http.MethodPut) != 0 {
			t.Errorf("got %v", err)
		}
		s.SetScript(nil)
		c := newChunk(2)
		mustWrite(t, o, c)
		if got := keysOf(s); !slices.Equal(got, []string{"logs/2020091312_0.gz"}) {
			t.Errorf("the failed attempt used up an index: %v", got)
		}
	})
}

// TestNoConditions is a store that does not know If-None-Match: silently, or by
// refusing the header.
func TestNoConditions(t *testing.T) {
	for name, f := range map[string]s3test.Fault{
		"ignored": {IgnoreConditions: true},
		"refused": {Status: 501},
		"invalid": {Status: 400, Code: "InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			var lost *testChunk
			drop := false
			s := startServer(t, s3test.Options{Script: func(r *http.Request) s3test.Fault {
				if r.Method != http.MethodPut {
					return s3test.Fault{}
				}
				if r.Header.Get("If-None-Match") != "" {
					return f
				}
				if drop {
					drop = false
					return s3test.Fault{Drop: true, Stored: true}
				}
				return s3test.Fault{}
			}})
			o, log := startOutput(t, s, "")
			first := newChunk(1)
			mustWrite(t, o, first)
			if !o.proof.refuted() || !log.has("does not honour If-None-Match") || first.conditional {
				t.Errorf("refuted %v, conditional %v", o.proof.refuted(), first.conditional)
			}
			// The next object loses its answer: a HEAD must find it.
			drop, lost = true, newChunk(2)
			puts := s.Requests(http.MethodPut)
			mustWrite(t, o, lost)
			if got := s.Requests(http.MethodPut) - puts; got != 1 {
				t.Errorf("%d PUTs, want 1", got)
			}
			// A stranger comes to the next index before us.
			if err := s.Put("b1", "logs/2020091312_2.gz", []byte("stranger"), nil); err != nil {
				t.Fatal(err)
			}
			third := newChunk(3)
			mustWrite(t, o, third)
			if err := onceEach(s, first, lost, third); err != nil {
				t.Error(err)
			}
			if b, _ := s.Read("b1", "logs/2020091312_2.gz"); string(b) != "stranger" {
				t.Error("the stranger's object was overwritten")
			}
		})
	}
}

func TestKeyWithoutIndex(t *testing.T) {
	const key = "logs/2020091312.gz"
	s := startServer(t, s3test.Options{})
	lines := "s3_object_key_format %{path}%{time_slice}.%{file_extension}"
	o, _ := startOutput(t, s, lines)
	a, b := newChunk(1), newChunk(2)
	mustWrite(t, o, a)
	for range 2 {
		err := o.write(t.Context(), b)
		if want := "duplicated path is generated. use %{index} in s3_object_key_format: path = " + key; err == nil || err.Error() != want || plugin.IsPermanent(err) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := onceEach(s, a); err != nil {
		t.Error(err)
	}
	over, log := startOutput(t, s, lines+"\noverwrite true")
	mustWrite(t, over, b)
	if err := onceEach(s, b); err != nil || !log.has(key+" already exists, but will overwrite") {
		t.Error(err)
	}
}

// TestUnchecked is check_object false: no HEAD, and an object that is there is
// overwritten only where the configuration says that keys repeat.
func TestUnchecked(t *testing.T) {
	s := startServer(t, s3test.Options{})
	heads := s.Requests(http.MethodHead)
	o, _ := startOutput(t, s, "check_object false\ncheck_bucket false\ns3_object_key_format latest")
	a, b := newChunk(1), newChunk(2)
	mustWrite(t, o, a)
	mustWrite(t, o, b)
	if err := onceEach(s, b); err != nil || len(keysOf(s)) != 1 || s.Requests(http.MethodHead) != heads {
		t.Error(err, keysOf(s))
	}
	if a.conditional {
		t.Error("an overwriting PUT counts as conditional")
	}
	// Two chunks in one second: the key has only the time of day.
	timed, _ := startOutput(t, s, "check_object false")
	now := time.Unix(slice, 0)
	timed.clock = clock{func() time.Time { return now }, func(_ context.Context, d time.Duration) error {
		now = now.Add(d)
		return nil
	}}
	c, d := newChunk(3), newChunk(4)
	mustWrite(t, timed, c)
	mustWrite(t, timed, d)
	if err := onceEach(s, c, d); err != nil || now != time.Unix(slice+1, 0) {
		t.Error(err, now)
	}
}

func TestNeverSucceeds(t *testing.T) {
	s := startServer(t, s3test.Options{})
	long := "s3_object_key_format " + strings.Repeat("x", 1025)
	o, _ := startOutput(t, s, long)
	if err := o.write(t.Context(), newChunk(1)); !plugin.IsPermanent(err) {
		t.Errorf("key of 1025 bytes: %v", err)
	}
	o, _ = startOutput(t, s, `s3_metadata {"a":"`+strings.Repeat("x", 2001)+`"}`)
	if err := o.write(t.Context(), newChunk(1)); !plugin.IsPermanent(err) {
		t.Errorf("2 KB of metadata: %v", err)
	}
	o, _ = startOutput(t, s, "sse_customer_algorithm AES256\nsse_customer_key 01234567890123456789012345678901")
	if err := o.write(t.Context(), newChunk(1)); !plugin.IsPermanent(err) || !strings.Contains(err.Error(), "Attempting to send customer-provided-keys for S3") {
		t.Errorf("SSE-C over HTTP: %v", err)
	}
	o, _ = startOutput(t, s, "")
	mustWrite(t, o, newChunk(0))
	s.SetScript(script(http.MethodPut, s3test.Fault{Status: 400, Code: "InvalidStorageClass"}))
	err := o.write(t.Context(), newChunk(1))
	if !plugin.IsPermanent(err) || !strings.HasPrefix(err.Error(), "put s3://b1/logs/2020091312_1.gz: InvalidStorageClass (HTTP 400") {
		t.Errorf("400: %v", err)
	}
}

// A HEAD or an abort that is refused says nothing about the object: with expired
// credentials Amazon answers a HEAD with a bare 400.
func TestRefusedLookIsRetried(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, _ := startOutput(t, s, "")
	mustWrite(t, o, newChunk(0))
	puts := script(http.MethodPut, s3test.Fault{Stored: true, Drop: true})
	heads := script(http.MethodHead, s3test.Fault{Status: 400})
	s.SetScript(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodHead {
			return heads(r)
		}
		return puts(r)
	})
	c := newChunk(1)
	if err := o.write(t.Context(), c); err == nil || plugin.IsPermanent(err) {
		t.Fatalf("HEAD answered 400: %v, want an error that is retried", err)
	}
	mustWrite(t, o, c)
	if err := onceEach(s, c); err != nil {
		t.Error(err)
	}
}

// TestThreads writes from many flush threads into one slice.
func TestThreads(t *testing.T) {
	s := startServer(t, s3test.Options{Faults: s3test.Faults{FailBefore: 5, FailAfter: 7, DropAfter: 9}})
	o, _ := startOutput(t, s, "")
	var chunks []*testChunk
	var wg sync.WaitGroup
	for i := range 24 {
		c := newChunk(i)
		chunks = append(chunks, c)
		wg.Go(func() {
			for o.write(context.Background(), c) != nil {
			}
		})
	}
	wg.Wait()
	if err := onceEach(s, chunks...); err != nil || len(keysOf(s)) != len(chunks) {
		t.Error(err, keysOf(s))
	}
}

// TestCancelled stops in the middle; the chunk is finished later, once.
func TestCancelled(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, _ := startOutput(t, s, "")
	ctx, cancel := context.WithCancel(t.Context())
	s.SetScript(script(http.MethodPut, s3test.Fault{Before: cancel, Stored: true, Drop: true}))
	c := newChunk(1)
	if err := o.write(ctx, c); err == nil {
		t.Fatal("no error")
	}
	mustWrite(t, o, c)
	if err := onceEach(s, c); err != nil {
		t.Error(err)
	}
}
