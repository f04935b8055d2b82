// Package internal_test holds the shape of the tree: which package may import
// which, and how long a file may be. docs/architecture.md tells why.
package internal_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluicelog/sluice/"

// floors is the height of each package. A package imports only from below its
// own floor; siblings never import each other.
var floors = map[string]int{
	"event": 0, "conf": 0, "strftime": 0, "onig": 0, "state": 0, "metrics": 0, "pki": 0, "cli": 0,
	"param": 1, "match": 1, "ruby": 1, "placeholder": 1, "eventtime": 1, "forward": 1, "teleport": 1,
	"tlsconf": 2, "awsconf": 2, "buffer": 2,
	"plugin": 3, "status": 3, "s3state": 3,
	"ingest": 4, "parser": 4, "formatter": 4, "filter": 4, "output": 4, "s3sink": 4, "admin": 4, "handler": 4,
	"router":   5,
	"relay":    6,
	"relayctl": 7, "compat": 7, "bench": 7, "torture": 7,
}

// only lists what the lower packages may import of ours; those of floor 0 import
// nothing, those above floor 2 whatever is below them.
var only = map[string][]string{
	"param":       {"conf", "event", "onig"},
	"match":       {"onig"},
	"ruby":        {"event", "strftime", "onig"},
	"placeholder": {"event", "strftime"},
	"eventtime":   {"event", "strftime"},
	"forward":     {"event"},
	"teleport":    {"pki"},
	"tlsconf":     {"param", "metrics", "pki"},
	"awsconf":     {"param", "metrics"},
	"s3state":     {"awsconf"},
	"buffer":      {"event", "param", "metrics", "state"},
	"handler":     {"teleport", "state", "tlsconf", "event", "param", "metrics", "cli", "pki", "awsconf", "forward", "s3state"},
}

// foreign says which packages alone may import a foreign module.
var foreign = map[string][]string{
	"github.com/aws/aws-sdk-go-v2":       {"awsconf", "s3sink", "s3state"},
	"github.com/alecthomas/kong":         {"handler"}, // its reflection keeps every method in a binary
	"github.com/go-chi/chi":              {"ingest", "admin"},
	"github.com/gravitational/teleport/": {"teleport"},
	"google.golang.org/grpc":             {"teleport"},
}

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestFloors(t *testing.T) {
	for _, p := range listPackages(t) {
		name, ok := roomOf(p.ImportPath)
		if !ok {
			continue
		}
		floor, known := floors[name]
		if !known {
			t.Errorf("package %s stands on no floor: add it to the table", name)
			continue
		}
		for _, imp := range p.Imports {
			checkImport(t, name, floor, imp)
		}
	}
}

// roomOf is "buffer" for .../internal/buffer and for .../internal/buffer/crashfs.
// Packages that only support tests (their name ends in test or fs) are free.
func roomOf(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, module+"internal/")
	if !ok {
		return "", false
	}
	room, sub, nested := strings.Cut(rest, "/")
	if nested && (strings.HasSuffix(sub, "test") || strings.HasSuffix(sub, "crashfs")) {
		return "", false
	}
	return room, true
}

func checkImport(t *testing.T, name string, floor int, imp string) {
	t.Helper()
	for prefix, allowed := range foreign {
		if strings.HasPrefix(imp, prefix) && !slices.Contains(allowed, name) {
			t.Errorf("%s imports %s; only %v may", name, imp, allowed)
		}
	}
	rest, ours := strings.CutPrefix(imp, module+"internal/")
	if !ours {
		return
	}
	other, _, _ := strings.Cut(rest, "/")
	switch list, restricted := only[name]; {
	case other == name:
	case restricted && !slices.Contains(list, other):
		t.Errorf("%s imports %s; it may import only %v", name, other, list)
	case floors[other] >= floor:
		t.Errorf("%s (floor %d) imports %s (floor %d): imports go down", name, floor, other, floors[other])
	}
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read the package list: %v", err)
		}
		all = append(all, p)
	}
}

// TestFileSizes holds production files to 600 lines; 400 is already a reason to
// split one.
func TestFileSizes(t *testing.T) {
	for _, dir := range []string{".", "../cmd"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			if n := countLines(t, path); n > 600 {
				t.Errorf("%s has %d lines; split it", path, n)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func countLines(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n
}
