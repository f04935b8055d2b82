// Package compat replays cases that were recorded from a real Fluentd against
// the relay's binary, and compares what it answers, prints, writes and uploads.
//
// A case is one JSON file of testdata/compat: a configuration, steps to do one
// after the other, and what Fluentd did. What changes from run to run is
// replaced by marks (norm.go). The doubles of S3, of an HTTP endpoint and of a
// forward receiver live here too.
package compat

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Case is one recorded case.
type Case struct {
	ID           string            `json:"id"`
	Title        string            `json:"title"`
	Files        map[string]any    `json:"files"` // text, or {"b64": ...}
	Conf         string            `json:"conf"`
	Args         []string          `json:"args"`
	Env          map[string]string `json:"env"`
	Mode         string            `json:"mode"` // serve, or exit
	Ready        *[]string         `json:"ready"`
	Boot         float64           `json:"boot"`
	Settle       *float64          `json:"settle"`
	Timeout      float64           `json:"timeout"`
	NoStart      bool              `json:"no_start"`
	Steps        []map[string]any  `json:"steps"`
	S3           map[string]any    `json:"s3"`
	Sink         map[string]any    `json:"sink"`
	Fwd          map[string]any    `json:"fwd"`
	Norm         [][2]string       `json:"norm"`
	Unordered    bool              `json:"unordered"`
	Collect      []string          `json:"collect"`
	List         []string          `json:"list"`
	LogRE        string            `json:"log_re"`
	KeepInternal bool              `json:"keep_internal"`
	NoEvents     bool              `json:"no_events"`
	NotReady     any               `json:"expect_not_ready"`
	Expect       map[string]any    `json:"expect"`

	text string // the file itself
}

// Load reads the cases of a folder, sorted by file name.
func Load(dir string) ([]*Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var cases []*Case
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c := &Case{text: string(text)}
		if err := json.Unmarshal(text, c); err != nil {
			return nil, err
		}
		if c.Conf == "" {
			c.Conf = "fluent.conf"
		}
		cases = append(cases, c)
	}
	return cases, nil
}

var placeholder = regexp.MustCompile(`\{\{(\w+)\}\}`)

// fill replaces {{NAME}} by what the run has for it.
func fill(v any, vars map[string]string) any {
	switch v := v.(type) {
	case string:
		return fillText(v, vars)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = fill(x, vars)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = fill(x, vars)
		}
		return out
	}
	return v
}

func fillText(s string, vars map[string]string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		if value, ok := vars[m[2:len(m)-2]]; ok {
			return value
		}
		return m
	})
}

// content is the bytes of a file of the case.
func content(v any, vars map[string]string) ([]byte, error) {
	if m, ok := v.(map[string]any); ok {
		return base64.StdEncoding.DecodeString(str(m["b64"]))
	}
	return []byte(fillText(str(v), vars)), nil
}

// textOrB64 is how the corpus writes bytes down.
func textOrB64(b []byte) any {
	s := string(b)
	if strings.ToValidUTF8(s, "") == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		return s
	}
	return map[string]any{"b64": base64.StdEncoding.EncodeToString(b)}
}

func str(v any) string { s, _ := v.(string); return s }

func num(v any, def float64) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return def
}

func list(v any) []any { l, _ := v.([]any); return l }

func dict(v any) map[string]any { m, _ := v.(map[string]any); return m }
