package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Compare lists the differences between what Fluentd did and what happened. Log
// lines are not compared: their words are Fluentd's own, Ruby's class names
// among them.
func Compare(c *Case, res *Result) []string {
	var diffs []string
	openTLS := !namesVersion(c)
	for i, st := range c.Steps {
		if info, _ := st["info"].(bool); info {
			continue
		}
		want, got := comparable(st["expect"]), map[string]any{}
		if i < len(res.Steps) {
			got = comparable(res.Steps[i])
		}
		if openTLS {
			delete(want, "tls")
			delete(got, "tls")
		}
		if !same(want, got) {
			diffs = append(diffs, fmt.Sprintf("step %d (%s %s)\n     want %s\n     got  %s", i, st["do"], str(st["path"]), jsonText(want), jsonText(got)))
		}
	}
	want, got := strip(c.Expect), strip(res.Expect)
	delete(want, "log")
	delete(got, "log")
	for _, k := range slices.Sorted(maps.Keys(union(want, got))) {
		if !same(want[k], got[k]) {
			diffs = append(diffs, fmt.Sprintf("%s\n     want %s\n     got  %s", k, jsonText(want[k]), jsonText(got[k])))
		}
	}
	if expected := c.NotReady != nil && c.NotReady != false; expected != res.NotReady {
		diffs = append(diffs, fmt.Sprintf("not ready: want %v, got %v", expected, res.NotReady))
	}
	return diffs
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// strip drops what is recorded to be read only.
func strip(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if !strings.HasPrefix(k, "info_") {
			out[k] = stripAny(v)
		}
	}
	return out
}

func stripAny(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return strip(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = stripAny(x)
		}
		return out
	}
	return v
}

// comparable gives an answer's headers an order, and leaves out Date and Server.
func comparable(v any) map[string]any {
	m := strip(dict(v))
	headers, ok := m["headers"].([]any)
	if !ok {
		return m
	}
	kept := []any{}
	for _, h := range headers {
		pair := list(h)
		if name := strings.ToLower(str(pair[0])); name != "date" && name != "server" {
			kept = append(kept, []any{name, pair[1]})
		}
	}
	slices.SortFunc(kept, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
	m["headers"] = kept
	return m
}

var versionLine = regexp.MustCompile(`(?m)^\s*(version|min_version|max_version)\s+\S`)

// namesVersion reports whether the configuration chooses a TLS version; without
// one Fluentd speaks 1.2 only and the relay 1.3 too.
func namesVersion(c *Case) bool {
	for _, f := range c.Files {
		if versionLine.MatchString(str(f)) {
			return true
		}
	}
	return false
}

func jsonText(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
