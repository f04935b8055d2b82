package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/sluicelog/sluice/internal/state"
)

// hintMark stands between an error and its cure, where it has one.
const hintMark = "\n  hint: "

// cured is an error's text, and what to do about it: what the error itself says, or
// what helps against what the system refuses.
func cured(err error) (text, hint string) {
	if text, hint, found := strings.Cut(err.Error(), hintMark); found {
		return text, hint
	}
	switch {
	case errors.Is(err, state.ErrLocked):
		hint = `stop that one first; several handlers on one state need storage = "s3://…"`
	case errors.Is(err, fs.ErrPermission):
		hint = fmt.Sprintf("the handler runs as user id %d: give it the file, or all of the storage with chown -R; commands beside the service run as its user, with sudo -u", os.Getuid())
	case errors.Is(err, syscall.EROFS):
		hint = "the file system is read-only here: choose a storage on one that can be written to"
	case errors.Is(err, syscall.ENOSPC):
		hint = "the disk is full: make room; nothing that was not acknowledged is lost"
	case strings.Contains(err.Error(), "get credentials"):
		hint = "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine or container"
	case errors.Is(err, syscall.ENOTDIR):
		hint = "a part of the path is a file where a folder is needed"
	}
	return err.Error(), hint
}

// shown is both for a person at a terminal.
func shown(err error) string {
	text, hint := cured(err)
	if hint == "" {
		return text
	}
	return text + hintMark + hint
}

// withForm adds how a value is written to an error about one that is not written so.
func withForm(err error) error {
	text := err.Error()
	for _, form := range []struct{ mark, hint string }{
		{"unexpected argument true", "a value of yes or no stands behind =, as in --teleport-refresh-enabled=true"},
		{"unexpected argument false", "a value of yes or no stands behind =, as in --teleport-refresh-enabled=false"},
		{"expected duration", "a duration has a unit: 500ms, 10s, 5m, 24h"},
		{"parsing time", "a time is written like 2026-01-31T00:00:00Z or 2026-01-31T00:00:00+01:00"},
	} {
		if strings.Contains(text, form.mark) {
			return fmt.Errorf("%w%s%s", err, hintMark, form.hint)
		}
	}
	return err
}
