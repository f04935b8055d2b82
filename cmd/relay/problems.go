package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
)

// showConfig logs the configuration as Fluentd does at start, secrets masked.
func (p *program) showConfig(tree *conf.Node) {
	p.log.Info("using configuration file: " + dumpOf(tree))
}

// dumpOf is a section as text, secrets masked, without the last line's end.
func dumpOf(n *conf.Node) string {
	var b strings.Builder
	_ = conf.Dump(&b, n, true) // a Builder takes everything
	return strings.TrimSuffix(b.String(), "\n")
}

// showProblems says what is wrong and suspicious: on standard error as a person
// reads it, in the log as monitoring looks for it.
func (p *program) showProblems(problems *conf.Problems) {
	for _, w := range problems.Warnings {
		// Fluentd's own words stand alone on their line: monitoring looks for them.
		p.log.Warn(warningText(w))
		p.showPlace(w)
	}
	for _, e := range problems.Errors {
		fmt.Fprintf(p.stderr, "relay: error: %s\n", strings.ReplaceAll(e.Error(), "\n  hint:", "\nrelay: hint:"))
		if e.Section != nil {
			p.log.Error("config error in:\n" + dumpOf(e.Section))
		}
		p.log.Error(fmt.Sprintf("config error file=%q", p.flags.Config), "error_class", cli.Bare(errorClass(e)), "error", fluentdText(e))
	}
}

// showPlace says behind a warning where it comes from and what to do, as far as
// either is known.
func (p *program) showPlace(w *conf.Error) {
	var known []any
	if w.Pos.File != "" {
		known = append(known, "at", w.Pos.String())
	}
	if w.Hint != "" {
		known = append(known, "hint", w.Hint)
	}
	if len(known) > 0 {
		p.log.Warn("^ in the configuration", known...)
	}
}

// warningText is a warning in Fluentd's words where it has some.
func warningText(e *conf.Error) string {
	var unused *param.Unused
	switch {
	case errors.As(e, &unused):
		return unused.Text()
	case errors.Is(e, param.ErrDeprecated):
		return fmt.Sprintf("'%s' parameter is deprecated: %s", e.Param, e.Hint)
	}
	return blaming(e)
}

// errorClass is the name under which people know Fluentd's configuration errors.
func errorClass(e *conf.Error) string {
	if errors.Is(e, param.ErrUnknownPlugin) {
		return "Fluent::NotFoundPluginError"
	}
	return "Fluent::ConfigError"
}

// fluentdText is an error in the words that people search their logs for.
func fluentdText(e *conf.Error) string {
	for _, absent := range []error{param.ErrMissing, param.ErrNil, param.ErrDefault} {
		if errors.Is(e, absent) {
			return fmt.Sprintf("'%s' %s", e.Param, absent)
		}
	}
	if errors.Is(e, param.ErrEnum) {
		return e.Err.Error() // the section that was logged before shows which parameter it is
	}
	return blaming(e)
}

// blaming is the error's text with the parameter's name, unless it is there already.
func blaming(e *conf.Error) string {
	text := e.Err.Error()
	names := slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }), e.Param)
	if e.Param == "" || strings.HasPrefix(e.Param, "@") || names {
		return text
	}
	return e.Param + ": " + text
}
