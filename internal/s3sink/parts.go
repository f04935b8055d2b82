package s3sink

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluicelog/sluice/internal/awsconf"
)

// A large object goes in parts, so that a connection that breaks costs a part and not
// the object, and since S3 takes no more than 5 GB in one PUT. The object appears when
// the upload is completed, which says If-None-Match: * like a PUT; what stands above
// about answers that get lost holds for that request. Nobody but the process that began
// an upload goes on with it: its id is in the chunk's note only so that the next
// process takes the parts away, which would else be paid for and seen by nobody.

const (
	partSize  = 16 << 20
	maxParts  = 10_000 // S3's limit
	abortTime = 10 * time.Second
)

// sizeOfParts is partSize, or what makes maxParts of a very large object.
func sizeOfParts(object, part int64) int64 {
	return max(part, (object+maxParts-1)/maxParts)
}

// inParts reports whether an object goes in parts. One that could not be kept in a
// file can not be read from its middle.
func (o *output) inParts(body *spool) bool {
	return o.put.partsAbove > 0 && body.size > o.put.partsAbove && body.file != nil
}

// putParts is [bucketStore.put] of an object in parts. What fails leaves no parts
// behind, if the store can be reached.
func (b *bucketStore) putParts(ctx context.Context, o *object) error {
	begun, err := b.client.CreateMultipartUpload(ctx, b.options.upload(b.name, o))
	if err != nil {
		return err
	}
	id := aws.ToString(begun.UploadId)
	u := &upload{b: b, o: o, id: id, size: sizeOfParts(o.body.size, b.options.partSize)}
	if err = o.begun(id); err == nil {
		err = u.run(ctx)
	}
	if err == nil {
		return nil
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_ = b.abort(detached, o.key, id) // the note remembers it
	return err
}

// abort takes the parts of an upload away; one that is over is none.
func (b *bucketStore) abort(ctx context.Context, key, id string) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &key, UploadId: &id})
	if awsconf.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// upload is one object on its way in parts.
type upload struct {
	b    *bucketStore
	o    *object
	id   string
	size int64
	done []types.CompletedPart
}

func (u *upload) run(ctx context.Context) error {
	for at := int64(0); at < u.o.body.size; at += u.size {
		if err := u.part(ctx, at); err != nil {
			return err
		}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.b.name, Key: &u.o.key, UploadId: &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.done},
	}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = u.b.options.customer()
	if u.o.conditional {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := u.b.client.CompleteMultipartUpload(ctx, in)
	return err
}

// part sends one part, again at once after what passes quickly. A 412 here says nothing
// about the object.
func (u *upload) part(ctx context.Context, at int64) error {
	number := int32(len(u.done) + 1) //nolint:gosec // at most maxParts
	for try := 0; ; try++ {
		sent, err := u.sendPart(ctx, number, at)
		if err == nil {
			u.done = append(u.done, *sent)
			return nil
		}
		if ctx.Err() != nil || !passing(err) || try == quickTries || u.o.pause(ctx, try) != nil {
			return &partError{number, awsconf.Brief(err)}
		}
	}
}

func (u *upload) sendPart(ctx context.Context, number int32, at int64) (*types.CompletedPart, error) {
	spool := u.o.body
	length := min(u.size, spool.size-at)
	sum, signed := newSum(spool.options), ""
	hashes := []io.Writer{}
	if sum != nil {
		hashes = append(hashes, sum)
	}
	payload := sha256.New()
	if spool.options.sign {
		hashes = append(hashes, payload)
	}
	if _, err := io.Copy(io.MultiWriter(hashes...), io.NewSectionReader(spool.file, at, length)); err != nil {
		return nil, fmt.Errorf("read a part: %w", err)
	}
	if spool.options.sign {
		signed = hex.EncodeToString(payload.Sum(nil))
	}
	body := &guarded{r: io.NewSectionReader(spool.file, at, length)}
	defer body.Close()
	in := &s3.UploadPartInput{Bucket: &u.b.name, Key: &u.o.key, UploadId: &u.id, PartNumber: &number, Body: body, ContentLength: &length}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = u.b.options.customer()
	done := &types.CompletedPart{PartNumber: &number}
	if sum != nil {
		digest := base64.StdEncoding.EncodeToString(sum.Sum(nil))
		partChecksum(spool.options.checksum, &digest, in, done)
	}
	out, err := u.b.client.UploadPart(ctx, in, payloadHash(signed))
	if err != nil {
		return nil, err
	}
	done.ETag = out.ETag
	return done, nil
}

// partChecksum puts a digest where S3 wants it, which is twice but for MD5.
func partChecksum(algorithm string, digest *string, in *s3.UploadPartInput, done *types.CompletedPart) {
	switch algorithm {
	case "CRC32":
		in.ChecksumCRC32, done.ChecksumCRC32 = digest, digest
	case "CRC32C":
		in.ChecksumCRC32C, done.ChecksumCRC32C = digest, digest
	case "SHA1":
		in.ChecksumSHA1, done.ChecksumSHA1 = digest, digest
	case "SHA256":
		in.ChecksumSHA256, done.ChecksumSHA256 = digest, digest
	default:
		in.ContentMD5 = digest
	}
}

// upload is what an upload in parts begins with: all that a PUT would say.
func (o *putOptions) upload(bucket string, obj *object) *s3.CreateMultipartUploadInput {
	p := o.input()
	return &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &obj.key, ContentType: &obj.contentType, Metadata: obj.metadata,
		StorageClass: p.StorageClass, ACL: p.ACL, Tagging: p.Tagging,
		GrantFullControl: p.GrantFullControl, GrantRead: p.GrantRead, GrantReadACP: p.GrantReadACP, GrantWriteACP: p.GrantWriteACP,
		ServerSideEncryption: p.ServerSideEncryption, SSEKMSKeyId: p.SSEKMSKeyId, ChecksumAlgorithm: types.ChecksumAlgorithm(o.checksum),
		SSECustomerAlgorithm: p.SSECustomerAlgorithm, SSECustomerKey: p.SSECustomerKey, SSECustomerKeyMD5: p.SSECustomerKeyMD5,
	}
}

// partError is a part that could not be sent. It hides the status of the answer: 412 or
// 409 for a part says nothing about who has the object's key.
type partError struct {
	number int32
	err    error
}

func (e *partError) Error() string { return fmt.Sprintf("part %d: %v", e.number, e.err) }

// abandon takes away what an earlier attempt for the plan has left of an upload. One
// that may not is left to the bucket's lifecycle rules.
func (t *transfer) abandon(ctx context.Context) error {
	id := t.plan.upload
	if id == "" {
		return nil
	}
	err := t.o.store.abort(ctx, t.plan.key, id)
	if awsconf.Status(err) == http.StatusForbidden || awsconf.Status(err) == http.StatusMethodNotAllowed {
		t.o.log.Warn("out_s3: the parts of an upload that was broken off can not be removed; allow s3:AbortMultipartUpload, or let a lifecycle rule do it",
			"url", t.url(), "upload_id", id, "error", awsconf.Brief(err))
		err = nil
	}
	if err != nil {
		return t.beside("remove the parts of", err)
	}
	t.plan.upload = ""
	return nil
}

// begun writes the id of an upload into the chunk before its first part is sent.
func (t *transfer) begun(id string) error {
	t.plan.upload = id
	if err := t.c.SetNote(t.plan.note()); err != nil {
		return errors.Join(errors.New("note an upload"), err)
	}
	return nil
}
