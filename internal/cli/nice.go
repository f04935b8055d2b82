package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// NiceError prints what went wrong and how to mend it, for a person at a
// terminal: lower case, no full stop, one line each.
//
//	relay: error: fluent.conf:14:3: match app.** (s3): s3_bucket: parameter is required
//	  included from main.conf:2
//	relay: hint: name the bucket: s3_bucket my-audit-logs
//
// A hint is a line "  hint: ..." of the error's own text, as the errors of
// configurations have it, or was added with [WithHint]. Several errors, joined by
// errors.Join, are printed one after the other.
func NiceError(w io.Writer, program string, err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && err == any(joined) {
		for _, one := range joined.Unwrap() {
			NiceError(w, program, one)
		}
		return
	}
	var out strings.Builder
	out.WriteString(program + ": error: ")
	for i, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		hint, isHint := strings.CutPrefix(line, "  hint: ")
		switch {
		case isHint && i > 0:
			out.WriteString("\n" + program + ": hint: " + hint)
		case i > 0:
			out.WriteString("\n" + line)
		default:
			out.WriteString(line)
		}
	}
	fmt.Fprintln(w, out.String())
}

// WithHint adds how to mend err, for [NiceError] to print. nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hinted{err, hint}
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() + "\n  hint: " + h.hint }
func (h *hinted) Unwrap() error { return h.err }
