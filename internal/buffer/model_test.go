package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
	"github.com/sluicelog/sluice/internal/event"
)

// The model test runs the real buffer on a disk that loses what was not synced,
// through random histories of appends, deliveries, faults, kills and power cuts,
// and holds it to what docs/guarantees.md promises: an event that was
// acknowledged is delivered or in the backup folder; nothing is delivered that
// was not sent; a chunk makes one object, with its events in order; and with ids
// an event is delivered once, however often it is sent.
//
// SLUICE_HISTORIES sets how many histories; SLUICE_SEED runs one of them.

func histories(t *testing.T, fallback int) (from, to uint64) {
	if text := os.Getenv("SLUICE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed, seed + 1
	}
	n := fallback
	if text := os.Getenv("SLUICE_HISTORIES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	first := uint64(time.Now().UnixNano())
	t.Logf("first seed %d, %d histories", first, n)
	return first, first + uint64(n)
}

func TestModel(t *testing.T) {
	t.Parallel()
	from, to := histories(t, 1000)
	for seed := from; seed < to; seed++ {
		if err := newModel(seed, faulty).run(); err != nil {
			t.Fatalf("SLUICE_SEED=%d: %v", seed, err)
		}
	}
}

// TestModelExactlyOnce sends again what was not acknowledged, on a disk that
// crashes but tells the truth.
func TestModelExactlyOnce(t *testing.T) {
	t.Parallel()
	from, to := histories(t, 500)
	for seed := from; seed < to; seed++ {
		if err := newModel(seed, exactly).run(); err != nil {
			t.Fatalf("SLUICE_SEED=%d: %v", seed, err)
		}
	}
}

// TestModelRetries does both: on a disk that fails in every way the retry of what
// was not acknowledged must be stored, or have been stored; not both.
func TestModelRetries(t *testing.T) {
	t.Parallel()
	from, to := histories(t, 500)
	for seed := from; seed < to; seed++ {
		if err := newModel(seed, retries).run(); err != nil {
			t.Fatalf("SLUICE_SEED=%d: %v", seed, err)
		}
	}
}

// TestModelFindsLies proves that the model can fail: on disks that do not sync it
// must find a loss.
func TestModelFindsLies(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(*crashfs.Disk){
		"fsync of files":   func(d *crashfs.Disk) { d.IgnoreSync(true) },
		"fsync of folders": func(d *crashfs.Disk) { d.IgnoreSyncDir(true) },
	} {
		found := false
		for seed := uint64(1); seed < 400 && !found; seed++ {
			m := newModel(seed, exactly)
			lie(m.disk)
			found = m.run() != nil
		}
		if !found {
			t.Errorf("%s does nothing, and the model did not notice", name)
		}
	}
}

// The kinds of histories.
type kind int

const (
	faulty  kind = iota // faults of every sort; nothing is sent twice
	exactly             // no faults; what was not acknowledged is sent again, with ids
	retries             // both
)

func (m *model) faults() bool { return m.kind != exactly }
func (m *model) ids() bool    { return m.kind != faulty }

type model struct {
	kind kind
	rng  *rand.Rand
	disk *crashfs.Disk
	at   *clock
	cfg  buffer.Config
	b    *buffer.Buffer
	out  []*buffer.Chunk // with the output

	next    int
	tried   map[string]bool
	acked   map[string]bool
	unacked []sent // to be sent again
	objects map[string][]string
	gen     uint64
	start   uint64
	log     strings.Builder
}

type sent struct {
	meta  event.Meta
	lines []string
}

func newModel(seed uint64, k kind) *model {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := &model{
		kind: k, rng: rng, disk: crashfs.New(rand.New(rand.NewPCG(seed, 2))), at: newClock(),
		tried: map[string]bool{}, acked: map[string]bool{}, objects: map[string][]string{}, gen: 1, start: 1,
	}
	m.cfg = buffer.DefaultConfig()
	m.cfg.Type, m.cfg.Path, m.cfg.ChunkKeys = "file", "/var/buf", "tag,time"
	m.cfg.Timekey, m.cfg.TimekeyWait = time.Minute, 0
	m.cfg.ChunkLimitSize = int64(300 + rng.IntN(3000))
	m.cfg.TotalLimitSize = 200_000
	m.cfg.MinFree = 1
	m.cfg.MaxOpen = 1 + rng.IntN(3)
	m.cfg.Compress = []string{"text", "text", "text", "text", "text", "text", "gzip", "zstd"}[rng.IntN(8)]
	return m
}

func (m *model) note(format string, args ...any) {
	fmt.Fprintf(&m.log, format+"\n", args...)
}

func (m *model) run() error {
	if err := m.open(); err != nil {
		return err
	}
	defer func() {
		if m.b != nil {
			_ = m.b.Close(context.Background())
		}
	}()
	for range 10 + m.rng.IntN(60) {
		m.step()
		if m.b == nil {
			if err := m.open(); err != nil {
				return err
			}
		}
	}
	return m.finish()
}

func (m *model) open() error {
	if err := m.cfg.Check(); err != nil {
		return err
	}
	o := buffer.Options{
		FS: m.disk.FS(), Now: m.at.now, Elapsed: m.at.elapsed,
	}
	if os.Getenv("SLUICE_SEED") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	b, err := buffer.Open(m.cfg, o)
	if err != nil && m.faults() {
		// A fault at start: the operator mends it and starts again.
		m.note("open: %v", err)
		m.disk.Inject(nil)
		m.disk.SetCapacity(0)
		m.disk.Kill()
		o.FS = m.disk.FS()
		b, err = buffer.Open(m.cfg, o)
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	m.b, m.out = b, nil
	m.gen++
	m.start = m.gen
	return nil
}

func (m *model) step() {
	switch p := m.rng.IntN(100); {
	case p < 45:
		m.append()
	case p < 55:
		m.at.pass(20 * time.Second)
		m.b.EnqueueDue(m.at.now())
	case p < 62:
		m.b.EnqueueAll()
	case p < 80:
		m.deliver()
	case p < 84 && m.faults():
		m.fault()
	case p < 86 && m.faults():
		m.disk.Inject(nil)
		m.disk.SetCapacity(0)
	case p < 90:
		m.end(m.disk.Kill)
	case p < 96:
		m.end(m.disk.PowerCut)
	case p < 98:
		m.note("close")
		_ = m.b.Close(context.Background())
		m.end(m.disk.Kill)
	default:
		m.resend()
	}
}

// end ends the process. Goroutines of the old buffer find their handles dead.
func (m *model) end(how func()) {
	m.note("crash")
	how()
	_ = m.b.Close(context.Background())
	m.b = nil
}

func (m *model) append() {
	tag := []string{"a", "b", "session.x"}[m.rng.IntN(3)]
	s := sent{meta: event.Meta{Tag: tag, HasTag: true, HasTimekey: true, Timekey: m.at.now().Unix() / 60 * 60}}
	for range 1 + m.rng.IntN(6) {
		m.next++
		s.lines = append(s.lines, fmt.Sprintf("%s %d %s\n", tag, m.next, strings.Repeat("x", m.rng.IntN(200))))
	}
	m.send(s)
}

func (m *model) send(s sent) {
	g := buffer.Group{Meta: s.meta}
	for _, line := range s.lines {
		m.tried[line] = true
		g.Body = append(g.Body, line...)
		g.Ends = append(g.Ends, len(g.Body))
		if m.ids() {
			id := event.ContentID(s.meta.Tag, []byte(line))
			g.IDs = append(g.IDs, buffer.EventID{ID: id, Content: id})
		}
	}
	batch := &buffer.Batch{Groups: []buffer.Group{g}}
	if m.ids() {
		batch.Source = &buffer.Source{ID: "handler", Generation: m.gen, Start: m.start}
	}
	err := m.appendOrCrash(batch)
	m.note("append %s: %v", numbers(s.lines), err)
	if err != nil {
		m.unacked = append(m.unacked, s)
		return
	}
	for _, line := range s.lines {
		m.acked[line] = true
	}
}

// appendOrCrash appends; sometimes the power goes between the write and the
// wait, sometimes the request is given up.
func (m *model) appendOrCrash(batch *buffer.Batch) error {
	r, err := m.b.Reserve(context.Background(), batch)
	if err != nil {
		return err
	}
	if m.rng.IntN(20) == 0 {
		r.Release()
		return errors.New("released")
	}
	ticket, err := r.Write()
	if err != nil {
		return err
	}
	if m.rng.IntN(15) == 0 {
		return errors.New("did not wait")
	}
	return ticket.Wait(context.Background())
}

// resend sends again what was not acknowledged, as a client does.
func (m *model) resend() {
	if !m.ids() || len(m.unacked) == 0 {
		return
	}
	again := m.unacked
	m.unacked = nil
	for _, s := range again {
		m.send(s)
	}
}

// deliver writes a chunk to a store that refuses to write an object twice.
func (m *model) deliver() {
	if len(m.out) > 0 && m.rng.IntN(2) == 0 {
		c := m.out[0]
		m.out = m.out[1:]
		m.b.TakeBack(c)
		return
	}
	c, ok := m.b.Dequeue()
	if !ok {
		return
	}
	switch m.rng.IntN(10) {
	case 0:
		m.out = append(m.out, c)
		return
	case 1:
		if m.faults() {
			place, err := m.b.Backup(c, "test")
			m.note("backup %s: %s %v", c.ID(), place, err)
			if err != nil {
				m.b.TakeBack(c)
			}
			return
		}
	}
	if err := m.put(c); err != nil {
		m.note("put %s: %v", c.ID(), err)
		m.b.TakeBack(c)
		return
	}
	switch m.rng.IntN(6) {
	case 0: // the answer is lost
		m.b.TakeBack(c)
	case 1: // the purge does not happen before the crash
		m.out = append(m.out, c)
	default:
		c.Conditional(m.rng.IntN(2) == 0)
		m.note("purge %s: %v", c.ID(), m.b.Purge(c))
	}
}

func (m *model) put(c *buffer.Chunk) error {
	note, noted := c.Note()
	if !noted {
		note = map[string]string{"key": "logs/" + c.ID().String()}
		if err := c.SetNote(note); err != nil {
			return err
		}
	}
	lines, err := readChunk(c)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return errors.New("chunk is empty")
	}
	if _, exists := m.objects[note["key"]]; !exists {
		m.objects[note["key"]] = lines
	}
	m.note("put %s: %s", note["key"], numbers(lines))
	return nil
}

// numbers is the lines by their numbers, for the log.
func numbers(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 1 {
			b.WriteString(fields[0] + fields[1] + " ")
		}
	}
	return b.String()
}

