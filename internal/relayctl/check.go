// Package relayctl holds the commands beside run: check a configuration, write
// the reference pages. They look at a relay from outside and start nothing.
package relayctl

import (
	"fmt"
	"io"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/relay"
)

// Check is `relay check FILE...`: everything that is wrong or suspicious, with
// place and cure. It returns the exit code: 0 when there are no errors, else 1;
// with strict, warnings count as errors.
type Check struct {
	Files   []string
	Handler []string // event handler TOML files whose URLs must match
	Strict  bool
	Options relay.Options
}

// Run checks the files and prints to w.
func (c *Check) Run(w io.Writer) int {
	code := 0
	for _, path := range c.Files {
		if c.file(w, path) {
			code = 1
		}
	}
	return code
}

func (c *Check) file(w io.Writer, path string) (failed bool) {
	l := relay.Load(relay.Source{Path: path}, c.Options)
	if len(l.Problems.Errors) == 0 {
		l.Relay.CheckObjects(l.Problems)
		l.Relay.CheckFiles(l.Problems, time.Now())
	}
	for _, h := range c.Handler {
		if err := l.Relay.CheckHandler(h, l.Problems); err != nil {
			l.Problems.Fail(&conf.Error{Pos: conf.Pos{File: h}, Err: err})
		}
	}
	l.Problems.Sort()
	for _, e := range l.Problems.Errors {
		fmt.Fprintf(w, "error: %s\n", e)
	}
	for _, e := range l.Problems.Warnings {
		fmt.Fprintf(w, "warning: %s\n", e)
	}
	errors, warnings := len(l.Problems.Errors), len(l.Problems.Warnings)
	if errors+warnings == 0 {
		fmt.Fprintf(w, "%s: ok\n", path)
		return false
	}
	fmt.Fprintf(w, "%s: %s, %s\n", path, count(errors, "error"), count(warnings, "warning"))
	return errors > 0 || c.Strict && warnings > 0
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
