package teleport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gravitational/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ExpiredError says that the credentials are past their time. Sign a new
// identity, with a longer life, or let tbot renew it.
type ExpiredError struct {
	End time.Time
	Err error // what the call itself reported; may be nil
}

func (e *ExpiredError) Error() string {
	text := "the Teleport credentials expired at " + e.End.UTC().Format(time.RFC3339) + ": sign new ones with a longer ttl or have them renewed"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *ExpiredError) Unwrap() error { return e.Err }

// IsExpired reports that the credentials in use are past their time.
func IsExpired(err error) bool {
	var expired *ExpiredError
	return errors.As(err, &expired)
}

// IsNotFound reports that the cluster has no such recording or chunk (yet).
func IsNotFound(err error) bool { return codeOf(err) == codes.NotFound }

// IsNotImplemented reports that the cluster does not offer the call.
func IsNotImplemented(err error) bool { return codeOf(err) == codes.Unimplemented }

// IsAccessDenied reports that the role of our identity does not allow the call.
func IsAccessDenied(err error) bool { return codeOf(err) == codes.PermissionDenied }

// IsBadRequest reports that the cluster could not use an argument, such as a
// cursor that an older version of it gave.
func IsBadRequest(err error) bool { return codeOf(err) == codes.InvalidArgument }

// IsTooLarge reports a reply over a limit of size, the cluster's or ours.
func IsTooLarge(err error) bool { return codeOf(err) == codes.ResourceExhausted }

// IsUnavailable reports that the cluster could not be reached, did not answer in time
// or broke off: the same call may succeed later. A caller that broke off itself gets
// its context's error, see fail.
func IsUnavailable(err error) bool {
	var dial *dialFailure
	if errors.As(err, &dial) || errors.Is(err, errStalled) {
		return true
	}
	c := codeOf(err)
	return c == codes.Unavailable || c == codes.DeadlineExceeded || c == codes.Canceled
}

// codeOf is the gRPC code of an error, which the module's client hides in two
// ways: as trace's types for calls, as a status for the opening of a stream.
func codeOf(err error) codes.Code {
	var (
		notFound     *trace.NotFoundError
		denied       *trace.AccessDeniedError
		bad          *trace.BadParameterError
		limit        *trace.LimitExceededError
		connection   *trace.ConnectionProblemError
		unknownCall  *trace.NotImplementedError
		statusHolder interface{ GRPCStatus() *status.Status }
	)
	switch {
	case err == nil:
		return codes.OK
	case errors.As(err, &notFound):
		return codes.NotFound
	case errors.As(err, &denied):
		return codes.PermissionDenied
	case errors.As(err, &bad):
		return codes.InvalidArgument
	case errors.As(err, &limit):
		return codes.ResourceExhausted
	case errors.As(err, &connection):
		return codes.Unavailable
	case errors.As(err, &unknownCall):
		return codes.Unimplemented
	case errors.As(err, &statusHolder):
		return statusHolder.GRPCStatus().Code()
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	return codes.Unknown
}

// fail makes the error of a call: the caller's own cancellation stays itself, and a
// connection that was refused under expired credentials or ended for its pings says
// so.
func (c *Client) fail(ctx context.Context, op string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w", op, cause)
	}
	if IsUnavailable(err) {
		if end, ok := c.creds.Expiry(); ok && time.Now().After(end) {
			err = &ExpiredError{End: end, Err: err}
		}
		if strings.Contains(err.Error(), tooManyPings) {
			err = &throwOut{err}
		}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// throwOut is the end of a connection on which the cluster saw too many pings.
type throwOut struct{ err error }

func (e *throwOut) Error() string {
	return "Teleport ended the connection, on which it saw too many pings (" + tooManyPings + ")"
}
func (e *throwOut) Unwrap() error { return e.err }

// plain prints one of the module's reports, which have many lines, as one.
type plain struct{ err error }

func (e plain) Error() string { return oneLine(trace.UserMessage(e.err)) }
func (e plain) Unwrap() error { return e.err }

// oneLine joins the distinct lines of a report.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.Contains(strings.Join(lines, "; "), line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
