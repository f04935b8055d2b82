package s3test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func start(t *testing.T, dir string, o Options) *Server {
	t.Helper()
	if o.Buckets == nil {
		o.Buckets = []string{"b1"}
	}
	s, err := Start(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ask sends a request and returns status and body.
func ask(t *testing.T, s *Server, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), answer.Header
}

// TestFiles: what is put is a plain file, and is there again, with its metadata,
// after a restart; so is what a person has put there.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	var told atomic.Int32
	s := start(t, dir, Options{Stored: func(o Object) {
		if o.ChunkID() == "c1" {
			told.Add(1)
		}
	}})
	keys := []string{"logs/2020091312_0.gz", "a//b", "../../x", "p%q", "é x+y", "dir", "dir/below", strings.Repeat("n", 300), "end/"}
	for i, key := range keys {
		status, body, _ := ask(t, s, http.MethodPut, "/b1/"+escape(key), fmt.Sprint("body ", i), "X-Amz-Meta-Sluice-Chunk", "c1", "Content-Type", "application/x-gzip")
		if status != 200 {
			t.Fatalf("%s: %d %s", key, status, body)
		}
	}
	if int(told.Load()) != len(keys) {
		t.Errorf("told of %d objects", told.Load())
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b1", "logs", "2020091312_0.gz")); err != nil || string(b) != "body 0" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "x")); err == nil {
		t.Error("a key has left the folder")
	}
	s.Close()
	if err := os.WriteFile(filepath.Join(dir, "b1", "by-hand"), []byte("hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, Options{})
	for i, key := range keys {
		status, body, header := ask(t, s, http.MethodGet, "/b1/"+escape(key), "")
		if status != 200 || body != fmt.Sprint("body ", i) || header.Get("X-Amz-Meta-Sluice-Chunk") != "c1" || header.Get("Content-Type") != "application/x-gzip" {
			t.Errorf("%s: %d %q %v", key, status, body, header)
		}
	}
	var found []string
	for _, o := range s.Objects("b1") {
		found = append(found, o.Key)
	}
	want := append(slices.Clone(keys), "by-hand")
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
	if err := os.Remove(filepath.Join(dir, "b1", "by-hand")); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(t, s, http.MethodHead, "/b1/by-hand", ""); status != 404 {
		t.Errorf("a deleted file is still there: %d", status)
	}
}

func escape(key string) string {
	return strings.NewReplacer("%", "%25", " ", "%20", "+", "%2B", "é", "%C3%A9", "..", "%2E%2E").Replace(key)
}

// TestOneWins: of many that say If-None-Match: * at the same time one is taken.
func TestOneWins(t *testing.T) {
	s := start(t, t.TempDir(), Options{})
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			switch status, _, _ := ask(t, s, http.MethodPut, "/b1/k", fmt.Sprint(i), "If-None-Match", "*"); status {
			case 200:
				won.Add(1)
			case 412:
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were taken", won.Load())
	}
}

// TestCrash opens the folders that a crash in the middle of a PUT leaves: the
// object is as it was, or as it is.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, Options{})
	ask(t, s, http.MethodPut, "/b1/k", "old!", "X-Amz-Meta-V", "old")
	s.Close()
	f, err := openFolder(dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The new sidecar is written, the body of the same length waits in a hidden file.
	next := &sidecar{Bucket: "b1", Key: "k", Size: 4, MD5: "22af645d1859cb5ca6da0c484f1f37ea", Metadata: map[string]string{"X-Amz-Meta-V": "new"}, File: "b1/k"}
	if err := f.writeSidecar(next); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, hidden, "put-123")
	if err := os.WriteFile(temp, []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(f.sidecarPath(next))
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, Options{})
	if _, body, header := ask(t, s, http.MethodGet, "/b1/k", ""); body != "old!" || header.Get("X-Amz-Meta-V") != "old" {
		t.Errorf("before the rename: %q %s", body, header.Get("X-Amz-Meta-V"))
	}
	s.Close()
	if _, err := os.Stat(temp); err == nil {
		t.Error("the hidden body is left")
	}
	// The rename is done, the old sidecar is not removed yet.
	if err := os.WriteFile(f.sidecarPath(next), saved, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b1", "k"), []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next.MD5, _, err = sumOf(filepath.Join(dir, "b1", "k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.writeSidecar(next); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, Options{})
	if _, body, header := ask(t, s, http.MethodGet, "/b1/k", ""); body != "new\n" || header.Get("X-Amz-Meta-V") != "new" {
		t.Errorf("after the rename: %q %s", body, header.Get("X-Amz-Meta-V"))
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		faults Faults
		status int // of the second PUT; 0 is no answer
		stored bool
	}{
		"before":  {Faults{FailBefore: 2}, 500, false},
		"after":   {Faults{FailAfter: 2}, 500, true},
		"dropped": {Faults{DropAfter: 2}, 0, true},
		"down":    {Faults{Down: true}, 0, false},
		"reject":  {Faults{Reject: 403}, 403, false},
		"none":    {Faults{}, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, t.TempDir(), Options{Faults: c.faults})
			ask(t, s, http.MethodPut, "/b1/first", "x")
			status, body, _ := ask(t, s, http.MethodPut, "/b1/second", "x")
			if status != c.status {
				t.Errorf("got %d %s, want %d", status, body, c.status)
			}
			if _, err := s.Read("b1", "second"); (err == nil) != c.stored {
				t.Errorf("stored: %v", err)
			}
			s.SetFaults(Faults{})
			if status, _, _ := ask(t, s, http.MethodPut, "/b1/third", "x"); status != 200 {
				t.Errorf("afterwards: %d", status)
			}
		})
	}
	s := start(t, t.TempDir(), Options{Faults: Faults{IgnoreConditions: true}})
	ask(t, s, http.MethodPut, "/b1/k", "a", "If-None-Match", "*")
	if status, _, _ := ask(t, s, http.MethodPut, "/b1/k", "b", "If-None-Match", "*"); status != 200 {
		t.Errorf("conditions are not ignored: %d", status)
	}
}

var listed = regexp.MustCompile(`<Key>(.*)</Key>|<CommonPrefixes>\s*<Prefix>(.*)</Prefix>`)

func TestList(t *testing.T) {
	s := start(t, t.TempDir(), Options{})
	for _, key := range []string{"a/1", "a/2", "b/1", "c"} {
		ask(t, s, http.MethodPut, "/b1/"+key, key)
	}
	for query, want := range map[string][]string{
		"list-type=2":                          {"a/1", "a/2", "b/1", "c"},
		"list-type=2&prefix=a/":                {"a/1", "a/2"},
		"list-type=2&max-keys=1&prefix=a/":     {"a/1"},
		"list-type=2&delimiter=/":              {"a/", "b/", "c"},
		"list-type=2&start-after=a/2&prefix=":  {"b/1", "c"},
		"list-type=2&max-keys=3&start-after=a": {"a/1", "a/2", "b/1"},
	} {
		_, body, _ := ask(t, s, http.MethodGet, "/b1?"+query, "")
		var got []string
		for _, m := range listed.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1]+m[2])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q in %s", query, got, want, body)
		}
	}
}

// TestShortBody refuses a body whose length lies.
func TestShortBody(t *testing.T) {
	dir := t.TempDir()
	f, err := openFolder(dir, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CreateBucket("b1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PutObject("b1", "k", nil, bytes.NewReader(make([]byte, 10)), 11, nil); err == nil {
		t.Error("a body that was cut off is taken")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, hidden, "put-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
