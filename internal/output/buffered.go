// Package output holds what events end in, one file a plugin, named as in
// Fluentd, and the machine that all buffered outputs share: how events get into
// a buffer (this file), when chunks leave (flush.go, flusher.go), what happens
// when they can not (retry.go, retry_own.go, write.go).
package output

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// Buffered is an output with its buffer: it accepts events for the router, and
// Run writes the chunks out.
type Buffered struct {
	env       plugin.Env
	out       plugin.Output
	secondary plugin.Output
	makeOther func(typ string) (plugin.Output, error)

	buffer    buffer.Config
	bufferSet bool
	flush     Flush
	slowFlush time.Duration
	before    *Buffered // whose buffer's folder this one takes over; nil: nobody's
	warnings  []error   // what Check found to be suspicious

	buf    *buffer.Buffer
	keys   chunkKeys
	retry  retryState
	own    ownRetries
	counts *counts
	wake   chan struct{}
	full   *cli.Limit // of the warnings that the buffer is full
}

// fullInterval is how often at most an output says that its buffer is full: each
// refused request is in the counts, and in the answer.
const fullInterval = 5 * time.Second

// NewBuffered gives an output its buffer. secondary makes the output of a
// <secondary> section.
func NewBuffered(env plugin.Env, out plugin.Output, secondary func(typ string) (plugin.Output, error)) *Buffered {
	o := &Buffered{env: env, out: out, makeOther: secondary, wake: make(chan struct{}, 1), full: cli.NewLimit(fullInterval)}
	o.retry.cfg = &o.flush
	o.buffer = buffer.DefaultConfig()
	if d, ok := out.(interface{ BufferDefaults(*buffer.Config) }); ok {
		d.BufferDefaults(&o.buffer)
	}
	return o
}

// Params declares the output's own parameters, its <buffer> and its <secondary>.
func (o *Buffered) Params(p *param.Set) {
	o.out.Params(p)
	p.Time("slow_flush_log_threshold", &o.slowFlush, 20*time.Second, "Warn about a flush that takes longer.")
	param.Section(p, "buffer", &o.buffer, func(p *param.Set, c *buffer.Config) {
		c.Params(p)
		o.flush.Params(p)
	}, "How events are kept until they leave, and when they do.").Present(&o.bufferSet)
	param.Plugin(p, "secondary", &o.secondary, "", o.makeOther, "Output that takes over chunks which this one can not write.")
}

// Check holds the rules between <buffer>, the flush and the output.
func (o *Buffered) Check() error {
	if o.buffer.Path == "" && o.buffer.OnDisk() {
		o.buffer.Path = o.defaultPath()
		if o.buffer.Path == "" {
			return param.Errorf("path", "write `path /var/lib/relay/buffer/"+o.env.Type+"` into <buffer>; or <system> root_dir and an @id",
				"buffer path is not configured. specify 'path' in <buffer>") // as Fluentd words it
		}
	}
	o.flush.resolve(o.buffer.Timekeyed(), !o.buffer.OnDisk())
	if o.flush.intervalSet && !o.flush.modeSet && o.flush.Mode != "interval" {
		o.warnings = append(o.warnings, param.Errorf("flush_interval", "write `flush_mode interval`, or leave the line out",
			"'flush_interval' is ignored because default 'flush_mode' is not 'interval': '%s'", o.flush.Mode))
	}
	if err := errors.Join(o.buffer.Check(), o.flush.check()); err != nil {
		return err
	}
	if d, ok := o.out.(interface {
		SetBuffer(buffer.Config, int) error
	}); ok {
		if err := d.SetBuffer(o.buffer, o.flush.Threads); err != nil {
			return err
		}
	}
	if c, ok := o.out.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return err
		}
	}
	return o.checkSecondary()
}

// defaultPath is the folder of a file buffer that does not say its own; "" when
// there is none.
func (o *Buffered) defaultPath() string {
	if o.env.RootDir != "" && o.env.HasID {
		return filepath.Join(o.env.RootDir, "worker0", o.env.ID, "buffer")
	}
	if p, ok := o.out.(interface{ BufferPath() string }); ok {
		return p.BufferPath()
	}
	return ""
}

// checkSecondary tells the secondary whose chunks it will get, and how they are
// keyed.
func (o *Buffered) checkSecondary() error {
	if s, ok := o.secondary.(interface{ AsSecondary(primary string) error }); ok {
		if err := s.AsSecondary(o.env.Type); err != nil {
			return o.placeSecondary(err)
		}
	}
	if s, ok := o.secondary.(interface {
		SetBuffer(buffer.Config, int) error
	}); ok {
		if err := s.SetBuffer(o.buffer, o.flush.Threads); err != nil {
			return o.placeSecondary(err)
		}
	}
	return nil
}

func (o *Buffered) placeSecondary(err error) error {
	for _, child := range o.env.Node.Children {
		if child.Name == "secondary" {
			return param.Place(err, child, o.env.Node.Title()+" <secondary> ("+child.Text("@type")+")")
		}
	}
	return err
}