func readChunk(c *buffer.Chunk) ([]string, error) {
	r, err := c.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return slices.Collect(strings.Lines(string(text))), nil
}

var faults = []crashfs.Op{
	crashfs.Open, crashfs.Write, crashfs.Sync, crashfs.Sync, crashfs.Sync, crashfs.Trunc, crashfs.Rename, crashfs.Remove,
	crashfs.SyncDir, crashfs.SyncDir, crashfs.Read,
}

func (m *model) fault() {
	if m.rng.IntN(4) == 0 {
		m.disk.SetCapacity(m.disk.Used() + int64(m.rng.IntN(20_000)))
		m.note("full disk")
		return
	}
	op, n := faults[m.rng.IntN(len(faults))], 1+m.rng.IntN(4)
	m.note("fail %s %d", op, n)
	m.disk.FailNth(op, n, syscall.EIO)
}

// finish mends the disk, restarts, delivers everything and compares.
func (m *model) finish() error {
	m.disk.Inject(nil)
	m.disk.SetCapacity(0)
	how := []func(){m.disk.Kill, m.disk.PowerCut}[m.rng.IntN(2)]
	m.end(how)
	if err := m.open(); err != nil {
		return err
	}
	for m.ids() && len(m.unacked) > 0 {
		m.resend()
	}
	m.b.EnqueueAll()
	for {
		c, ok := m.b.Dequeue()
		if !ok {
			break
		}
		if err := m.put(c); err != nil {
			return fmt.Errorf("deliver %s at the end: %w\n%s", c.ID(), err, m.log.String())
		}
		if err := m.b.Purge(c); err != nil {
			return fmt.Errorf("purge %s at the end: %w", c.ID(), err)
		}
	}
	if err := m.compare(); err != nil {
		return fmt.Errorf("%w\n%s", err, m.log.String())
	}
	if s := m.b.Stats(); s.StageLength+s.QueueLength != 0 || s.Used != s.BackupBytes {
		return fmt.Errorf("empty buffer with %+v\n%s", s, m.log.String())
	}
	return nil
}

