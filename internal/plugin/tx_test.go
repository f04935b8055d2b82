package plugin_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// open opens a buffer on a disk of its own.
func open(t *testing.T, limit int64) (*buffer.Buffer, *crashfs.Disk) {
	t.Helper()
	disk := crashfs.New(rand.New(rand.NewPCG(1, 2)))
	c := buffer.DefaultConfig()
	c.Type, c.Path, c.ChunkKeys, c.MinFree, c.ChunkLimitSize, c.TotalLimitSize = "file", "/var/buf", "", 1, 1<<20, limit
	b, err := buffer.Open(c, buffer.Options{FS: disk.FS()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return b, disk
}

func batch(line string) *buffer.Batch {
	return &buffer.Batch{Groups: []buffer.Group{{Meta: event.Meta{}, Body: []byte(line), Ends: []int{len(line)}}}}
}

// stored is how many events a buffer holds.
func stored(b *buffer.Buffer) int64 { s := b.Stats(); return s.StageEvents + s.QueueEvents }

// TestReserveComesFirst: when one of several buffers is full the request is refused
// and nothing of it is stored in the others, whatever their order.
func TestReserveComesFirst(t *testing.T) {
	for _, fullFirst := range []bool{false, true} {
		good, _ := open(t, 1<<20)
		full, _ := open(t, 10)
		all := []*buffer.Buffer{good, full}
		if fullFirst {
			all = []*buffer.Buffer{full, good}
		}
		tx := plugin.Begin(t.Context())
		told := 0
		for _, b := range all {
			tx.Append(b, batch("an event that is long\n"), func(err error) {
				if err != nil {
					told++
				}
			})
		}
		if err := tx.Commit(t.Context()); !errors.Is(err, buffer.ErrFull) {
			t.Errorf("full first %v: got %v, want that the buffer is full", fullFirst, err)
		}
		if n := stored(good); n != 0 || told != 2 {
			t.Errorf("full first %v: %d events stored in the other buffer, %d appends told", fullFirst, n, told)
		}
		if used := good.Stats().Used; used != 0 {
			t.Errorf("full first %v: %d bytes stay reserved", fullFirst, used)
		}
	}
}

// TestStandInWhileWriting: an append that the disk fails is dropped where that is
// allowed; what is planned in its place has a turn of its own, and neither takes the
// other's memory.
func TestStandInWhileWriting(t *testing.T) {
	broken, disk := open(t, 1<<20)
	spare, _ := open(t, 1<<20)
	disk.Inject(func(op crashfs.Op, _ string) error {
		if op == crashfs.Write {
			return syscall.EIO
		}
		return nil
	})
	tx := plugin.Begin(t.Context())
	var brokenErr, spareErr error = errors.New("not told"), errors.New("not told")
	err := tx.IgnoreErrors(func() error {
		tx.Append(broken, batch("one\n"), func(err error) { brokenErr = err })
		return nil
	}, func(error) error {
		tx.Append(spare, batch("one\n"), func(err error) { spareErr = err })
		return nil
	})
	if err = errors.Join(err, tx.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(brokenErr, syscall.EIO) || spareErr != nil || stored(spare) != 1 {
		t.Errorf("broken: %v, spare: %v with %d events", brokenErr, spareErr, stored(spare))
	}
}
