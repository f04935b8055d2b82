package s3sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluicelog/sluice/internal/awsconf"
)

const (
	// lookAgain is how often a bucket that could not be reached is tried.
	lookAgain = 10 * time.Second
	// complainEvery is how often that is said.
	complainEvery = time.Minute
	// lookTimeout bounds one look, so that a start does not hang.
	lookTimeout = 20 * time.Second
)

// Start makes the client and looks at the bucket. What another configuration
// alone can mend is an error; what a minute can cure (refused, time-out, 5xx,
// 403, expired credentials) is not: it is looked at again until it is right, and
// Ready says so.
func (o *output) Start(ctx context.Context) error {
	o.counts = newCounts(o.env)
	if !o.foreign() {
		o.proof.assume()
		o.parts.assume()
	}
	o.counts.proof(o.proof.proved())
	conf, err := o.aws.NewConfig(ctx)
	if err != nil {
		return err
	}
	if idle, ok := conf.HTTPClient.(interface{ CloseIdleConnections() }); ok {
		o.hangUp = idle.CloseIdleConnections
	}
	b := &door{o: o, client: o.client(conf)}
	o.store = &bucketStore{client: b.client, name: o.bucket, options: &o.put}
	first, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err = b.look(first)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case awsconf.KindOf(err) != awsconf.Retry:
		return err
	}
	o.trouble.start(err)
	o.log.Error("the bucket can not be used just now; events are taken and kept", "error", err)
	o.stop = o.lookUntilGood(b)
	return nil
}

func (o *output) client(conf aws.Config) *s3.Client {
	return s3.NewFromConfig(conf, func(so *s3.Options) {
		so.UsePathStyle, so.UseAccelerate = o.begin.pathStyle, o.begin.accelerate
		so.DisableLogOutputChecksumValidationSkipped = true
		if o.begin.dualStack {
			so.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
		if o.endpoint != "" {
			so.BaseEndpoint = aws.String(o.endpoint)
		}
	})
}

// lookUntilGood tries the bucket in the background and returns how to stop that.
func (o *output) lookUntilGood(b *door) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		said := time.Now()
		for wait(ctx, lookAgain) == nil {
			err := b.look(ctx)
			if ctx.Err() != nil {
				return
			}
			o.trouble.start(err)
			if err == nil {
				o.log.Info("the bucket can be used now")
				return
			}
			if time.Since(said) >= complainEvery {
				said = time.Now()
				o.log.Error("the bucket can not be used just now; events are taken and kept", "error", err)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// Ready says what keeps the output from working, nil when nothing does.
func (o *output) Ready() error { return o.trouble.now() }

// Close ends what Start began.
func (o *output) Close(context.Context) error {
	if o.stop != nil {
		o.stop()
		o.stop = nil
	}
	if o.hangUp != nil {
		o.hangUp()
	}
	return nil
}

// door looks at the bucket, as fluent-plugin-s3 does at its start.
type door struct {
	o      *output
	client *s3.Client
}

func (d *door) look(ctx context.Context) error {
	begin := &d.o.begin
	if begin.checkKeys {
		if err := d.tryKeys(ctx); err != nil {
			return err
		}
	}
	if begin.checkBucket {
		if err := d.ensureBucket(ctx); err != nil {
			return err
		}
	}
	if len(begin.lifecycle) > 0 {
		return d.ensureLifecycle(ctx)
	}
	return nil
}

// tryKeys lists one object. A missing bucket is ensureBucket's matter.
func (d *door) tryKeys(ctx context.Context) error {
	err := d.repeat(ctx, func() error {
		_, err := d.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &d.o.bucket, MaxKeys: aws.Int32(1), Prefix: text(plainPrefix(d.o.keys.path)),
		})
		return err
	})
	if err == nil || awsconf.Code(err) == "NoSuchBucket" {
		return nil
	}
	return fmt.Errorf("can't call S3 API. Please check your credentials or s3_region configuration. error = %w", awsconf.Brief(err))
}

// plainPrefix is the part of path that holds no placeholder yet.
func plainPrefix(path string) string {
	if i := strings.IndexAny(path, "%$"); i >= 0 {
		return path[:i]
	}
	return path
}

func (d *door) ensureBucket(ctx context.Context) error {
	err := d.repeat(ctx, func() error {
		_, err := d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &d.o.bucket})
		return err
	})
	switch {
	case err == nil:
		return nil
	case awsconf.Status(err) == http.StatusBadRequest:
		// An answer to HEAD has no body that says more; expired credentials look so.
		return &later{fmt.Errorf("look for bucket %s: %w", d.o.bucket, awsconf.Brief(err))}
	case awsconf.Status(err) != http.StatusNotFound:
		return fmt.Errorf("look for bucket %s: %w", d.o.bucket, awsconf.Brief(err))
	case !d.o.begin.autoCreate:
		return awsconf.Misconfigured(fmt.Errorf("The specified bucket does not exist: bucket = %s", d.o.bucket)) //nolint:staticcheck // Fluentd's own words
	}
	return d.create(ctx)
}

