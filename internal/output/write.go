package output

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/plugin"
)

// write delivers one chunk and settles it: purged, taken back for a retry, or
// given up.
func (o *Buffered) write(ctx context.Context, c *buffer.Chunk) {
	began := time.Now()
	if o.secondary != nil && (o.retry.secondary(began) || o.own.secondary(&o.flush, c.ID(), began)) {
		o.writeSecondary(ctx, c)
		return
	}
	err := o.out.Write(ctx, c)
	took := time.Since(began)
	o.counts.wrote(took, err)
	switch {
	case err == nil:
		o.done(c, took)
	case plugin.IsPermanent(err):
		o.hopeless(ctx, c, err)
	default:
		o.failed(c, began, err)
	}
}

// done purges a delivered chunk. The purge may fail (the disk is gone, say);
// then the chunk is met again after a restart, and the note in it says what was
// done.
func (o *Buffered) done(c *buffer.Chunk, took time.Duration) {
	if o.slowFlush > 0 && took > o.slowFlush {
		o.counts.slow()
		o.env.Log.Warn("buffer flush took longer time than slow_flush_log_threshold:",
			"elapsed_time", took.Seconds(), "slow_flush_log_threshold", o.slowFlush.Seconds(), "plugin_id", o.env.ID)
	}
	o.own.forget(c.ID())
	if o.retry.succeeded() {
		o.env.Log.Warn("retry succeeded.", "chunk_id", c.ID().String())
	}
	if err := o.buf.Purge(c); err != nil {
		o.env.Log.Error("remove a delivered chunk", "chunk_id", c.ID().String(), "error", err)
	}
}

// failed schedules the next attempt, or ends the retries.
func (o *Buffered) failed(c *buffer.Chunk, began time.Time, cause error) {
	now := time.Now()
	step, next := o.retry.failed(began, now)
	o.own.failed(&o.flush, c.ID(), now)
	o.counts.failed()
	if o.retry.over(now) {
		o.env.Log.Error("Hit limit for retries. dropping all chunks in the buffer queue.",
			slog.Int("retry_times", step), slog.Int("records", o.queuedEvents()), slog.Any("error", cause))
		o.giveUpAll(c, cause)
		return
	}
	if o.own.over(&o.flush, c.ID(), now) {
		o.env.Log.Error("Hit limit for retries of a chunk, while others are taken.", "chunk_id", c.ID().String(), "error", cause)
		o.giveUp(c, cause)
		return
	}
	o.env.Log.Warn("failed to flush the buffer.", slog.Int("retry_times", step),
		slog.Time("next_retry_time", next.Truncate(time.Second)), slog.String("chunk", c.ID().String()), slog.Any("error", cause))
	o.counts.rollback()
	o.buf.TakeBack(c)
}

func (o *Buffered) writeSecondary(ctx context.Context, c *buffer.Chunk) {
	began := time.Now()
	if err := o.secondary.Write(ctx, c); err != nil {
		o.failed(c, began, err)
		return
	}
	o.counts.secondary()
	o.retry.succeeded()
	o.own.forget(c.ID())
	o.env.Log.Warn("retry succeeded by secondary.", "chunk_id", c.ID().String())
	if err := o.buf.Purge(c); err != nil {
		o.env.Log.Error("remove a delivered chunk", "chunk_id", c.ID().String(), "error", err)
	}
}

// hopeless handles a chunk that no retry can deliver.
func (o *Buffered) hopeless(ctx context.Context, c *buffer.Chunk, cause error) {
	o.counts.failed()
	if o.secondary != nil {
		o.env.Log.Warn("got unrecoverable error in primary. Skip retry and flush chunk to secondary", "error", cause.Error())
		if err := o.secondary.Write(ctx, c); err == nil {
			o.counts.secondary()
			o.own.forget(c.ID())
			if err := o.buf.Purge(c); err != nil {
				o.env.Log.Error("remove a delivered chunk", "chunk_id", c.ID().String(), "error", err)
			}
			return
		} else if !plugin.IsPermanent(err) {
			o.failed(c, time.Now(), err)
			return
		}
	}
	o.env.Log.Warn("got unrecoverable error in primary and no secondary", "error", cause.Error())
	o.giveUp(c, cause)
}

// giveUpAll ends the retries of everything that is queued, as Fluentd does; but
// where Fluentd drops the chunks they go to the backup folder. When one can not go
// there, the others stay queued with it.
func (o *Buffered) giveUpAll(c *buffer.Chunk, cause error) {
	for ok := true; ok && o.giveUp(c, cause); {
		c, ok = o.buf.Dequeue()
	}
	o.retry.succeeded()
}

// giveUp moves a chunk to the backup folder. Only disable_chunk_backup lets it
// be deleted; a backup that is full keeps the chunk in the queue: false.
func (o *Buffered) giveUp(c *buffer.Chunk, cause error) bool {
	o.own.forget(c.ID())
	place, err := o.buf.Backup(c, cause.Error())
	if err != nil {
		o.env.Log.Error("move a chunk to the backup folder; it stays queued", "chunk_id", c.ID().String(), "error", err)
		o.own.failed(&o.flush, c.ID(), time.Now())
		o.buf.TakeBack(c)
		return false
	}
	if place == "" {
		o.counts.discarded(c.Events())
		o.env.Log.Warn("disable_chunk_backup is true. " + c.ID().String() + " chunk is thrown away")
	} else {
		o.env.Log.Warn("bad chunk is moved to " + place)
	}
	return true
}

// queuedEvents counts those of chunks that are just being written, too.
func (o *Buffered) queuedEvents() int { return int(o.buf.Stats().QueueEvents) }
