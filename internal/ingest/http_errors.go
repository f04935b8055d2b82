package ingest

import (
	"errors"
	"net/http"
	"os"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// statusOf gives an error its answer. The texts of 400, 413 and 500 are laid out
// as Fluentd lays them out.
func statusOf(err error) (status int, text string) {
	var malformed *malformedError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, new(*decodeError)):
		return http.StatusBadRequest, ""
	case errors.As(err, &malformed):
		return http.StatusBadRequest, "400 Bad Request\n" + malformed.Error() + "\n"
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, "Too large"
	case errors.As(err, new(*tooMuchError)):
		return http.StatusRequestEntityTooLarge, "413 Request Entity Too Large\n" + err.Error() + "\n"
	case tooSlow(err):
		return http.StatusRequestTimeout, "408 Request Timeout\n"
	case errors.As(err, new(*bodyError)):
		return http.StatusBadRequest, "400 Bad Request\n" + err.Error() + "\n"
	case errors.As(err, new(*tlsconf.TagError)):
		return http.StatusForbidden, "403 Forbidden\n" + err.Error() + "\n"
	case errors.Is(err, buffer.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, "413 Request Entity Too Large\n" + err.Error() + "\n"
	case errors.Is(err, buffer.ErrStaleSource):
		return http.StatusConflict, "409 Conflict\n" + err.Error() + "\n"
	case errors.As(err, new(*plugin.FormatError)):
		return http.StatusInternalServerError, "500 Internal Server Error\n" + err.Error() + "\n"
	default:
		return http.StatusServiceUnavailable, "503 Service Unavailable\n" + err.Error() + "\n"
	}
}

// isMemory reports that a request does not fit, or not now.
func isMemory(err error) bool {
	return errors.As(err, new(*tooMuchError)) || errors.Is(err, errMemory)
}

// tooSlow reports a body that did not come in the time that it had.
func tooSlow(err error) bool {
	return errors.As(err, new(*bodyError)) && errors.Is(err, os.ErrDeadlineExceeded)
}

// malformedError is a body that will never be taken, whoever sends it how often.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return e.err.Error() }
func (e *malformedError) Unwrap() error { return e.err }

// decodeError is a body that can not be unpacked; Fluentd answers it without a
// text and closes.
type decodeError struct{ err error }

func (e *decodeError) Error() string { return e.err.Error() }
func (e *decodeError) Unwrap() error { return e.err }

// statusGone is counted for a client that went away before its answer.
const statusGone = 499

// reasonOf is a word for the metrics.
func reasonOf(err error) string {
	for _, r := range []struct {
		target any
		word   string
	}{
		{new(*decodeError), "compression"},
		{new(*http.MaxBytesError), "too large"},
		{new(*tooMuchError), "memory"},
		{new(*tlsconf.TagError), "tag"},
		{new(*plugin.FormatError), "format"},
	} {
		if errors.As(err, r.target) {
			return r.word
		}
	}
	switch {
	case tooSlow(err):
		return "slow"
	case errors.As(err, new(*bodyError)):
		return "body cut off"
	case errors.As(err, new(*malformedError)):
		return "malformed"
	case errors.Is(err, errMemory):
		return "memory"
	case errors.Is(err, buffer.ErrTooLarge):
		return "record too large"
	case errors.Is(err, buffer.ErrStaleSource):
		return "stale source"
	case errors.Is(err, buffer.ErrFull):
		return "buffer full"
	}
	return "pipeline"
}