// Warnings is what [Buffered.Check] found that is legal and has no effect.
func (o *Buffered) Warnings() []error { return o.warnings }

// Path is the buffer's folder; "" for a memory buffer.
func (o *Buffered) Path() string {
	if !o.buffer.OnDisk() {
		return ""
	}
	return o.buffer.Path
}

// TakeOver says which output of this process has the buffer's folder until it closes.
func (o *Buffered) TakeOver(before *Buffered) { o.before = before }

// held is the buffer; nil when there is none.
func (o *Buffered) held() *buffer.Buffer {
	if o == nil {
		return nil
	}
	return o.buf
}

// Memory reports whether the buffer dies with the process.
func (o *Buffered) Memory() bool { return !o.buffer.OnDisk() }

// Node is the section that the output stands for.
func (o *Buffered) Node() *conf.Node { return o.env.Node }

// Writers is who writes the chunks: the output, and its secondary where it has one.
func (o *Buffered) Writers() []plugin.Output {
	if o.secondary == nil {
		return []plugin.Output{o.out}
	}
	return []plugin.Output{o.out, o.secondary}
}

// BufferPos is where its <buffer> section begins, or the section itself.
func (o *Buffered) BufferPos() conf.Pos {
	for _, child := range o.env.Node.Children {
		if child.Name == "buffer" {
			return child.Pos
		}
	}
	return o.env.Node.Pos
}

// Start opens the buffer, takes up what an earlier process left, and starts the
// output itself.
func (o *Buffered) Start(ctx context.Context) error {
	if s, ok := o.out.(interface{ Start(context.Context) error }); ok {
		if err := s.Start(ctx); err != nil {
			return o.place(err)
		}
	}
	if s, ok := o.secondary.(interface{ Start(context.Context) error }); ok {
		if err := s.Start(ctx); err != nil {
			return o.place(err)
		}
	}
	buf, err := buffer.Open(o.buffer, buffer.Options{
		ID: o.env.ID, Log: o.env.Log, Metrics: o.env.Metrics, Fingerprint: o.fingerprint(), BackupDir: o.backupDir(),
		FlushThreads: o.flush.Threads, Before: o.before.held(),
	})
	if err != nil {
		return o.place(err)
	}
	if b, ok := o.out.(interface{ BufferOpened(folder string) error }); ok && o.buffer.OnDisk() {
		if err := b.BufferOpened(buf.Folder()); err != nil {
			return o.place(errors.Join(err, buf.Close(ctx)))
		}
	}
	o.buf, o.before = buf, nil
	o.keys = newChunkKeys(o.buffer)
	o.counts = newCounts(o)
	return nil
}

// place names the section in an error of the start.
func (o *Buffered) place(err error) error {
	return param.Place(err, o.env.Node, o.env.Node.Title()+" ("+o.env.Type+")")
}

// fingerprint is a hash of what shapes a chunk's body: with another formatter or
// other keys on the same folder a new chunk begins.
func (o *Buffered) fingerprint() [8]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s %v %s", o.env.Type, o.buffer.Keys(), o.buffer.Compress)
	for _, child := range o.env.Node.Children {
		if child.Name == "format" || child.Name == "inject" {
			writeNode(h, child)
		}
	}
	var sum [8]byte
	copy(sum[:], h.Sum(nil))
	return sum
}

func writeNode(w io.Writer, n *conf.Node) {
	fmt.Fprintf(w, "<%s>", n.Title())
	for _, p := range n.Params {
		fmt.Fprintf(w, "%s=%s;", p.Name, p.Value.Text)
	}
	for _, child := range n.Children {
		writeNode(w, child)
	}
}

// backupDir is where a memory buffer's hopeless chunks go; a file buffer keeps
// them beside its chunks.
func (o *Buffered) backupDir() string {
	root := o.env.RootDir
	if root == "" {
		root = "/tmp/fluent"
	}
	return filepath.Join(root, "backup", "worker0", o.env.ID)
}

// Ready says why the output can not work just now.
func (o *Buffered) Ready() error {
	if o.buf == nil {
		return errors.New("not started")
	}
	if err := o.buf.Health(); err != nil {
		return err
	}
	if r, ok := o.out.(interface{ Ready() error }); ok {
		if err := r.Ready(); err != nil {
			return err
		}
	}
	if since, next, steps := o.retry.snapshot(); !since.IsZero() {
		return fmt.Errorf("flushing fails since %s: retry %d at %s", since.Format(time.TimeOnly), steps+1, next.Format(time.TimeOnly))
	}
	return nil
}

// Close closes the buffer and the output.
func (o *Buffered) Close(ctx context.Context) error {
	var errs []error
	if o.buf != nil {
		errs = append(errs, o.buf.Close(ctx))
	}
	for _, out := range []plugin.Output{o.out, o.secondary} {
		if c, ok := out.(interface{ Close(context.Context) error }); ok {
			errs = append(errs, c.Close(ctx))
		}
	}
	return errors.Join(errs...)
}
