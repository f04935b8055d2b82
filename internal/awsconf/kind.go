package awsconf

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
)

// Kind says what can be done about an error of the service.
type Kind uint8

const (
	// Retry is what time, or somebody's hand outside the configuration, can cure:
	// the network, 5xx, throttling, 403, expired credentials, a missing bucket.
	Retry Kind = iota
	// Fatal is the configuration's fault: a start refuses it; at run time the
	// request is not to blame, so it is kept and tried again.
	Fatal
	// NeverSucceeds is the request's own fault: it will be refused for ever.
	NeverSucceeds
)

// byCode sorts the error codes whose HTTP status misleads. Sources: Amazon S3's
// list of error codes, and the codes that the SDKs take as transient.
var byCode = map[string]Kind{
	"RequestTimeout": Retry, "RequestTimeTooSkewed": Retry, "RequestExpired": Retry,
	"ExpiredToken": Retry, "ExpiredTokenException": Retry, "TokenRefreshRequired": Retry, "InvalidToken": Retry,
	"BadDigest": Retry, "XAmzContentSHA256Mismatch": Retry, "XAmzContentChecksumMismatch": Retry, "IncompleteBody": Retry,
	"SlowDown": Retry, "ServerBusy": Retry, "TooManyRequests": Retry, "OperationAborted": Retry,
	"BucketAlreadyOwnedByYou": Retry, "InvalidClientTokenId": Retry,

	"PermanentRedirect": Fatal, "AuthorizationHeaderMalformed": Fatal, "AuthorizationQueryParametersError": Fatal,
	"IllegalLocationConstraintException": Fatal, "InvalidLocationConstraint": Fatal, "InvalidBucketName": Fatal,
	"InvalidRegion": Fatal,

	"KeyTooLongError": NeverSucceeds, "EntityTooLarge": NeverSucceeds, "MetadataTooLarge": NeverSucceeds,
}

// byStatus is for what byCode leaves; 0 is none, and all others are [Retry].
var byStatus = map[int]Kind{
	http.StatusMovedPermanently: Fatal,
	http.StatusBadRequest:       NeverSucceeds, http.StatusLengthRequired: NeverSucceeds,
	http.StatusRequestEntityTooLarge: NeverSucceeds, http.StatusRequestURITooLong: NeverSucceeds,
}

// KindOf sorts an error of the SDK, or of [Config.NewConfig].
func KindOf(err error) Kind {
	var own *fatal
	if errors.As(err, &own) {
		return Fatal
	}
	var invalid *smithy.InvalidParamsError
	if errors.As(err, &invalid) {
		return NeverSucceeds
	}
	code := Code(err)
	if kind, ok := byCode[code]; ok {
		return kind
	}
	// A key that is disabled or not ours yet is mended at the key service.
	if strings.HasPrefix(code, "KMS.") || strings.HasPrefix(code, "Throttl") {
		return Retry
	}
	return byStatus[Status(err)]
}

// Status is the HTTP status of the answer, 0 when there was none.
func Status(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// Code is the service's error code, "" when there was none.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Brief makes an error print what a person needs of it: code, text, status and
// request id, without the SDK's layers. It unwraps to the whole.
func Brief(err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return &brief{text: apiText(err, api), err: err}
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return &brief{text: strings.TrimPrefix(operation.Err.Error(), "https response error StatusCode: 0, RequestID: , HostID: , "), err: err}
	}
	return err
}

func apiText(err error, api smithy.APIError) string {
	text := api.ErrorCode()
	if m := api.ErrorMessage(); m != "" && m != text {
		text += ": " + m
	}
	var details []string
	if s := Status(err); s != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", s))
	}
	var request interface{ ServiceRequestID() string }
	if errors.As(err, &request) && request.ServiceRequestID() != "" {
		details = append(details, "request "+request.ServiceRequestID())
	}
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return text
}

type brief struct {
	text string
	err  error
}

func (b *brief) Error() string { return b.text }
func (b *brief) Unwrap() error { return b.err }

// fatal marks what only another configuration mends.
type fatal struct{ err error }

func (f *fatal) Error() string { return f.err.Error() }
func (f *fatal) Unwrap() error { return f.err }

// Misconfigured marks an error as [Fatal].
func Misconfigured(err error) error { return &fatal{err} }
