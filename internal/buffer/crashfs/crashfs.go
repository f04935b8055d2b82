// Package crashfs is a disk for tests that can lose what was not made durable.
//
// It has a page cache, as a real disk has: what was written can be read at once,
// and survives a process that is killed, but not a power cut. [Disk.Kill] ends the
// process, [Disk.PowerCut] also loses the cache. What was written and not synced is
// then, byte range by byte range within each 64-byte sector, there, lost, zeros or
// garbage; a file is of any length between the one that was durable and the last
// one; and of the names that were made, changed and removed since their folder
// was last synced any part is done and the rest is not.
//
// Two manners of real disks are kept. An fsync that fails leaves the data in the
// cache, marked as clean, and maybe not on the disk: the next fsync answers
// success. And bytes beside those that an interrupted write changed are never
// damaged (powersafe overwrite).
//
// Faults are injected with [Disk.Inject]; a capacity gives ENOSPC in the middle of
// a write.
package crashfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/sluicelog/sluice/internal/buffer"
)

// Op is what is about to be done, for fault injection.
type Op string

// The operations that can be made to fail.
const (
	Open    Op = "open"
	Write   Op = "write"
	Read    Op = "read"
	Sync    Op = "sync"
	Alloc   Op = "allocate"
	Trunc   Op = "truncate"
	Rename  Op = "rename"
	Remove  Op = "remove"
	SyncDir Op = "syncdir"
)

// ErrDead is what a handle of a process that has ended answers.
var ErrDead = errors.New("the process has ended")

// Disk is the disk. Its zero value is not usable; see [New].
type Disk struct {
	mu       sync.Mutex
	rng      *rand.Rand
	process  int
	names    map[string]*inode // as processes see them
	durable  map[string]*inode // as a power cut leaves them, at least
	pending  []change          // to names, since their folders were synced
	dirs     map[string]bool
	locks    map[string]int // the process that holds it
	inject   func(op Op, path string) error
	capacity int64 // 0: no limit
	counts   map[Op]int
	// dirtyCloses counts handles that were closed while what they wrote was not
	// durable: a later failure to write it would be told to nobody.
	dirtyCloses int

	// Lies are disks that do not keep their word; a test that passes on one of them
	// tests nothing.
	ignoreSync, ignoreSyncDir bool
}

// change is one atomic change of names: links are made, unlinks removed.
type change struct {
	dir          string
	link, unlink string
	node         *inode
}

// New makes an empty disk. All that is random in it comes from rng.
func New(rng *rand.Rand) *Disk {
	return &Disk{
		rng: rng, names: map[string]*inode{}, durable: map[string]*inode{},
		dirs: map[string]bool{"/": true}, locks: map[string]int{}, counts: map[Op]int{},
	}
}

// Inject makes operations fail: f is called before each one, and what it returns
// is the result when it is not nil. f must not call the disk. Nil ends it.
func (d *Disk) Inject(f func(op Op, path string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inject = f
}

// FailNth makes the n-th operation of a kind from now on fail with err, once.
func (d *Disk) FailNth(op Op, n int, err error) {
	left := n
	d.Inject(func(o Op, _ string) error {
		if o != op {
			return nil
		}
		if left--; left == 0 {
			return err
		}
		return nil
	})
}

// SetCapacity bounds the bytes of all files together; 0 is no bound.
func (d *Disk) SetCapacity(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = n
}

// IgnoreSync makes fsync of files answer success and do nothing.
func (d *Disk) IgnoreSync(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ignoreSync = yes
}

// IgnoreSyncDir makes fsync of folders answer success and do nothing.
func (d *Disk) IgnoreSyncDir(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ignoreSyncDir = yes
}

// Count is how many operations of a kind there were.
func (d *Disk) Count(op Op) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[op]
}

// DirtyCloses is how many handles were closed by a living process while what they
// had written was not durable.
func (d *Disk) DirtyCloses() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dirtyCloses
}

// Used is the bytes of all files.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used()
}

// Kill ends the process: its handles are dead and its locks free. What it wrote
// stays in the cache.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.process++
	clear(d.locks)
}

// PowerCut ends the process and loses the cache.
func (d *Disk) PowerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.process++
	clear(d.locks)
	d.settleNames()
	d.names = map[string]*inode{}
	for _, name := range sortedNames(d.durable) {
		d.durable[name].powerCut(d.rng)
		d.names[name] = d.durable[name]
	}
}

// settleNames decides for each pending change in a folder whether it is durable.
// Mostly a power cut keeps the changes up to some point, as a journal does; but
// any part of them may be.
func (d *Disk) settleNames() {
	anyPart := d.rng.IntN(3) == 0
	upTo := d.rng.IntN(len(d.pending) + 1)
	behind := map[*inode]bool{} // a file whose earlier change is lost
	for i, c := range d.pending {
		if behind[c.node] || anyPart && d.rng.IntN(2) == 0 || !anyPart && i >= upTo {
			behind[c.node] = true
			continue
		}
		d.apply(c)
	}
	d.pending = nil
}

