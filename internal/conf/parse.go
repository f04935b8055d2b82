package conf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Format is one of the two forms of a configuration file.
type Format string

const (
	Guess   Format = ""     // by the file's name: .yaml and .yml are YAML
	Classic Format = "conf" // fluent.conf text
	YAML    Format = "yaml"
)

// Options says how a configuration is read. The zero value reads plain files and
// refuses embedded Ruby.
type Options struct {
	// Eval computes embedded Ruby: src is what stands between "#{" and "}", at its
	// first character. nil refuses embedded Ruby. An *Error that it returns keeps
	// its own position and hint.
	Eval func(src string, at Pos) (Value, error)
	// Path is where the text that Parse gets would lie: what it includes is
	// relative to this file's folder. "" is the working folder.
	Path string
	// Format is the form of the first file; what it includes has the same form.
	Format Format
	// Problems takes errors and warnings; nil makes a fresh list, of which only the
	// returned error is seen.
	Problems *Problems
}

// ParseFile reads a configuration file and all that it includes. The tree holds
// whatever could be understood, also when there are errors; the error is
// Problems.Err().
func ParseFile(path string, o Options) (*Node, error) {
	o.Path = path
	text, err := os.ReadFile(path)
	if err != nil {
		o.problems().Fail(&Error{Pos: Pos{File: path}, Err: plainError(err), Hint: "name the file with -c, or make it readable"})
		return newRoot(path), o.Problems.Err()
	}
	return Parse(path, text, o)
}

// Parse reads text as ParseFile reads a file; name is what positions show.
func Parse(name string, text []byte, o Options) (*Node, error) {
	problems := o.problems()
	root := newRoot(name)
	l := &loader{eval: o.Eval, problems: problems, files: new(int)}
	f := file{name: name, dir: filepath.Dir(o.Path), chain: []string{realPath(o.Path)}}
	if o.format(name) == YAML {
		l.yaml(f, text, root)
	} else {
		l.classic(f, text, root)
	}
	problems.Sort()
	return root, problems.Err()
}

// AppendDir reads the .conf, .yaml and .yml files of a folder, at any depth and in
// order of name, and puts what they hold at the end of root. A folder that is not
// there is nothing. It is for Fluentd's folder of further files (<system>
// config_include_dir, FLUENT_CONF_INCLUDE_DIR).
func AppendDir(root *Node, dir string, o Options) error {
	problems := o.problems()
	o.Format = Guess
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if slices.Contains([]string{".conf", ".yaml", ".yml"}, filepath.Ext(path)) {
			part, _ := ParseFile(path, o)                                   // its errors are in o.Problems
			root.Params = append(slices.Clone(part.Params), root.Params...) // the first file's lines win
			root.Children = append(root.Children, part.Children...)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problems.Fail(&Error{Pos: Pos{File: dir}, Err: plainError(err)})
	}
	problems.Sort()
	return problems.Err()
}

// problems is the caller's list, made when there is none.
func (o *Options) problems() *Problems {
	if o.Problems == nil {
		o.Problems = new(Problems)
	}
	return o.Problems
}

func (o *Options) format(name string) Format {
	if o.Format != Guess {
		return o.Format
	}
	if isYAML(name) {
		return YAML
	}
	return Classic
}

func isYAML(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

func newRoot(name string) *Node { return &Node{Name: "ROOT", Pos: Pos{File: name}} }

// plainError takes operation and path off a file error: the position shows the path.
func plainError(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
