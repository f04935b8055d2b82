package buffer_test

import (
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
)

// slowDisk holds up the second fsync of the first file that is made: the one that comes
// with the seal.
type slowDisk struct {
	buffer.FS
	mu    sync.Mutex
	first string
	free  chan struct{}
}

func (d *slowDisk) Open(name string, flag int, perm fs.FileMode) (buffer.File, error) {
	f, err := d.FS.Open(name, flag, perm)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first == "" {
		d.first = name
		return &slowFile{File: f, free: d.free}, err
	}
	return f, err
}

type slowFile struct {
	buffer.File
	synced int
	free   chan struct{}
}

func (f *slowFile) Sync() error {
	if f.synced++; f.synced == 2 {
		<-f.free
	}
	return f.File.Sync()
}

// TestOlderChunkGoesFirst: chunks leave in the order in which they were filled, however
// long it takes to seal one.
func TestOlderChunkGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{FS: newDisk(91).FS(), free: make(chan struct{})}
		b := open(t, config(func(c *buffer.Config) { c.ChunkLimitRecords = 1 }), buffer.Options{FS: disk})
		for _, name := range []string{"first", "second", "third"} {
			mustAppend(t, b, batch("a", name))
			time.Sleep(time.Millisecond) // ids tell the order by their time
		}
		synctest.Wait()
		if c, ok := b.Dequeue(); ok {
			t.Errorf("%q overtook one that is being sealed", content(t, c))
		}
		close(disk.free)
		synctest.Wait()
		select {
		case <-b.Ready():
		default:
			t.Error("nobody is told that the first one is there")
		}
		wantChunks(t, b, "a: first", "a: second", "a: third")
	})
}
