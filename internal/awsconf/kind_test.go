package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answer is an error as the SDK makes it of an answer.
func answer(status int, code string) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "text of " + code},
	}}
}

func TestKindOf(t *testing.T) {
	refused := &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &smithyhttp.RequestSendError{
		Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
	}}
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{answer(500, "InternalError"), Retry},
		{answer(503, "SlowDown"), Retry},
		{answer(403, "AccessDenied"), Retry},
		{answer(403, "InvalidAccessKeyId"), Retry},
		{answer(403, "SignatureDoesNotMatch"), Retry},
		{answer(400, "ExpiredToken"), Retry},
		{answer(400, "RequestTimeout"), Retry},
		{answer(400, "BadDigest"), Retry},
		{answer(400, "KMS.DisabledException"), Retry},
		{answer(400, "ThrottlingException"), Retry},
		{answer(404, "NoSuchBucket"), Retry},
		{answer(409, "ConditionalRequestConflict"), Retry},
		{answer(412, "PreconditionFailed"), Retry},
		{answer(301, "PermanentRedirect"), Fatal},
		{answer(400, "AuthorizationHeaderMalformed"), Fatal},
		{answer(400, "InvalidBucketName"), Fatal},
		{answer(400, "KeyTooLongError"), NeverSucceeds},
		{answer(400, "EntityTooLarge"), NeverSucceeds},
		{answer(400, "InvalidArgument"), NeverSucceeds},
		{answer(413, "X"), NeverSucceeds},
		{refused, Retry},
		{context.DeadlineExceeded, Retry},
		{errors.New("no credentials"), Retry},
		{fmt.Errorf("start: %w", Misconfigured(errors.New("x"))), Fatal},
		{fmt.Errorf("put: %w", Brief(answer(400, "InvalidArgument"))), NeverSucceeds},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
	if got, want := Brief(answer(403, "AccessDenied")).Error(), "AccessDenied: text of AccessDenied (HTTP 403)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Brief(refused).Error(), "request send failed, dial tcp: connection refused"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
