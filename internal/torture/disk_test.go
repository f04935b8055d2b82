package torture

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

// mortal is the disk of one process. It can end the process exactly before one of
// its operations, between any two steps of a seal or a purge.
type mortal struct {
	buffer.FS
	disk  *crashfs.Disk
	fuse  atomic.Int64 // operations left; 0 is no fuse
	power atomic.Bool  // the power goes too
	once  sync.Once
	dead  chan struct{}
}

func newMortal(d *crashfs.Disk) *mortal {
	return &mortal{FS: d.FS(), disk: d, dead: make(chan struct{})}
}

// light ends the process before its n-th operation from now on.
func (m *mortal) light(n int64, power bool) {
	m.power.Store(power)
	m.fuse.Store(n)
}

// die ends the process now.
func (m *mortal) die(power bool) {
	m.once.Do(func() {
		if power {
			m.disk.PowerCut()
		} else {
			m.disk.Kill()
		}
		close(m.dead)
	})
}

func (m *mortal) isDead() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

func (m *mortal) tick() {
	if m.fuse.Load() > 0 && m.fuse.Add(-1) == 0 {
		m.die(m.power.Load())
	}
}

func (m *mortal) Open(name string, flag int, perm fs.FileMode) (buffer.File, error) {
	m.tick()
	f, err := m.FS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return mortalFile{f, m}, nil
}

func (m *mortal) Rename(from, to string) error { m.tick(); return m.FS.Rename(from, to) }
func (m *mortal) Remove(name string) error     { m.tick(); return m.FS.Remove(name) }
func (m *mortal) SyncDir(name string) error    { m.tick(); return m.FS.SyncDir(name) }

type mortalFile struct {
	buffer.File
	m *mortal
}

func (f mortalFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.tick()
	return f.File.WriteAt(p, off)
}

func (f mortalFile) WriteBoth(head, body []byte, off int64) (int, error) {
	f.m.tick()
	return f.File.WriteBoth(head, body, off)
}

func (f mortalFile) Truncate(size int64) error { f.m.tick(); return f.File.Truncate(size) }

func (f mortalFile) Allocate(off, n int64) error { f.m.tick(); return f.File.Allocate(off, n) }

func (f mortalFile) Sync() error { f.m.tick(); return f.File.Sync() }

// faultable is what a sick disk refuses.
var faultable = []crashfs.Op{
	crashfs.Sync, crashfs.Sync, crashfs.Sync, crashfs.SyncDir, crashfs.SyncDir, crashfs.Write, crashfs.Rename, crashfs.Remove,
	crashfs.Open, crashfs.Read, crashfs.Trunc, crashfs.Alloc,
}

// sicken lets operations of some kinds fail: one, or each with some probability.
func sicken(d *crashfs.Disk, rng *rand.Rand) (what string) {
	op := faultable[rng.IntN(len(faultable))]
	err := []error{syscall.EIO, syscall.EIO, syscall.ENOSPC}[rng.IntN(3)]
	if rng.IntN(2) == 0 {
		d.FailNth(op, 1+rng.IntN(6), err)
		return "one failing " + string(op)
	}
	own, often := rand.New(rand.NewPCG(rng.Uint64(), 3)), 2+rng.IntN(8)
	all := rng.IntN(4) == 0
	d.Inject(func(o crashfs.Op, _ string) error { // called under the disk's lock
		if (o == op || all) && own.IntN(often) == 0 {
			return err
		}
		return nil
	})
	if all {
		return "everything on the disk fails at times"
	}
	return "often failing " + string(op)
}

func heal(d *crashfs.Disk) {
	d.Inject(nil)
	d.SetCapacity(0)
}

var errNetwork = errors.New("the connection broke")

// dice is a source of randomness that several goroutines share.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64, stream uint64) *dice {
	return &dice{rng: rand.New(rand.NewPCG(seed, stream))}
}

// n is a number from 0 to below limit.
func (d *dice) n(limit int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(limit)
}

func (d *dice) oneIn(n int) bool { return d.n(n) == 0 }

// upTo is a time from 0 to below limit.
func (d *dice) upTo(limit time.Duration) time.Duration { return time.Duration(d.n(int(limit))) }
