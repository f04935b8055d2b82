package conf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// globSigns are the characters that make a path a pattern.
const globSigns = "*?[{"

// glob lists the files that a pattern names as Ruby's Dir.glob does, sorted: *, ?,
// [a-z], {a,b}, and ** for folders at any depth. What begins with a point is only
// matched by a point. A path without signs is itself, when it is there.
func glob(pattern string) ([]string, error) {
	var paths []string
	for _, p := range expandBraces(pattern) {
		found, err := globOne(p)
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// maxBraces bounds what {a,b}{c,d}… may expand to.
const maxBraces = 1000

// expandBraces replaces the first {a,b} by each of its parts, and so on.
func expandBraces(pattern string) []string {
	done := []string{}
	for todo := []string{pattern}; len(todo) > 0; todo = todo[1:] {
		before, parts, after, found := cutBraces(todo[0])
		if !found || len(todo)+len(done) > maxBraces {
			done = append(done, todo[0])
			continue
		}
		for _, part := range parts {
			todo = append(todo, before+part+after)
		}
	}
	return done
}

// cutBraces splits s at its first pair of braces, whose parts stand between commas
// that are in no inner braces.
func cutBraces(s string) (before string, parts []string, after string, found bool) {
	start := strings.IndexByte(s, '{')
	if start < 0 {
		return s, nil, "", false
	}
	depth, from := 0, start+1
	for i := start; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				return s[:start], append(parts, s[from:i]), s[i+1:], true
			}
		}
	}
	return s, nil, "", false
}

// globOne walks the pattern part by part; paths holds what matches so far.
func globOne(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, globSigns) {
		if _, err := os.Lstat(pattern); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				return nil, plainError(err)
			}
			return nil, nil
		}
		return []string{pattern}, nil
	}
	paths := []string{""}
	if strings.HasPrefix(pattern, "/") {
		paths, pattern = []string{"/"}, strings.TrimLeft(pattern, "/")
	}
	for part := range strings.SplitSeq(pattern, "/") {
		next := []string{}
		for _, dir := range paths {
			next = append(next, step(dir, part)...)
		}
		paths = next
	}
	return paths, nil
}

// step lists what part names within a folder.
func step(dir, part string) []string {
	switch {
	case part == "**":
		return foldersBelow(dir)
	case !strings.ContainsAny(part, globSigns):
		path := filepath.Join(dir, part)
		if _, err := os.Lstat(path); err != nil {
			return nil
		}
		return []string{path}
	}
	var paths []string
	for _, entry := range entries(dir) {
		ok, err := filepath.Match(part, entry.Name())
		if err == nil && ok && (entry.Name()[0] != '.' || part[0] == '.') {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths
}

// foldersBelow is the folder itself and those in it at any depth, hidden ones and
// links left out.
func foldersBelow(dir string) []string {
	paths := []string{dir}
	for _, entry := range entries(dir) {
		if entry.IsDir() && entry.Name()[0] != '.' {
			paths = append(paths, foldersBelow(filepath.Join(dir, entry.Name()))...)
		}
	}
	return paths
}

// entries is what a folder holds; one that cannot be read holds nothing, as in Ruby.
func entries(dir string) []os.DirEntry {
	if dir == "" {
		dir = "."
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	return list
}