func (d *door) create(ctx context.Context) error {
	d.o.log.Info("Creating bucket "+d.o.bucket, "endpoint", d.o.endpoint)
	in := &s3.CreateBucketInput{Bucket: &d.o.bucket, ACL: types.BucketCannedACL("")}
	if region := d.o.aws.RegionName(); region != awsconf.DefaultRegion {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err := d.client.CreateBucket(ctx, in)
	if code := awsconf.Code(err); err == nil || code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return fmt.Errorf("create bucket %s: %w", d.o.bucket, awsconf.Brief(err))
}

// ensureLifecycle replaces the bucket's rules when they differ.
func (d *door) ensureLifecycle(ctx context.Context) error {
	old, err := d.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &d.o.bucket})
	if err != nil && awsconf.Code(err) != "NoSuchLifecycleConfiguration" {
		return fmt.Errorf("read the lifecycle of bucket %s: %w", d.o.bucket, awsconf.Brief(err))
	}
	rules := d.rules()
	if err == nil && slices.EqualFunc(old.Rules, rules, sameRule) {
		return nil
	}
	_, err = d.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &d.o.bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
	})
	if err != nil {
		return fmt.Errorf("set the lifecycle of bucket %s: %w", d.o.bucket, awsconf.Brief(err))
	}
	d.o.log.Info("the bucket has new lifecycle rules", "bucket", d.o.bucket, "rules", len(rules))
	return nil
}

func (d *door) rules() []types.LifecycleRule {
	sorted := slices.SortedFunc(slices.Values(d.o.begin.lifecycle), func(a, b lifecycleRule) int { return strings.Compare(a.id, b.id) })
	rules := make([]types.LifecycleRule, len(sorted))
	for i, r := range sorted {
		rules[i] = types.LifecycleRule{
			ID: aws.String(r.id), Status: types.ExpirationStatusEnabled,
			// The old place of the prefix: it is what fluent-plugin-s3 writes, so that
			// moving over and back changes nothing.
			//lint:ignore SA1019 see above
			Prefix:     aws.String(r.prefix),
			Expiration: &types.LifecycleExpiration{Days: aws.Int32(int32(r.days))},
		}
	}
	return rules
}

func sameRule(a, b types.LifecycleRule) bool {
	days := func(r types.LifecycleRule) int32 {
		if r.Expiration == nil {
			return 0
		}
		return aws.ToInt32(r.Expiration.Days)
	}
	//lint:ignore SA1019 see rules
	return aws.ToString(a.ID) == aws.ToString(b.ID) && aws.ToString(a.Prefix) == aws.ToString(b.Prefix) &&
		a.Status == b.Status && days(a) == days(b)
}

// repeat tries again at once what the service is too busy for; a connection
// that can not be had is left to the next look.
func (d *door) repeat(ctx context.Context, ask func() error) error {
	for try := 0; ; try++ {
		err := ask()
		if err == nil || awsconf.Status(err) == 0 || !passing(err) || try == quickTries || d.o.pause(ctx, try) != nil {
			return err
		}
	}
}

// later is an error that a start survives, and after which a chunk is tried again,
// whatever its status looks like.
type later struct{ err error }

func (l *later) Error() string { return l.err.Error() }

// trouble is why the output is not ready. What the start found lasts until a look
// or a write succeeds, what a write found until one succeeds.
type trouble struct {
	mu        sync.Mutex
	atStart   error
	undecided error
}

func (t *trouble) start(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.atStart = err
}

func (t *trouble) wrote(err error) {
	var u *undecided
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.atStart, t.undecided = nil, nil
	case errors.As(err, &u):
		t.undecided = err
	}
}

func (t *trouble) now() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undecided != nil {
		return t.undecided
	}
	return t.atStart
}
