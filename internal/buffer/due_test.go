package buffer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// sliced is a buffer with slices of a minute that wait ten seconds.
func sliced(c *buffer.Config) {
	c.ChunkKeys, c.Timekey, c.TimekeyWait = "time", time.Minute, 10*time.Second
}

func at(slice time.Time, line string) *buffer.Batch {
	return &buffer.Batch{Groups: []buffer.Group{{
		Meta: event.Meta{Timekey: slice.Unix(), HasTimekey: true}, Body: []byte(line + "\n"), Ends: []int{len(line) + 1},
	}}}
}

// dueAfter moves the clock second by second until something is queued.
func dueAfter(t *testing.T, b *buffer.Buffer, now *clock) time.Duration {
	t.Helper()
	for passed := time.Duration(0); passed < time.Hour; passed += time.Second {
		if next := b.NextDue(now.now()); !next.IsZero() && next.After(now.now()) {
			b.EnqueueDue(now.now())
			if b.Stats().QueueLength > 0 {
				t.Fatalf("queued %v before NextDue", next.Sub(now.now()))
			}
		}
		b.EnqueueDue(now.now())
		if b.Stats().QueueLength > 0 {
			return passed
		}
		now.pass(time.Second)
	}
	t.Fatal("nothing was due within an hour")
	return 0
}

func TestDue(t *testing.T) {
	slice := time.Unix(1_700_000_000, 0).Truncate(time.Minute)
	for name, c := range map[string]struct {
		timekey time.Time
		want    time.Duration
	}{
		"slice of now":          {slice, 70*time.Second - time.Unix(1_700_000_000, 0).Sub(slice)},
		"next slice":            {slice.Add(time.Minute), 70 * time.Second},
		"an event dated 2100":   {time.Unix(4_102_444_800, 0), 70 * time.Second},
		"late, and by itself":   {slice.Add(-time.Hour), 10 * time.Second},
		"late, but still waits": {slice.Add(-time.Minute), 10*time.Second - time.Unix(1_700_000_000, 0).Sub(slice)},
	} {
		if c.want < 0 {
			c.want = 10 * time.Second
		}
		now := newClock()
		b := open(t, config(sliced), buffer.Options{FS: newDisk(50).FS(), Now: now.now, Elapsed: now.elapsed})
		mustAppend(t, b, at(c.timekey, "x"))
		if got := dueAfter(t, b, now); got != c.want {
			t.Errorf("%s: due after %v, want %v", name, got, c.want)
		}
	}
}

// TestLateChunkWaitsForMore: a backfill does not make one chunk for each event,
// and does not stay for ever either.
func TestLateChunkWaitsForMore(t *testing.T) {
	now := newClock()
	b := open(t, config(sliced), buffer.Options{FS: newDisk(51).FS(), Now: now.now, Elapsed: now.elapsed})
	for i := range 30 {
		mustAppend(t, b, at(time.Unix(1_600_000_020, 0), fmt.Sprint(i)))
		now.pass(5 * time.Second)
		b.EnqueueDue(now.now())
	}
	got := drain(t, b)
	if len(got) != 3 { // 150 s in chunks of at most 70
		t.Errorf("a backfill of 150 s made %d chunks: %s", len(got), strings.Join(got, " | "))
	}
}

func TestClockSetBack(t *testing.T) {
	now := newClock()
	disk := newDisk(52)
	b := open(t, config(sliced), buffer.Options{FS: disk.FS(), Now: now.now, Elapsed: now.elapsed})
	mustAppend(t, b, at(now.now().Truncate(time.Minute), "x"))
	now.setBack(24 * time.Hour)
	if got := dueAfter(t, b, now); got != 70*time.Second {
		t.Errorf("due after %v, want 70 s by the monotonic clock", got)
	}
	drain(t, b)

	// The same over a restart: the wall clock of the chunk is of the future.
	mustAppend(t, b, at(now.now().Truncate(time.Minute), "y"))
	disk.Kill()
	now.setBack(24 * time.Hour)
	b = open(t, config(sliced), buffer.Options{FS: disk.FS(), Now: now.now, Elapsed: now.elapsed})
	if got := dueAfter(t, b, now); got != 70*time.Second {
		t.Errorf("due %v after a restart, want 70 s", got)
	}
}

// TestClockSetForward: the clock was wrong at start and is corrected: what is due
// by the right time leaves.
func TestClockSetForward(t *testing.T) {
	now := newClock()
	b := open(t, config(sliced), buffer.Options{FS: newDisk(53).FS(), Now: now.now, Elapsed: now.elapsed})
	mustAppend(t, b, at(now.now().Truncate(time.Minute), "x"))
	now.setBack(-time.Hour)
	if got := dueAfter(t, b, now); got != 0 {
		t.Errorf("due after %v, want at once", got)
	}
}

func TestResumedChunksStayUntilDue(t *testing.T) {
	now := newClock()
	disk := newDisk(54)
	o := func(fingerprint byte) buffer.Options {
		return buffer.Options{FS: disk.FS(), Now: now.now, Elapsed: now.elapsed, Fingerprint: [8]byte{fingerprint}}
	}
	b := open(t, config(sliced), o(1))
	mustAppend(t, b, at(now.now().Truncate(time.Minute), "x"))
	disk.Kill()
	b = open(t, config(sliced), o(1))
	if s := b.Stats(); s.StageLength != 1 || s.QueueLength != 0 {
		t.Errorf("after a restart: %+v", s)
	}
	disk.Kill()
	b = open(t, config(sliced), o(2)) // another formatter
	if s := b.Stats(); s.StageLength != 0 || s.QueueLength != 1 {
		t.Errorf("after a restart with another fingerprint: %+v", s)
	}
	wantChunks(t, b, ": x")
}

func TestQueuedChunksLimit(t *testing.T) {
	now := newClock()
	b := open(t, config(sliced, func(c *buffer.Config) { c.QueuedChunksLimit = 2 }),
		buffer.Options{FS: newDisk(56).FS(), Now: now.now, Elapsed: now.elapsed})
	for i := range 5 {
		mustAppend(t, b, at(time.Unix(int64(1_600_000_020+60*i), 0), fmt.Sprint(i)))
	}
	now.pass(time.Hour)
	b.EnqueueDue(now.now())
	b.EnqueueDue(now.now())
	if s := b.Stats(); s.QueueLength > 5 || s.StageLength == 0 && s.QueueLength == 5 {
		t.Errorf("%+v", s)
	}
	if n := len(drain(t, b)); n != 5 {
		t.Errorf("%d chunks", n)
	}
}