func (d *Disk) apply(c change) {
	if c.unlink != "" {
		delete(d.durable, c.unlink)
	}
	if c.link != "" {
		d.durable[c.link] = c.node
	}
}

func sortedNames(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// before counts an operation and asks for a fault. d.mu is held.
func (d *Disk) before(op Op, path string) error {
	d.counts[op]++
	if d.inject == nil {
		return nil
	}
	if err := d.inject(op, path); err != nil {
		return &fs.PathError{Op: string(op), Path: path, Err: err}
	}
	return nil
}

func (d *Disk) used() int64 {
	var n int64
	for _, node := range d.names {
		n += int64(len(node.cache))
	}
	return n
}

// FS is the disk as the present process sees it. After a Kill or PowerCut it
// answers ErrDead.
func (d *Disk) FS() buffer.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return proc{d, d.process}
}

type proc struct {
	d *Disk
	n int
}

// Open opens or creates a file.
func (p proc) Open(name string, flag int, _ fs.FileMode) (buffer.File, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return nil, ErrDead
	}
	if err := d.before(Open, name); err != nil {
		return nil, err
	}
	node := d.names[name]
	switch {
	case node != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case node == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case node == nil:
		if !d.dirs[filepath.Dir(name)] {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		node = &inode{}
		d.names[name] = node
		d.pending = append(d.pending, change{dir: filepath.Dir(name), link: name, node: node})
	case flag&os.O_TRUNC != 0:
		node.truncate(0)
	}
	return &file{d: d, node: node, name: name, process: d.process}, nil
}

// ReadDir lists a folder.
func (p proc) ReadDir(name string) ([]buffer.Entry, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return nil, ErrDead
	}
	if !d.dirs[name] {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var entries []buffer.Entry
	for path := range d.names {
		if filepath.Dir(path) == name {
			entries = append(entries, buffer.Entry{Name: filepath.Base(path)})
		}
	}
	for path := range d.dirs {
		if filepath.Dir(path) == name && path != name {
			entries = append(entries, buffer.Entry{Name: filepath.Base(path), Dir: true})
		}
	}
	slices.SortFunc(entries, func(a, b buffer.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// Stat describes a name.
func (p proc) Stat(name string) (buffer.Entry, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return buffer.Entry{}, ErrDead
	}
	if d.dirs[name] {
		return buffer.Entry{Name: filepath.Base(name), Dir: true}, nil
	}
	if node := d.names[name]; node != nil {
		return buffer.Entry{Name: filepath.Base(name), Size: int64(len(node.cache))}, nil
	}
	return buffer.Entry{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// Rename gives a file another name, atomically.
func (p proc) Rename(from, to string) error {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return ErrDead
	}
	if err := d.before(Rename, from); err != nil {
		return err
	}
	node := d.names[from]
	if node == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(d.names, from)
	d.names[to] = node
	d.pending = append(d.pending, change{dir: filepath.Dir(to), link: to, unlink: from, node: node})
	return nil
}

// Remove removes a name.
func (p proc) Remove(name string) error {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return ErrDead
	}
	if err := d.before(Remove, name); err != nil {
		return err
	}
	node := d.names[name]
	if node == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.names, name)
	d.pending = append(d.pending, change{dir: filepath.Dir(name), unlink: name, node: node})
	return nil
}

// Mkdir makes a folder. Folders are durable at once: which fsyncs they need is
// tested by counting.
func (p proc) Mkdir(name string, _ fs.FileMode) error {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return ErrDead
	}
	if d.dirs[name] {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	d.dirs[name] = true
	return nil
}

// SyncDir makes the changes of names in a folder durable.
func (p proc) SyncDir(name string) error {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return ErrDead
	}
	if err := d.before(SyncDir, name); err != nil {
		return err
	}
	if d.ignoreSyncDir {
		return nil
	}
	var rest []change
	for _, c := range d.pending {
		if c.dir == name {
			d.apply(c)
		} else {
			rest = append(rest, c)
		}
	}
	d.pending = rest
	return nil
}

// Lock takes a lock for the present process.
func (p proc) Lock(name string) (io.Closer, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return nil, ErrDead
	}
	if _, taken := d.locks[name]; taken {
		return nil, buffer.ErrLocked
	}
	d.locks[name] = d.process
	return unlock{d, name, d.process}, nil
}

type unlock struct {
	d       *Disk
	name    string
	process int
}

func (u unlock) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if u.d.process == u.process {
		delete(u.d.locks, u.name)
	}
	return nil
}

// Free is the capacity that is left.
func (p proc) Free(string) (free, total int64, err error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.n != d.process {
		return 0, 0, ErrDead
	}
	if d.capacity == 0 {
		return 1 << 50, 1 << 50, nil
	}
	return max(d.capacity-d.used(), 0), d.capacity, nil
}

// room is how many of n bytes fit.
func (d *Disk) room(n int64) int64 {
	if d.capacity == 0 {
		return n
	}
	return min(n, max(d.capacity-d.used(), 0))
}

var errFull = fmt.Errorf("crashfs: %w", syscall.ENOSPC)
