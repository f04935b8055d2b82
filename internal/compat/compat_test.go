package compat

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// only chooses cases; without it all of them run.
var only = flag.String("compat.only", "/", "only cases whose id contains this; / is all")

const corpus = "../../testdata/compat"

// atOnce is how many cases run at the same time: they mostly wait.
const atOnce = "12"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestCompat replays every recorded case against a relay that is built for it.
// Cases named in deliberate.json may differ; each of them is explained in
// docs/differences.md.
func TestCompat(t *testing.T) {
	cases, err := Load(filepath.Join(corpus, "cases"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("load cases: %v (%d found)", err, len(cases))
	}
	relay := build(t)
	certs, err := filepath.Abs(filepath.Join(corpus, "certs"))
	if err != nil {
		t.Fatal(err)
	}
	own := names(t, "deliberate.json")
	for _, c := range cases {
		if !strings.Contains(c.ID, *only) {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			res, err := Replay(c, relay, t.TempDir(), certs)
			if err != nil {
				t.Fatal(err)
			}
			diffs := Compare(c, res)
			switch {
			case len(diffs) == 0:
			case own[c.ID] != "":
				t.Logf("differs on purpose: %s", own[c.ID])
			default:
				t.Errorf("%s\n   %s\n--- output\n%s", c.Title, strings.Join(diffs, "\n   "), tail(res.Output))
			}
		})
	}
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "relay")
	cmd := exec.Command("go", "build", "-o", path, "../../cmd/relay")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build relay: %v\n%s", err, out)
	}
	return path
}

// names reads a list of case ids with the reason for each.
func names(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, file))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return list
}

func tail(s string) string {
	if len(s) > 3000 {
		return "…" + s[len(s)-3000:]
	}
	return s
}
