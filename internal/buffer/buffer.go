package buffer

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/metrics"
)

// Options is what a buffer is given beside its configuration. All may be zero.
type Options struct {
	ID      string       // of the output, for metrics
	Log     *slog.Logger // says itself which output it speaks for
	Metrics *metrics.Registry
	// Fingerprint is a hash of what shapes the bodies: formatter, keys, packing.
	// Chunks of another fingerprint get no more data and are queued at start.
	Fingerprint [8]byte
	// BackupDir takes the chunks of a memory buffer that can not be delivered. A
	// file buffer has its own, <folder>/backup.
	BackupDir string
	// FlushThreads is how many chunks the output writes at the same time.
	FlushThreads int
	// Before is a buffer of this process that has the folder still: new chunks are
	// made at once, those in the folder are taken up when it has closed.
	Before *Buffer
	// FS, Now and Elapsed are for tests: the disk, the wall clock, and a clock that
	// never jumps.
	FS      FS
	Now     func() time.Time
	Elapsed func() time.Duration
}

// Buffer keeps chunks between the events that come in and the output that writes
// them. All methods may be called by any goroutine.
type Buffer struct {
	cfg               Config
	onDisk            bool
	log               *slog.Logger
	fs                FS
	now               func() time.Time
	elapsed           func() time.Duration
	dir, prefix       string
	backupDir         string
	filePerm, dirPerm fs.FileMode
	before            atomic.Pointer[Buffer] // nil: there was none, or its chunks have been taken up
	adopted           chan struct{}          // closed when the folder is ours alone
	gone              chan struct{}          // closed when Close has ended
	lock              *folderLock
	meters            *meters
	room              room
	volume            *volume
	opened            *opened
	commit            *committer
	index             *index
	backup            backup
	ready             chan struct{}
	closing           chan struct{}
	work              sync.WaitGroup // the mender, the waiter for a hand-over
	health            health
	toMend            chan struct{} // wakes the mender
	totals            counters

	making sync.Mutex // one new chunk at a time

	mu          sync.Mutex
	fingerprint [8]byte
	closed      bool // takes nothing
	ended       bool // Close was called
	stage       map[stageKey]*Chunk
	schedule    schedule   // of all that is staged, also what takes no data
	queue       *list.List // of *Chunk; the front leaves first
	live        map[event.ChunkID]*Chunk
	mine        map[event.ChunkID]bool // made before the folder was ours alone; then nil
	purged      []*Chunk               // delivered, but the file could not be removed
	toSeal      []*Chunk
	sealers     int
	ailing      ailing
	sealing     map[*Chunk]bool // closed to data and not yet in the queue
	queuedOne   *sync.Cond      // sealing lost one
	dropped     int64
}

// stageKey is what tells chunks apart in the stage.
type stageKey struct {
	tag        string
	timekey    int64
	hasTag     bool
	hasTimekey bool
	variables  string // msgpack of keys and values
}

func keyOf(m *event.Meta) stageKey {
	k := stageKey{tag: m.Tag, timekey: m.Timekey, hasTag: m.HasTag, hasTimekey: m.HasTimekey}
	if len(m.Variables) > 0 {
		var b []byte
		for _, v := range m.Variables {
			b = event.AppendMsgpack(event.AppendMsgpack(b, v.Key), v.Value)
		}
		k.variables = string(b)
	}
	return k
}

// durable reports whether what is written is meant to survive.
func (b *Buffer) durable() bool { return b.onDisk }

func (b *Buffer) config() *Config { return &b.cfg }

// Open opens a buffer and takes up what an earlier process, or Fluentd, left in
// its folder. cfg has passed Check. It returns when everything that may still
// take time has been read: staged chunks are scanned, queued ones only opened.
func Open(cfg Config, o Options) (*Buffer, error) {
	b := newBuffer(cfg, o)
	if err := b.openFolder(cfg.Path, o.floor(cfg)); err != nil {
		return nil, fmt.Errorf("open buffer %s: %w", cfg.Path, err)
	}
	if cfg.Type == "file_single" {
		b.log.Info("file_single is kept as file: each chunk is one file here anyway", "path", b.dir)
	}
	b.commit = newCommitter(b)
	if b.durable() {
		b.work.Go(b.mender)
	}
	if b.before.Load() != nil {
		b.mine = map[event.ChunkID]bool{}
		b.work.Go(b.awaitFolder)
		return b, nil
	}
	if err := b.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("open buffer %s: %w", cfg.Path, err), b.Close(context.Background()))
	}
	close(b.adopted)
	return b, nil
}

