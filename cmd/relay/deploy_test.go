package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/sluicelog/sluice/internal/relayctl"
)

const deploy = "../../deploy"

// The configuration of the manifests is one that a strict check finds nothing in.
func TestDeployedConfiguration(t *testing.T) {
	var said bytes.Buffer
	c := relayctl.Check{
		Files: []string{deploy + "/kubernetes/fluent.conf"}, Handler: []string{deploy + "/kubernetes/handler.toml"},
		Strict: true, Options: quietOptions(),
	}
	if code := c.Run(&said); code != 0 || !strings.Contains(said.String(), ": ok") {
		t.Errorf("code %d: %s", code, said.String())
	}
}

// What `handler configure` writes is nothing that check calls an error.
func TestConfiguredConfigurations(t *testing.T) {
	files, err := filepath.Glob("../../internal/handler/testdata/configure/*-fluent.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	var said bytes.Buffer
	c := relayctl.Check{Files: files, Options: quietOptions()}
	if code := c.Run(&said); code != 0 {
		t.Errorf("code %d: %s", code, said.String())
	}
}

// documents reads every YAML document below a folder.
func documents(t *testing.T, dir string) map[string][]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	all := map[string][]map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var doc map[string]any
			err := d.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all[filepath.Base(file)] = append(all[filepath.Base(file)], doc)
		}
	}
	return all
}

// at follows names and numbers into a document.
func at(t *testing.T, doc any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			doc = doc.(map[string]any)[step] //nolint:forcetypeassert // a test
		case int:
			doc = doc.([]any)[step] //nolint:forcetypeassert // a test
		}
	}
	if doc == nil {
		t.Fatalf("there is no %v", path)
	}
	return doc
}

// Each StatefulSet asks the probes of the program, keeps its state on a volume, and
// mounts every volume that it names.
func TestStatefulSets(t *testing.T) {
	all := documents(t, deploy+"/kubernetes")
	for file, want := range map[string]struct{ volume, port string }{
		"relay.yaml":   {"/var/lib/relay", "24220"},
		"handler.yaml": {"/var/lib/handler", "8081"},
	} {
		found := false
		for _, doc := range all[file] {
			if doc["kind"] != "StatefulSet" {
				continue
			}
			found = true
			container := at(t, doc, "spec", "template", "spec", "containers", 0)
			if got := at(t, container, "livenessProbe", "httpGet", "path"); got != "/healthz" {
				t.Errorf("%s: liveness asks %v", file, got)
			}
			if got := at(t, container, "readinessProbe", "httpGet", "path"); got != "/readyz" {
				t.Errorf("%s: readiness asks %v", file, got)
			}
			if got := at(t, doc, "spec", "template", "metadata", "annotations", "prometheus.io/port"); got != want.port {
				t.Errorf("%s: metrics at %v", file, got)
			}
			mounts := map[any]any{}
			for _, m := range at(t, container, "volumeMounts").([]any) { //nolint:forcetypeassert // a test
				mounts[at(t, m, "name")] = at(t, m, "mountPath")
			}
			claim := at(t, doc, "spec", "volumeClaimTemplates", 0, "metadata", "name")
			if mounts[claim] != want.volume {
				t.Errorf("%s: the volume %v is at %v", file, claim, mounts[claim])
			}
			for _, v := range at(t, doc, "spec", "template", "spec", "volumes").([]any) { //nolint:forcetypeassert // a test
				if name := at(t, v, "name"); mounts[name] == nil {
					t.Errorf("%s: volume %v is not mounted", file, name)
				}
			}
		}
		if !found {
			t.Errorf("%s holds no StatefulSet", file)
		}
	}
}

var (
	metricName  = regexp.MustCompile(`\b(?:relay|handler|fluentd)_[a-z0-9_]+\b`)
	metricParts = regexp.MustCompile(`_(?:bucket|sum|count)$`)
)

// Dashboard and rules ask for metrics that are there.
func TestMonitoredMetrics(t *testing.T) {
	source := sourceText(t)
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(deploy, "monitoring", file))
		must(t, err)
		names := metricName.FindAllString(string(text), -1)
		if len(names) < 20 {
			t.Errorf("%s: only %d names found", file, len(names))
		}
		for _, name := range names {
			if !strings.Contains(source, `"`+name+`"`) && !strings.Contains(source, `"`+metricParts.ReplaceAllString(name, "")+`"`) {
				t.Errorf("%s asks for %s, which nothing counts", file, name)
			}
		}
	}
}

// sourceText is every Go file below internal but tests.
func sourceText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("../../internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	must(t, err)
	return all.String()
}

// The dashboard is one that Grafana can read: ids are not doubled, nothing overlaps.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "monitoring", "dashboard.json"))
	must(t, err)
	var dashboard struct {
		UID    string
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(text, &dashboard))
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || (p.Type != "row") != (len(p.Targets) > 0) {
			t.Errorf("panel %d %q is doubled or empty", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if dashboard.UID == "" || len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}
