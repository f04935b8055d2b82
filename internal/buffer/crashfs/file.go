package crashfs

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
)

const sector = 64

// inode is a file's content: as processes read it, and as the disk holds it.
type inode struct {
	cache, disk []byte
	// dirty is the bytes of each sector, from lo to hi, that are to be written.
	dirty map[int]span
}

type span struct{ lo, hi int }

func (n *inode) write(p []byte, off int) {
	if need := off + len(p); need > len(n.cache) {
		n.mark(len(n.cache), need) // a hole is zeros
		n.cache = append(n.cache, make([]byte, need-len(n.cache))...)
	}
	copy(n.cache[off:], p)
	n.mark(off, off+len(p))
}

func (n *inode) mark(from, to int) {
	if n.dirty == nil {
		n.dirty = map[int]span{}
	}
	for at := from; at < to; {
		s := at / sector
		lo, hi := at-s*sector, min(to-s*sector, sector)
		if old, there := n.dirty[s]; there {
			lo, hi = min(lo, old.lo), max(hi, old.hi)
		}
		n.dirty[s] = span{lo, hi}
		at = (s + 1) * sector
	}
}

func (n *inode) truncate(size int) {
	if size > len(n.cache) {
		n.write(make([]byte, size-len(n.cache)), len(n.cache))
		return
	}
	n.cache = n.cache[:size:size]
	for s := range n.dirty {
		if s*sector >= size {
			delete(n.dirty, s)
		}
	}
}

// sync makes all of it durable. Bytes that a failed fsync has left clean are not
// written again.
func (n *inode) sync() {
	n.settle(func() fate { return written })
	n.resize(len(n.cache))
}

type fate int

const (
	written fate = iota
	lost
	zeroed
	garbled
)

// settle moves the dirty bytes to the disk, or not.
func (n *inode) settle(decide func() fate) {
	sectors := make([]int, 0, len(n.dirty))
	for s := range n.dirty {
		sectors = append(sectors, s)
	}
	slices.Sort(sectors)
	for _, s := range sectors {
		from, to := s*sector+n.dirty[s].lo, min(s*sector+n.dirty[s].hi, len(n.cache))
		if from >= to {
			continue
		}
		how := decide()
		if how != lost && to > len(n.disk) {
			n.resize(to)
		}
		switch how {
		case written:
			copy(n.disk[from:to], n.cache[from:to])
		case zeroed:
			clear(n.disk[from:to])
		case garbled:
			for i := from; i < to; i++ {
				n.disk[i] = byte(i*31+len(n.disk)*7) | 1
			}
		}
	}
	n.dirty = nil
}

func (n *inode) resize(size int) {
	if size <= len(n.disk) {
		n.disk = n.disk[:size:size]
		return
	}
	n.disk = append(n.disk, make([]byte, size-len(n.disk))...)
}

// fail is a failed fsync: some of the data reach the disk, all of it counts as
// written.
func (n *inode) fail(rng *rand.Rand) {
	size := len(n.disk)
	n.settle(func() fate { return fate(rng.IntN(2)) })
	n.resize(between(rng, size, max(size, len(n.disk))))
	n.resize(max(len(n.disk), min(size, len(n.cache))))
}

// dropCache forgets what is clean.
func (n *inode) dropCache() {
	fresh := make([]byte, len(n.cache))
	copy(fresh, n.disk)
	for s, d := range n.dirty {
		if from, to := s*sector+d.lo, min(s*sector+d.hi, len(fresh)); from < to {
			copy(fresh[from:to], n.cache[from:to])
		}
	}
	n.cache = fresh
}

// powerCut loses the cache.
func (n *inode) powerCut(rng *rand.Rand) {
	before, after := len(n.disk), len(n.cache)
	n.settle(func() fate { return fate(rng.IntN(4)) })
	n.resize(between(rng, min(before, after), max(before, after)))
	n.cache = slices.Clone(n.disk)
}

func between(rng *rand.Rand, lo, hi int) int {
	switch rng.IntN(4) {
	case 0:
		return lo
	case 1:
		return hi
	}
	return lo + rng.IntN(hi-lo+1)
}

// file is a handle.
type file struct {
	d       *Disk
	node    *inode
	name    string
	process int
	closed  bool
	wrote   bool
}

// begin locks the disk and checks that the handle is good.
func (f *file) begin(op Op) (done func(), err error) {
	f.d.mu.Lock()
	switch {
	case f.process != f.d.process:
		err = ErrDead
	case f.closed:
		err = &fs.PathError{Op: string(op), Path: f.name, Err: fs.ErrClosed}
	default:
		err = f.d.before(op, f.name)
	}
	return f.d.mu.Unlock, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	done, err := f.begin(Read)
	defer done()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.cache)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.cache[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) { return f.WriteBoth(p, nil, off) }

// WriteBoth writes until the disk is full. A write that is made to fail may have
// written a part.
func (f *file) WriteBoth(head, body []byte, off int64) (int, error) {
	done, err := f.begin(Write)
	defer done()
	if f.process != f.d.process || f.closed {
		return 0, err
	}
	f.wrote = true
	p := slices.Concat(head, body)
	if err != nil {
		n := f.d.rng.IntN(len(p) + 1)
		n = f.fit(n, off)
		f.node.write(p[:n], int(off))
		return n, err
	}
	n := f.fit(len(p), off)
	f.node.write(p[:n], int(off))
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: f.name, Err: errFull}
	}
	return n, nil
}

// fit is how many of n bytes at off the disk has room for.
func (f *file) fit(n int, off int64) int {
	grows := off + int64(n) - int64(len(f.node.cache))
	if grows <= 0 {
		return n
	}
	return max(n-int(grows-f.d.room(grows)), 0)
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.process != f.d.process {
		return 0, ErrDead
	}
	return int64(len(f.node.cache)), nil
}

func (f *file) Truncate(size int64) error {
	done, err := f.begin(Trunc)
	defer done()
	if err != nil {
		return err
	}
	f.node.truncate(int(size))
	return nil
}

func (f *file) Allocate(off, n int64) error {
	done, err := f.begin(Alloc)
	defer done()
	if err != nil {
		return err
	}
	grows := off + n - int64(len(f.node.cache))
	if grows > 0 && f.d.room(grows) < grows {
		return &fs.PathError{Op: "allocate", Path: f.name, Err: errFull}
	}
	if grows > 0 {
		f.node.truncate(int(off + n))
	}
	return nil
}

func (f *file) Sync() error {
	done, err := f.begin(Sync)
	defer done()
	if f.process != f.d.process || f.closed {
		return err
	}
	if err != nil {
		f.node.fail(f.d.rng)
		return err
	}
	if !f.d.ignoreSync {
		f.node.sync()
	}
	return nil
}

func (f *file) DropCache() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.process != f.d.process {
		return ErrDead
	}
	f.node.dropCache()
	return nil
}

func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.process == f.d.process && !f.closed && f.wrote && len(f.node.dirty) > 0 {
		f.d.dirtyCloses++
	}
	f.closed = true
	return nil
}
