package handler

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// TOML answers kong's questions from a configuration file, by upstream's rules:
// a flag's name is looked for as nested tables (every - a dot), else as it
// stands; names that begin with fluentd- live under [forward.fluentd]. What the
// file says beats the environment, and is beaten by the command line.
type TOML struct {
	path string
	root map[string]any
	used map[string]bool
}

// LoadTOML reads a configuration file.
func LoadTOML(path string) (*TOML, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &TOML{path: path, used: map[string]bool{}}
	if _, err := toml.Decode(string(text), &f.root); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// Validate is part of kong's interface.
func (f *TOML) Validate(*kong.Application) error { return nil }

// Resolve finds the value of a flag, nil when the file has none.
func (f *TOML) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, key := f.find(flag.Name)
	if v == nil {
		return nil, nil
	}
	f.used[key] = true
	return f.convert(flag, key, v)
}

func (f *TOML) find(name string) (any, string) {
	if rest, ok := strings.CutPrefix(name, "fluentd-"); ok {
		name = "forward.fluentd." + rest
	}
	for _, key := range []string{strings.ReplaceAll(name, "-", "."), name} {
		if v := lookUp(f.root, strings.Split(key, ".")); v != nil {
			if _, table := v.(map[string]any); !table {
				return v, key
			}
		}
	}
	return nil, ""
}

func lookUp(table map[string]any, path []string) any {
	v, ok := table[path[0]]
	if !ok || len(path) == 1 {
		return v
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	return lookUp(inner, path[1:])
}

// convert makes text that kong's own decoders read. A bare number is no
// duration: upstream takes it as nanoseconds, which nobody means.
func (f *TOML) convert(flag *kong.Flag, key string, v any) (any, error) {
	duration := flag.Target.Type() == durationType
	switch v := v.(type) {
	case int64, float64:
		if duration {
			return nil, fmt.Errorf("%s: %s = %v has no unit; write %s = \"%vs\" for seconds", f.path, key, v, key, v)
		}
		if n, ok := v.(float64); ok {
			return fmt.Sprint(int64(math.Round(n))), nil
		}
		return fmt.Sprint(v), nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case bool:
		return fmt.Sprint(v), nil
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = fmt.Sprint(item)
		}
		return strings.Join(texts, ","), nil
	default:
		return v, nil
	}
}

var durationType = typeOf[time.Duration]()

// Unknown lists the keys of the file that no flag reads, with the nearest one
// that exists; upstream ignores them without a word.
func (f *TOML) Unknown(app *kong.Application) []string {
	known := map[string]bool{"namespace": true, "debug": true}
	var names []string
	for _, flags := range allFlags(app) {
		for _, flag := range flags {
			for _, name := range tomlNames(flag.Name) {
				known[name] = true
				names = append(names, name)
			}
		}
	}
	var unknown []string
	for _, key := range leaves(f.root, "") {
		if !known[key] {
			unknown = append(unknown, key+nearest(key, names))
		}
	}
	slices.Sort(unknown)
	return unknown
}

// tomlNames is how a flag may be written in the file.
func tomlNames(flag string) []string {
	if rest, ok := strings.CutPrefix(flag, "fluentd-"); ok {
		return []string{"forward.fluentd." + rest, "forward.fluentd." + strings.ReplaceAll(rest, "-", ".")}
	}
	return []string{strings.ReplaceAll(flag, "-", "."), flag}
}

// allFlags are those that the file is for: the global ones and those of start. The
// other commands' own, such as --yes, do not belong into a file.
func allFlags(app *kong.Application) [][]*kong.Flag {
	lists := [][]*kong.Flag{app.Flags}
	for _, cmd := range app.Children {
		if cmd.Name == "start" {
			lists = append(lists, cmd.Flags)
		}
	}
	return lists
}

func leaves(table map[string]any, prefix string) []string {
	var keys []string
	for k, v := range table {
		if inner, ok := v.(map[string]any); ok {
			keys = append(keys, leaves(inner, prefix+k+".")...)
			continue
		}
		keys = append(keys, prefix+k)
	}
	return keys
}

// nearest is " (did you mean X?)" for a key that is close to a known one: the
// same words in another table, or a slip of one or two letters.
func nearest(key string, names []string) string {
	last := key[strings.LastIndexByte(key, '.')+1:]
	for _, name := range names {
		if flat(name) == flat(key) || flat(name) == flat(last) || strings.HasSuffix(name, "."+last) || oneSlip(flat(name), flat(key)) {
			return fmt.Sprintf(" (did you mean %s?)", name)
		}
	}
	return ""
}

func flat(s string) string { return strings.NewReplacer("-", "", "_", "", ".", "").Replace(s) }

// oneSlip reports whether the words differ by one letter, or two that changed
// places.
func oneSlip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 0:
		return i < len(a) && (a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:])
	case 1:
		return a[i:] == b[i+1:]
	}
	return false
}
