package s3sink

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// inSmallParts lets an output send what is larger than 1,000 bytes in parts of as many.
func inSmallParts(o *output) *output {
	o.put.partsAbove, o.put.partSize, o.pack.spools.smallSize = 1000, 1000, 0
	return o
}

// largeChunk is one whose object has five parts.
func largeChunk(n int) *testChunk {
	c := newChunk(n)
	body := make([]byte, 4500)
	rand.New(rand.NewSource(int64(n))).Read(body)
	c.body = body
	return c
}

// uploads is the uploads in parts that the store has open.
func uploads(t *testing.T, o *output) (ids []string) {
	t.Helper()
	out, err := o.store.(*bucketStore).client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &o.bucket}) //nolint:forcetypeassert // Start makes it
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		ids = append(ids, *u.UploadId)
	}
	return ids
}

// TestParts: a large object is one object like any other; the first one is sent twice,
// as the store's proof, and the next is not.
func TestParts(t *testing.T) {
	for _, checksum := range []string{"", "checksum_algorithm SHA256", "compute_checksums false"} {
		s := startServer(t, s3test.Options{})
		o, log := startOutput(t, s, checksum)
		inSmallParts(o)
		a, b, small := largeChunk(1), largeChunk(2), newChunk(3)
		mustWrite(t, o, a)
		if got := s.Requests(http.MethodPut); got != 10 {
			t.Errorf("%d parts were sent, want 5 and 5 for the proof", got)
		}
		if !o.parts.proved() || o.proof.proved() || !log.has("honours If-None-Match") {
			t.Errorf("proved in parts %v, by PUT %v", o.parts.proved(), o.proof.proved())
		}
		mustWrite(t, o, b)
		mustWrite(t, o, small)
		if got := s.Requests(http.MethodPut); got != 17 || !o.proof.proved() {
			t.Errorf("%d PUTs, want 5 more, and 2 of the small object", got)
		}
		if err := onceEach(s, a, b, small); err != nil {
			t.Error(err)
		}
		if left := uploads(t, o); len(left) != 0 {
			t.Errorf("parts are left of %v", left)
		}
		if a.note["upload"] == "" || !a.conditional {
			t.Errorf("note %v, conditional %v", a.note, a.conditional)
		}
	}
}