func newBuffer(cfg Config, o Options) *Buffer {
	b := &Buffer{
		onDisk: cfg.OnDisk(), log: o.Log, fs: o.FS, now: o.Now, elapsed: o.Elapsed, fingerprint: o.Fingerprint,
		backupDir: o.BackupDir, adopted: make(chan struct{}), gone: make(chan struct{}),
		opened: newOpened(cfg.MaxOpen), ready: make(chan struct{}, 1), closing: make(chan struct{}), toMend: make(chan struct{}, 1),
		stage: map[stageKey]*Chunk{}, sealing: map[*Chunk]bool{}, queue: list.New(), live: map[event.ChunkID]*Chunk{},
	}
	b.cfg = cfg
	b.before.Store(o.Before)
	b.queuedOne = sync.NewCond(&b.mu)
	b.ailing.doubtful = map[*Chunk]bool{}
	b.schedule.byAge = list.New()
	b.room.limit = cfg.TotalLimitSize
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.elapsed == nil {
		began := time.Now()
		b.elapsed = func() time.Duration { return time.Since(began) }
	}
	if b.fs == nil {
		b.fs = Disk()
	}
	if !cfg.OnDisk() {
		b.fs = newMemory()
	}
	b.schedule.wall = b.now().Round(0).Add(-b.elapsed())
	b.meters = newMeters(o.Metrics, o.ID)
	b.index = newIndex(b)
	b.filePerm, _ = parsePermission(cfg.FilePermission, 0o600)
	b.dirPerm, _ = parsePermission(cfg.DirPermission, 0o700)
	return b
}

// floor is min_free as far as it is known without the volume; below zero: ask
// the volume.
func (o Options) floor(cfg Config) int64 {
	if cfg.set.minFree || cfg.MinFree > 0 {
		return cfg.MinFree
	}
	return -int64(max(o.FlushThreads, 1))
}

// openFolder makes and locks the folder.
func (b *Buffer) openFolder(path string, floor int64) error {
	if !b.durable() {
		b.dir, b.prefix = "/", "buffer."
		return b.takeLock()
	}
	var err error
	if b.dir, b.prefix, err = splitPath(b.fs, path); err != nil {
		return err
	}
	b.backupDir = filepath.Join(b.dir, "backup")
	if err := makeDirs(b.fs, b.dir, b.dirPerm); err != nil {
		return err
	}
	b.openVolume(floor)
	return b.takeLock()
}

// openVolume settles min_free and warns about limits that the volume cannot keep.
func (b *Buffer) openVolume(floor int64) {
	b.volume = &volume{elapsed: b.elapsed, measure: func() (int64, int64, error) { return b.fs.Free(b.dir) }}
	total := b.volume.setFloor(floor, b.config().ChunkLimitSize)
	if floor, limit := b.volume.floor, b.config().TotalLimitSize; total > 0 && limit > total-floor {
		b.log.Warn("total_limit_size is more than the volume holds: min_free will stop intake first",
			"total_limit_size", limit, "volume", total, "min_free", floor, "path", b.dir)
	}
}

func (b *Buffer) chunkPath(state byte, id event.ChunkID) string {
	return filepath.Join(b.dir, chunkName(b.prefix, state, id))
}

func (b *Buffer) tempPath(id event.ChunkID) string {
	return filepath.Join(b.dir, b.prefix+string(rune(queued))+id.String()+tempSuffix)
}

// Folder is where the chunks are; "" for a memory buffer.
func (b *Buffer) Folder() string {
	if !b.durable() {
		return ""
	}
	return b.dir
}

// Ready gets a value when there may be something to do: a chunk was queued or
// taken back, or a new chunk made NextDue earlier.
func (b *Buffer) Ready() <-chan struct{} { return b.ready }

func (b *Buffer) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// Close stops the intake, makes durable what was written and lets go of the
// folder. Chunks that are staged stay so. A second call does nothing.
func (b *Buffer) Close(context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.closing)
	}
	again := b.ended
	b.ended = true
	b.mu.Unlock()
	if again {
		return nil
	}
	b.work.Wait()
	b.mu.Lock()
	for b.sealers > 0 { // a seal is a few milliseconds; an fsync that hangs holds the folder anyway
		b.queuedOne.Wait()
	}
	b.mu.Unlock()
	var err error
	b.commit.close()
	b.closeFiles()
	b.index.close()
	if b.lock != nil {
		err = b.lock.release()
	}
	close(b.gone)
	if err != nil {
		return fmt.Errorf("close buffer %s: %w", b.dir, err)
	}
	return nil
}

func (b *Buffer) closeFiles() {
	b.mu.Lock()
	all := make([]*Chunk, 0, len(b.live))
	for _, c := range b.live {
		all = append(all, c)
	}
	clear(b.stage) // a Write that is still under way finds no chunk and is told ErrClosed
	b.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		c.takes = false
		c.closeFile()
		c.mu.Unlock()
	}
}
