// Package s3sink writes chunks into S3, or into a store that speaks S3's
// language: one object per chunk, exactly one.
//
// It is fluent-plugin-s3's `@type s3`, with the same parameters, object keys and
// bytes (docs/reference/output/s3.md), and with what that plugin lacks: a chunk
// whose answer got lost is never stored twice, and no object of somebody else is
// ever overwritten. How:
//
//   - The key of a chunk's object is chosen once and written into the chunk
//     (plan.go), durably, before the first byte is sent. Whatever happens then,
//     this process and any later one try that key again, with the same bytes.
//   - The PUT says If-None-Match: *, and each object carries the chunk's id in
//     x-amz-meta-sluice-chunk (put.go). An answer 412 asks for a HEAD: our id is
//     "done", another the next index. Where a HEAD is not allowed, a 412 to the
//     very first request for a key means that it is a stranger's (send.go).
//   - A store that is not Amazon's must first prove that it honours the header
//     (prove.go); until then, and for ever if it does not, a HEAD goes before
//     each PUT, as in Fluentd.
//
// Compression (compress.go, spool.go) is done in process, from the chunk into a
// bounded piece of memory or an unlinked file, and gives the same bytes on every
// attempt.
package s3sink

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/awsconf"
	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// output is `@type s3`. What is above the blank line is decoded; what is below
// is made by SetBuffer, Check and Start, in that order.
type output struct {
	env       plugin.Env
	log       *slog.Logger
	aws       awsconf.Config
	bucket    string
	endpoint  string
	keys      keyOptions
	put       putOptions
	begin     startOptions
	storeAs   storeOptions
	delay     time.Duration
	delaySet  bool
	formatter plugin.Formatter
	inject    plugin.Inject

	buffer  buffer.Config
	threads int
	format  *keyFormat
	meta    []metadataTemplate
	pack    *packer
	store   store
	mayHead atomic.Bool // the store has answered a HEAD
	proof   proof       // of a PUT
	parts   proof       // of an upload in parts, which some stores treat otherwise
	indexes indexes
	trouble trouble
	counts  *counts
	pause   func(ctx context.Context, try int) error
	clock   clock
	stop    func() // ends and waits for the goroutine of Start; nil when there is none
	hangUp  func() // closes idle connections
}

// chunk is what is needed of a *buffer.Chunk.
type chunk interface {
	ID() event.ChunkID
	Meta() event.Meta
	Open() (io.ReadCloser, error)
	Note() (map[string]string, bool)
	SetNote(map[string]string) error
	Conditional(bool)
}

// clock is the time that goes into keys.
type clock struct {
	now  func() time.Time
	wait func(ctx context.Context, d time.Duration) error
}

// New makes an S3 output.
func New(env plugin.Env) plugin.Output {
	o := &output{env: env, log: env.Log, threads: 1, pause: backOff, clock: clock{time.Now, wait}}
	o.buffer.Timekey = 24 * time.Hour // as a secondary it is told of no buffer
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Params declares every parameter of fluent-plugin-s3 1.8.
func (o *output) Params(p *param.Set) {
	p.String("s3_bucket", &o.bucket, "", "Bucket to write to.").Required()
	p.String("s3_region", &o.aws.Region, "", "Region of the bucket; AWS_REGION, else us-east-1, when it is not set.")
	p.String("s3_endpoint", &o.endpoint, "", "URL of a store that is not Amazon's, such as https://minio.example.com:9000.")
	o.aws.Params(p)
	o.keys.params(p)
	o.storeAs.params(p)
	o.put.params(p)
	o.begin.params(p)
	p.Time("warn_for_delay", &o.delay, 0, "Warn about an object whose events are older than this.").Present(&o.delaySet)
	param.Plugin(p, "format", &o.formatter, "out_file", o.env.Formatter, "How an event is written; out_file is time, tag and JSON, separated by tabs.")
	o.inject.Params(p)
	flatParams(p)
}

// BufferDefaults are those of fluent-plugin-s3: slices of a day. What an old
// configuration without <buffer> says flatly is put in, too.
func (o *output) BufferDefaults(c *buffer.Config) {
	c.ChunkKeys = "time"
	c.Timekey = 24 * time.Hour
	flatBuffer(o.env.Node, c)
}

// SetBuffer tells how the buffer is set up, and how many threads flush it.
func (o *output) SetBuffer(c buffer.Config, threads int) error {
	o.buffer, o.threads = c, threads
	return nil
}

// Format writes an event as <inject> and <format> say.
func (o *output) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	return o.formatter.Format(dst, tag, o.inject.Apply(tag, e))
}

// Write makes one object of the chunk. It returns nil when the object is in the
// bucket, whoever put it there; an error that is [plugin.Permanent] when it never
// can be.
func (o *output) Write(ctx context.Context, c *buffer.Chunk) error { return o.write(ctx, c) }
