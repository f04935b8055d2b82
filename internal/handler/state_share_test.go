package handler

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
	"github.com/sluicelog/sluice/internal/state"
)

// A folder's state goes into a bucket and is the same there; its generation never
// goes back.
func TestStatePush(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	srv, err := s3test.Start(t.TempDir(), s3test.Options{Buckets: []string{"b"}, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	var o FolderOptions
	o.Storage, o.TeleportAddr = "s3://b/p?endpoint="+url.QueryEscape(srv.URL()), "auth.example.com:3025"
	const name = "auth.example.com_3025"
	write := func(root, generation string) {
		t.Helper()
		dir := filepath.Join(root, name)
		for file, text := range map[string]string{"start_time": "2026-01-01T00:00:00Z", "cursor": "c", generationName: generation, "sluice_source": "s"} {
			if err := state.MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := state.WriteFile(filepath.Join(dir, file), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	first := t.TempDir()
	write(first, "900")
	if err := (&StatePushCmd{FolderOptions: o, Folder: first}).Operate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	v, done, err := o.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if got, want := treeOf(t, v.dir), treeOf(t, filepath.Join(first, name)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	old := t.TempDir()
	write(old, "7")
	if err := (&StatePushCmd{FolderOptions: o, Folder: old}).Operate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(old, name, generationName)); string(text) != "900" {
		t.Errorf("generation %s, want that of the bucket", text)
	}
	o.Storage = first
	if err := (&StatePushCmd{FolderOptions: o, Folder: first}).Operate(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("push to a folder: %v", err)
	}
}