func (m *model) compare() error {
	delivered := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		last := map[string]int{}
		for _, line := range m.objects[key] {
			if !m.tried[line] {
				return fmt.Errorf("object %s holds %q, which nobody sent", key, line)
			}
			delivered[line]++
			var tag string
			var n int
			fmt.Sscan(line, &tag, &n)
			if n <= last[tag] && m.kind == faulty {
				return fmt.Errorf("object %s: %d after %d", key, n, last[tag])
			}
			last[tag] = n
		}
	}
	saved, err := m.backup()
	if err != nil {
		return err
	}
	for line := range m.acked {
		if delivered[line] == 0 && !saved[line] {
			return fmt.Errorf("LOST: %q was acknowledged", line)
		}
	}
	for line, n := range delivered {
		if n > 1 {
			return fmt.Errorf("TWICE: %q was delivered %d times", line, n)
		}
	}
	return nil
}

// backup is the lines of all raw files in the backup folder.
func (m *model) backup() (map[string]bool, error) {
	disk := m.disk.FS()
	saved := map[string]bool{}
	entries, err := disk.ReadDir("/var/buf/backup")
	if errors.Is(err, os.ErrNotExist) {
		return saved, nil
	}
	for _, e := range entries {
		if err == nil && strings.HasSuffix(e.Name, ".log") {
			var text string
			text, err = readFile(disk, "/var/buf/backup/"+e.Name)
			for line := range strings.Lines(text) {
				saved[line] = true
			}
		}
		if err == nil && strings.HasSuffix(e.Name, ".chunk") {
			err = addChunkFile(saved, disk, "/var/buf/backup/"+e.Name)
		}
	}
	return saved, err
}

// addChunkFile adds the lines of a chunk that moved to the backup folder as it
// was. What is no chunk at all is there for people.
func addChunkFile(saved map[string]bool, disk buffer.FS, path string) error {
	c, err := buffer.ReadChunkFile(disk, path)
	if err != nil {
		return nil
	}
	r, err := c.Open(disk)
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	for line := range strings.Lines(string(text)) {
		saved[line] = true
	}
	return err
}

func readFile(disk buffer.FS, name string) (string, error) {
	f, err := disk.Open(name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	return string(text), err
}