// byMethod is a row of faults for the requests of one method.
func byMethod(method string, faults ...s3test.Fault) func(*http.Request) s3test.Fault {
	return func(r *http.Request) s3test.Fault {
		completes := method != http.MethodPost || r.URL.Query().Has("uploadId")
		if r.Method != method || !completes || len(faults) == 0 {
			return s3test.Fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// TestPartsOutcomes is what can become of the request that completes an upload, and of
// a part.
func TestPartsOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		faults []s3test.Fault
		first  int // PUTs for the object
	}{
		"answer lost":        {http.MethodPost, []s3test.Fault{{Drop: true, Stored: true}}, 5},
		"failed after done":  {http.MethodPost, []s3test.Fault{{Status: 500, Stored: true}}, 5},
		"failed before":      {http.MethodPost, []s3test.Fault{{Status: 503}}, 10},
		"conflict":           {http.MethodPost, []s3test.Fault{{Status: 409}}, 10},
		"a part fails":       {http.MethodPut, []s3test.Fault{{}, {}, {Status: 500}, {Drop: true}}, 7},
		"a part meets a 412": {http.MethodPut, []s3test.Fault{{}, {Status: 412}}, 7}, // not of the object
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, s3test.Options{})
			o, _ := startOutput(t, s, "")
			o.parts.assume()
			o.proof.assume()
			inSmallParts(o)
			s.SetScript(byMethod(tc.method, tc.faults...))
			c := largeChunk(1)
			for try := 0; o.write(t.Context(), c) != nil; try++ {
				if try == 3 {
					t.Fatal("never succeeds")
				}
			}
			if err := onceEach(s, c); err != nil {
				t.Error(err)
			}
			if got := s.Requests(http.MethodPut); got != tc.first {
				t.Errorf("%d PUTs, want %d", got, tc.first)
			}
			if left := uploads(t, o); len(left) != 0 {
				t.Errorf("parts are left of %v", left)
			}
			if got := keysOf(s); !slices.Equal(got, []string{"logs/2020091312_0.gz"}) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestPartsOfAStranger: who takes the key while the parts go is not overwritten.
func TestPartsOfAStranger(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, _ := startOutput(t, s, "")
	o.parts.assume()
	inSmallParts(o)
	s.SetScript(byMethod(http.MethodPost, s3test.Fault{Before: func() {
		_ = s.Put("b1", "logs/2020091312_0.gz", []byte("stranger"), nil)
	}}))
	c := largeChunk(1)
	mustWrite(t, o, c)
	if got, err := s.Read("b1", "logs/2020091312_0.gz"); string(got) != "stranger" || err != nil {
		t.Errorf("the stranger's object holds %d bytes, %v", len(got), err)
	}
	if err := onceEach(s, c); err != nil || len(keysOf(s)) != 2 {
		t.Error(err, keysOf(s))
	}
	if left := uploads(t, o); len(left) != 0 {
		t.Errorf("parts are left of %v", left)
	}
}

// TestPartsIgnored: a store that honours If-None-Match for a PUT and not for parts is
// found out, and looked at before each upload.
func TestPartsIgnored(t *testing.T) {
	s := startServer(t, s3test.Options{Script: func(r *http.Request) s3test.Fault {
		return s3test.Fault{IgnoreConditions: r.Method == http.MethodPost}
	}})
	o, log := startOutput(t, s, "")
	mustWrite(t, o, newChunk(1))
	inSmallParts(o)
	a, b := largeChunk(2), largeChunk(3)
	mustWrite(t, o, a)
	if !o.parts.refuted() || !o.proof.proved() || !log.has("does not honour If-None-Match") {
		t.Errorf("refuted in parts %v, proved by PUT %v", o.parts.refuted(), o.proof.proved())
	}
	// The index that comes next in memory belongs to somebody else by now.
	if err := s.Put("b1", "logs/2020091312_2.gz", []byte("stranger"), nil); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, o, b)
	if got, _ := s.Read("b1", "logs/2020091312_2.gz"); string(got) != "stranger" {
		t.Error("a stranger was overwritten")
	}
	if err := onceEach(s, a, b); err != nil {
		t.Error(err)
	}
	if a.conditional || b.conditional {
		t.Error("they count as conditional")
	}
}

// TestBrokenOffUpload: the next process takes away what a killed one has left, and does
// not go on with it.
func TestBrokenOffUpload(t *testing.T) {
	for name, tc := range map[string]struct {
		abort  s3test.Fault // what the next process is answered
		failed bool         // its first attempt
		left   int
	}{
		"removed":     {},
		"away":        {abort: s3test.Fault{Status: 500}, failed: true},
		"not allowed": {abort: s3test.Fault{Status: 403}, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, s3test.Options{})
			killed, _ := startOutput(t, s, "")
			inSmallParts(killed)
			ctx, kill := context.WithCancel(t.Context())
			parts := 0
			s.SetScript(func(r *http.Request) s3test.Fault {
				if r.Method == http.MethodPut {
					if parts++; parts == 3 {
						kill()
					}
				}
				return s3test.Fault{Drop: r.Method == http.MethodDelete} // it dies before it tidies up
			})
			c := largeChunk(1)
			if err := killed.write(ctx, c); err == nil {
				t.Fatal("no error")
			}
			if c.note["upload"] == "" || len(uploads(t, killed)) != 1 {
				t.Fatalf("note %v, open %v", c.note, uploads(t, killed))
			}
			next, log := startOutput(t, s, "")
			inSmallParts(next)
			s.SetScript(byMethod(http.MethodDelete, tc.abort))
			if err := next.write(t.Context(), c); (err != nil) != tc.failed {
				t.Fatalf("got %v", err)
			}
			if tc.failed {
				mustWrite(t, next, c)
			}
			if err := onceEach(s, c); err != nil {
				t.Error(err)
			}
			if left := uploads(t, next); len(left) != tc.left || log.has("s3:AbortMultipartUpload") != (tc.left > 0) {
				t.Errorf("parts are left of %v", left)
			}
		})
	}
}

// TestPartsNeedAFile: where no file can be had, the object goes by one PUT.
func TestPartsNeedAFile(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, _ := startOutput(t, s, "")
	inSmallParts(o)
	o.pack.spools.tempFile = func(string) (*os.File, error) { return nil, io.ErrShortWrite }
	c := largeChunk(1)
	mustWrite(t, o, c)
	if err := onceEach(s, c); err != nil || s.Requests(http.MethodPost) != 0 {
		t.Error(err, s.Requests(http.MethodPost))
	}
}

func TestSizeOfParts(t *testing.T) {
	for object, want := range map[int64]int64{1: partSize, 100 << 30: partSize, 1 << 40: (1<<40 + maxParts - 1) / maxParts} {
		if got := sizeOfParts(object, partSize); got != want || (object+got-1)/got > maxParts {
			t.Errorf("%s: got %d, want %d", fmt.Sprint(object), got, want)
		}
	}
}
