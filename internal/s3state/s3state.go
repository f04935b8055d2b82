// Package s3state keeps small objects in a bucket, for who must agree with others
// on what stands there: an object is replaced only on the condition that it is
// still the one that was read. The handler keeps its state so, when two of them
// share it.
//
// An address is s3://bucket/prefix, with ?region=, ?endpoint= (an S3 compatible
// store; or AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) and ?path_style=true behind it
// where they are needed. Credentials come from the SDK's own chain: environment,
// files, web identity, container, instance.
package s3state

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluicelog/sluice/internal/awsconf"
)

var (
	// ErrChanged is that the condition of a Put did not hold: somebody else was
	// faster, or an earlier attempt of one's own was.
	ErrChanged = errors.New("object was changed by somebody else")
	// ErrUnconditional is that the store ignores conditions.
	ErrUnconditional = errors.New("the store ignores If-None-Match or If-Match; state can not be shared there")
	// ErrAbsent is that there is no such object.
	ErrAbsent = errors.New("no such object")
)

// callTime bounds one request: who holds a lease must know soon.
const callTime = 10 * time.Second

// Store is a prefix of a bucket.
type Store struct {
	client *s3.Client
	bucket string
	prefix string
}

// Is reports whether a storage address is one of this package's.
func Is(address string) bool { return strings.HasPrefix(address, "s3://") }

// Open makes a client for s3://bucket/prefix; it asks nothing yet.
func Open(ctx context.Context, address string) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, fmt.Errorf("%q is no bucket; write s3://BUCKET/PREFIX", address)
	}
	words := u.Query()
	for name := range words {
		if name != "region" && name != "endpoint" && name != "path_style" {
			return nil, fmt.Errorf("%q: there is no %s; region, endpoint and path_style can be given", address, name)
		}
	}
	conf, err := (&awsconf.Config{Region: words.Get("region")}).NewConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", address, err)
	}
	endpoint := cmp.Or(words.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	client := s3.NewFromConfig(conf, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		o.UsePathStyle = words.Get("path_style") == "true" || endpoint != "" && words.Get("path_style") != "false"
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	})
	return &Store{client: client, bucket: u.Host, prefix: strings.Trim(u.Path, "/")}, nil
}

// Below is a store of the names below one.
func (s *Store) Below(name string) *Store {
	below := *s
	below.prefix = path.Join(s.prefix, name)
	return &below
}

// String is the address, for messages.
func (s *Store) String() string { return "s3://" + path.Join(s.bucket, s.prefix) }

func (s *Store) key(name string) *string { return aws.String(path.Join(s.prefix, name)) }

// Version is the ETag of an object, "" when there is none.
func (s *Store) Version(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.key(name)})
	if awsconf.Status(err) == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", s.failed("look at", name, err)
	}
	return aws.ToString(out.ETag), nil
}

// Get is an object and its version; [ErrAbsent] when there is none.
func (s *Store) Get(ctx context.Context, name string) (data []byte, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(name)})
	if awsconf.Status(err) == http.StatusNotFound && awsconf.Code(err) != "NoSuchBucket" {
		return nil, "", fmt.Errorf("get %s/%s: %w", s, name, ErrAbsent)
	}
	if err != nil {
		return nil, "", s.failed("get", name, err)
	}
	defer out.Body.Close()
	data, err = io.ReadAll(out.Body)
	if err != nil {
		return nil, "", s.failed("get", name, err)
	}
	return data, aws.ToString(out.ETag), nil
}

// Put writes an object on the condition that the one there has this version; ""
// is that there is none. [ErrChanged] when it does not hold. Any other error
// leaves open whether it was written.
func (s *Store) Put(ctx context.Context, name string, data []byte, version string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: s.key(name), Body: bytes.NewReader(data), IfNoneMatch: aws.String("*")}
	if version != "" {
		in.IfNoneMatch, in.IfMatch = nil, &version
	}
	out, err := s.client.PutObject(ctx, in)
	switch {
	case awsconf.Status(err) == http.StatusPreconditionFailed,
		version != "" && awsconf.Code(err) == "NoSuchKey": // the one with the version is gone
		return "", fmt.Errorf("put %s/%s: %w", s, name, ErrChanged)
	case err != nil:
		return "", s.failed("put", name, err)
	}
	return aws.ToString(out.ETag), nil
}

// Names lists what is there below a folder of the prefix, without the folder.
func (s *Store) Names(ctx context.Context, folder string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	under := path.Join(s.prefix, folder) + "/"
	var names []string
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &under})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.failed("list", folder, err)
		}
		for _, o := range page.Contents {
			names = append(names, strings.TrimPrefix(aws.ToString(o.Key), under))
		}
	}
	return names, nil
}

// Delete removes an object; one that is not there is removed already.
func (s *Store) Delete(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.key(name)}); err != nil {
		return s.failed("delete", name, err)
	}
	return nil
}

func (s *Store) failed(verb, name string, err error) error {
	return fmt.Errorf("%s %s/%s: %w", verb, s, name, awsconf.Brief(err))
}

// Prove finds out whether the store honours conditions, by an object that it
// makes and removes. Without them two writers would not notice each other.
func (s *Store) Prove(ctx context.Context, name string) error {
	version, err := s.Put(ctx, name, []byte("1"), "")
	if errors.Is(err, ErrChanged) { // left over
		if err := s.Delete(ctx, name); err != nil {
			return err
		}
		version, err = s.Put(ctx, name, []byte("1"), "")
	}
	if err != nil {
		return err
	}
	for _, wrong := range []string{"", `"0123456789abcdef0123456789abcdef"`} {
		if _, err := s.Put(ctx, name, []byte("2"), wrong); !errors.Is(err, ErrChanged) {
			if err == nil {
				err = ErrUnconditional
			}
			return fmt.Errorf("try conditions at %s: %w", s, err)
		}
	}
	if version, err = s.Put(ctx, name, []byte("3"), version); err != nil || version == "" {
		return fmt.Errorf("try conditions at %s: a true one was refused: %w", s, err)
	}
	return s.Delete(ctx, name)
}
