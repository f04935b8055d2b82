package relay

import (
	"errors"
	"slices"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
)

// Loaded is a configuration that was read and built, with all that is wrong or
// suspicious in it.
type Loaded struct {
	Tree     *conf.Node
	Relay    *Relay
	Problems *conf.Problems
}

// strict makes errors of the warnings that the user wants to be errors.
func (l *Loaded) strict(o Options) {
	values := o.StrictValues || l.Relay.System.StrictValue
	l.Problems.Warnings = slices.DeleteFunc(l.Problems.Warnings, func(w *conf.Error) bool {
		wrong := o.Strict && errors.As(w, new(*param.Unused)) || values && errors.As(w, new(*param.Lenient))
		if wrong {
			l.Problems.Fail(w)
		}
		return wrong
	})
}

// Source says which configuration is read.
type Source struct {
	Path       string
	Format     conf.Format
	IncludeDir string // whose files are read, too, unless <system> config_include_dir names another; "" is none
	Inline     string // more configuration text, put behind the file's
}

// includeDir is the folder whose files are read after the configuration's own.
func includeDir(tree *conf.Node, dir string) string {
	for _, system := range sections(tree, "system") {
		if line, ok := system.Get("config_include_dir"); ok && line.Value.Kind == conf.Text {
			dir = line.Value.Text
		}
	}
	return dir
}

// Load reads a configuration, builds the relay that it describes, and looks for
// what is legal and hardly wanted. It starts nothing and does no I/O beside the
// configuration's own files. Everything that is wrong is in Problems.
func Load(src Source, o Options) *Loaded {
	l := &Loaded{Problems: &conf.Problems{}}
	options := conf.Options{Eval: newEval().value, Problems: l.Problems, Format: src.Format}
	l.Tree, _ = conf.ParseFile(src.Path, options) // its errors are in Problems
	if dir := includeDir(l.Tree, src.IncludeDir); dir != "" {
		_ = conf.AppendDir(l.Tree, dir, options)
	}
	if src.Inline != "" {
		extra, _ := conf.Parse("--inline-config", []byte(src.Inline), conf.Options{Eval: newEval().value, Problems: l.Problems})
		l.Tree.Children = append(l.Tree.Children, extra.Children...)
	}
	modernize(l.Tree, l.Problems)
	l.Relay = Build(l.Tree, l.Problems, o)
	if len(l.Problems.Errors) == 0 {
		l.Relay.Lint(l.Tree, l.Problems)
	}
	l.strict(o)
	l.Problems.Sort()
	return l
}
