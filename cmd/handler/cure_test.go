package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// An error brings its cure, or gets the one that helps against what the system says.
func TestCured(t *testing.T) {
	t.Parallel()
	of := func(e error) error {
		return fmt.Errorf("lock folder: %w", &fs.PathError{Op: "open", Path: "st/.lock", Err: e})
	}
	for _, c := range []struct {
		err  error
		hint string
	}{
		{of(syscall.EACCES), "chown -R"},
		{of(syscall.ENOSPC), "the disk is full"},
		{of(syscall.EROFS), "read-only"},
		{of(syscall.ENOTDIR), "a file where a folder is needed"},
		{errors.New("list s3://b/: get credentials: no role"), "AWS_PROFILE"},
		{of(errors.New("else")), ""},
		{errors.New("key: no" + hintMark + "take another"), "take another"},
	} {
		text, hint := cured(c.err)
		if !strings.Contains(hint, c.hint) || c.hint == "" && hint != "" || strings.Contains(text, "hint:") {
			t.Errorf("%v: %q, hint %q", c.err, text, hint)
		}
		if got := shown(c.err); !strings.HasPrefix(got, text) || (hint == "") != !strings.Contains(got, hintMark) {
			t.Errorf("shown %q", got)
		}
	}
}
