package awsconf

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Objects reads the objects of one bucket, with the credentials of the SDK's own
// chain. It changes nothing.
type Objects struct {
	client *s3.Client
	bucket string
}

// ObjectInfo is an object as a listing shows it.
type ObjectInfo struct {
	Key      string
	Size     int64
	Modified time.Time
}

// OpenObjects prepares the access; nothing is sent yet. An endpoint, the URL of a
// store that is not Amazon's, is asked with the bucket in the path.
func OpenObjects(ctx context.Context, bucket, region, endpoint string) (*Objects, error) {
	c := Config{Region: region}
	conf, err := c.NewConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(conf, func(o *s3.Options) {
		o.Retryer = retry.NewStandard() // nothing that is sent here is conditional
		o.DisableLogOutputChecksumValidationSkipped = true
		if endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
		}
	})
	return &Objects{client: client, bucket: bucket}, nil
}

// List yields the objects whose keys begin with prefix, in the order of keys.
func (o *Objects) List(ctx context.Context, prefix string) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		pages := s3.NewListObjectsV2Paginator(o.client, &s3.ListObjectsV2Input{Bucket: &o.bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(ObjectInfo{}, fmt.Errorf("list s3://%s/%s: %w", o.bucket, prefix, err))
				return
			}
			for _, item := range page.Contents {
				info := ObjectInfo{Key: aws.ToString(item.Key), Size: aws.ToInt64(item.Size), Modified: aws.ToTime(item.LastModified)}
				if !yield(info, nil) {
					return
				}
			}
		}
	}
}

// Get opens an object for reading.
func (o *Objects) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	got, err := o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("get s3://%s/%s: %w", o.bucket, key, err)
	}
	return got.Body, nil
}
