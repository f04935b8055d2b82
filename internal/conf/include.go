package conf

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// loader is what the readers of all files of one configuration share.
type loader struct {
	eval     func(src string, at Pos) (Value, error)
	problems *Problems
	files    *int // how many were opened
}

// maxFiles bounds what files that include files can come to.
const maxFiles = 10000

// file is one file that is being read.
type file struct {
	name     string   // as positions show it
	dir      string   // what it includes is relative to this folder
	included []Pos    // the @include lines that led here, innermost first
	chain    []string // the real paths of this file and of those around it
}

func (f file) pos(line, col int) Pos {
	return Pos{File: f.name, Line: line, Col: col, Included: f.included}
}

// within is the file at path as an include at a position reads it.
func (f file) within(path string, at Pos) file {
	return file{
		name: path, dir: filepath.Dir(path),
		included: append([]Pos{{File: at.File, Line: at.Line, Col: at.Col}}, at.Included...),
		chain:    append(slices.Clip(f.chain), realPath(path)),
	}
}

// realPath tells files apart by what they are, whatever way led there; a cycle
// could otherwise hide behind a link.
func realPath(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// include reads what an @include line names into the section around it.
func (p *classic) include(start int, newline bool) {
	if newline {
		p.fail(start, errors.New("@include names no file"), "write @include path")
		return
	}
	if p.text[start] == 'i' {
		p.warn(start, "'include' is deprecated. Use '@include' instead", "")
	}
	v, ok := p.bare(), true
	if c := v.Text[0]; c == '"' || c == '\'' {
		p.pos -= len(v.Text)
		v, ok = p.quoted()
	}
	if !ok {
		return
	}
	if !p.lineEnd() {
		p.fail(p.pos, errors.New("text follows after @include"), "write one file, or one pattern, in a line")
		p.skipLine(p.pos)
	}
	if v.Kind != Text || v.Text == "" || v.Text[0] == '#' {
		p.fail(start, errors.New("@include names no file"), "write @include path")
		return
	}
	for _, path := range p.load.find(p.file, v.Text, p.at(start)) {
		p.includeFile(path, start)
	}
}

// includeFile reads a file into the open section, as if its lines stood here.
func (p *classic) includeFile(path string, start int) {
	f := p.file.within(path, p.at(start))
	text, ok := p.load.open(p.file, f)
	if !ok {
		return
	}
	n := p.top()
	known := len(n.Params)
	p.load.classic(f, text, n)
	looksYAML := func(line Param) bool { return line.Name == "-" || strings.HasSuffix(line.Name, ":") }
	if isYAML(path) && slices.ContainsFunc(n.Params[known:], looksYAML) {
		p.warn(start, path+" is read as fluent.conf text, as Fluentd does: YAML in it has no effect",
			"only a configuration whose first file is YAML can include YAML")
	}
}

// find resolves what an include names: a path or pattern, relative to the file
// that includes. No file is no error in Fluentd: it is a warning here.
func (l *loader) find(from file, name string, at Pos) []string {
	pattern, err := localPath(name)
	if err != nil {
		l.problems.Fail(&Error{Pos: at, Err: err, Hint: "download it to a file and include that"})
		return nil
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(from.dir, pattern)
	}
	paths, err := glob(pattern)
	if len(paths) == 0 && err == nil && strings.ContainsAny(pattern, "%+") {
		// Fluentd takes the name for a URL: %20 and + are blanks.
		if decoded, bad := url.QueryUnescape(pattern); bad == nil {
			paths, err = glob(decoded)
		}
	}
	switch {
	case err != nil:
		l.problems.Fail(&Error{Pos: at, Err: fmt.Errorf("include %s: %w", name, err)})
	case len(paths) == 0:
		l.nothingFound(name, pattern, at)
	}
	return paths
}

// localPath refuses URLs, but for file:.
func localPath(name string) (string, error) {
	scheme, rest, found := strings.Cut(name, ":")
	switch {
	case found && strings.EqualFold(scheme, "file"):
		return strings.TrimPrefix(rest, "//"), nil
	case found && strings.HasPrefix(rest, "//"):
		return "", fmt.Errorf("include %s: a configuration is not read over the network", name)
	}
	return name, nil
}

// nothingFound warns, but not of a pattern whose folder is there: it may be empty.
func (l *loader) nothingFound(name, pattern string, at Pos) {
	hint := "Fluentd ignores this without a word"
	if i := strings.IndexAny(pattern, globSigns); i >= 0 {
		if _, err := os.Stat(filepath.Dir(pattern[:i] + "x")); err == nil {
			return
		}
	} else if strings.HasPrefix(name, "~") {
		hint = "~ is not the home folder here: write the whole path"
	} else if strings.Contains(name, ",") {
		hint = "a list is one file name: write one @include line for each file"
	}
	l.problems.Warn(&Error{Pos: at, Err: fmt.Errorf("include %s: no such file", name), Hint: hint})
}

// open reads the file f, which from includes.
func (l *loader) open(from, f file) ([]byte, bool) {
	at := Pos{File: f.included[0].File, Line: f.included[0].Line, Col: f.included[0].Col, Included: from.included}
	if slices.Contains(from.chain, f.chain[len(f.chain)-1]) {
		l.problems.Fail(&Error{Pos: at, Err: fmt.Errorf("include %s: the file includes itself", f.name), Hint: "take one of the @include lines out"})
		return nil, false
	}
	if *l.files++; *l.files > maxFiles {
		if *l.files == maxFiles+1 {
			l.problems.Fail(&Error{Pos: at, Err: fmt.Errorf("more than %d files are included", maxFiles), Hint: "look for files that include each other's files"})
		}
		return nil, false
	}
	text, err := os.ReadFile(f.name)
	if err != nil {
		hint := ""
		if info, statErr := os.Stat(f.name); statErr == nil && info.IsDir() {
			hint = "name files, not folders: " + filepath.Join(f.name, "*.conf")
		}
		l.problems.Fail(&Error{Pos: at, Err: fmt.Errorf("include %s: %w", f.name, plainError(err)), Hint: hint})
		return nil, false
	}
	return text, true
}
