package s3sink

import (
	"context"
	"crypto/md5" //nolint:gosec // S3's own checksum of keys
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/sluicelog/sluice/internal/awsconf"
)

// store is the bucket, as little of it as a chunk needs. Each call is one
// request on the wire, but for a put in parts.
type store interface {
	// put stores an object.
	put(ctx context.Context, o *object) error
	// abort takes the parts away that are left of an upload of put.
	abort(ctx context.Context, key, uploadID string) error
	// head gives the chunk id in the metadata of the object, "" when it has none;
	// errAbsent when there is no object.
	head(ctx context.Context, key string) (chunkID string, err error)
}

var errAbsent = errors.New("no such object")

// object is what a PUT sends.
type object struct {
	key         string
	body        *spool
	contentType string
	metadata    map[string]string
	conditional bool // If-None-Match: *

	parts bool // send it in parts
	begun func(uploadID string) error
	pause func(ctx context.Context, try int) error
}

func (t *transfer) object(body *spool, conditional bool) *object {
	return &object{
		key: t.plan.key, body: body, contentType: body.contentType,
		metadata: t.plan.metadata, conditional: conditional,
		parts: t.parts, begun: t.begun, pause: t.o.pause,
	}
}

// send is one PUT, measured.
func (o *output) send(ctx context.Context, obj *object) error {
	began := time.Now()
	err := o.store.put(ctx, obj)
	o.counts.put(time.Since(began), obj.body.size, err)
	return err
}

// head asks for the owner of an object, again at once after what passes quickly.
func (o *output) head(ctx context.Context, key string) (string, error) {
	for try := 0; ; try++ {
		owner, err := o.store.head(ctx, key)
		if err == nil || errors.Is(err, errAbsent) {
			o.mayHead.Store(true)
			return owner, err
		}
		if ctx.Err() != nil || !passing(err) || try == quickTries || o.pause(ctx, try) != nil {
			return "", err
		}
	}
}

// bucket is a store over the SDK's client.
type bucketStore struct {
	client  *s3.Client
	name    string
	options *putOptions
}

func (b *bucketStore) put(ctx context.Context, o *object) error {
	if o.parts {
		return b.putParts(ctx, o)
	}
	body, err := o.body.open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	in := b.options.input()
	in.Bucket, in.Key, in.Body = &b.name, &o.key, body
	in.ContentLength, in.ContentType, in.Metadata = &o.body.size, &o.contentType, o.metadata
	if o.conditional {
		in.IfNoneMatch = aws.String("*")
	}
	o.body.checksums(in)
	_, err = b.client.PutObject(ctx, in, payloadHash(o.body.sha256))
	return err
}

// payloadHash gives the signer the hash that was computed while packing, so that
// the body is read once; "" leaves the payload unsigned, as over TLS.
func payloadHash(sum string) func(*s3.Options) {
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		if sum == "" {
			return nil
		}
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("SluicePayloadHash",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				return next.HandleFinalize(v4.SetPayloadHash(ctx, sum), in)
			}), middleware.Before)
	})
}

func (b *bucketStore) head(ctx context.Context, key string) (string, error) {
	in := &s3.HeadObjectInput{Bucket: &b.name, Key: &key}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = b.options.customer()
	out, err := b.client.HeadObject(ctx, in)
	if awsconf.Status(err) == http.StatusNotFound {
		return "", errAbsent
	}
	if err != nil {
		return "", err
	}
	return out.Metadata[chunkMetadata], nil
}

// input is the part of a PUT that is the same for all objects.
func (o *putOptions) input() *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		StorageClass:         types.StorageClass(o.storageClass),
		ACL:                  types.ObjectCannedACL(o.acl),
		GrantFullControl:     text(o.grantFull),
		GrantRead:            text(o.grantRead),
		GrantReadACP:         text(o.grantReadACP),
		GrantWriteACP:        text(o.grantWriteACP),
		ServerSideEncryption: types.ServerSideEncryption(o.encryption),
		SSEKMSKeyId:          text(o.kmsKey),
		Tagging:              text(o.tagging),
	}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = o.customer()
	return in
}

// customer is the key that the user brings along, as the headers want it: the
// SDK sends it as it is given, in base64, and its MD5.
func (o *putOptions) customer() (algorithm, key, sum *string) {
	if o.customerKey == "" {
		return text(o.customerAlgorithm), nil, text(o.customerKeyMD5)
	}
	sum = text(o.customerKeyMD5)
	if sum == nil {
		digest := md5.Sum([]byte(o.customerKey)) //nolint:gosec // as above
		sum = text(base64.StdEncoding.EncodeToString(digest[:]))
	}
	return text(o.customerAlgorithm), text(base64.StdEncoding.EncodeToString([]byte(o.customerKey))), sum
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// codeOf is how a PUT ended, for the counter: the status, or "error".
func codeOf(err error) string {
	switch status := awsconf.Status(err); {
	case err == nil:
		return "200"
	case status != 0:
		return strconv.Itoa(status)
	}
	return "error"
}
