package handler

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// backlog is a log with chunks of ten events each, all of the first date that is
// asked for.
type backlog struct {
	auditLog
	chunks int
	day    time.Time
}

const backlogChunk = 10

func (l *backlog) ExportChunks(_ context.Context, day time.Time) iter.Seq2[string, error] {
	if l.day.IsZero() {
		l.day = day
	}
	return func(yield func(string, error) bool) {
		for i := range l.chunks {
			if !day.Equal(l.day) || !yield(fmt.Sprintf("c%03d", i), nil) {
				return
			}
		}
	}
}

func (l *backlog) ExportChunk(_ context.Context, _ time.Time, chunk, cursor string) iter.Seq2[teleport.Exported, error] {
	return func(yield func(teleport.Exported, error) bool) {
		n := 0
		_, _ = fmt.Sscanf(cursor, "%d", &n)
		for n++; n <= backlogChunk; n++ {
			e := teleport.Event{Type: "t", ID: fmt.Sprint(chunk, "/", n), Time: begin}
			if !yield(teleport.Exported{Event: e, Cursor: fmt.Sprint(n)}, nil) {
				return
			}
		}
	}
}

// bulkLife is one process that reads a backlog with one worker.
type bulkLife struct {
	x    *exportSource
	id   *identity
	kill context.CancelFunc
	got  []string
	// The answer to an event comes at once when this says so; nil: always.
	answered func(id string) bool
	after    func(id string) // each event; may be nil
}

// beginLife starts the n-th process of a state folder; step is how far the numbers
// of two starts are apart.
func beginLife(t *testing.T, cfg sourceConfig, n, step uint64) *bulkLife {
	t.Helper()
	start := n * step
	cfg.identity = &identity{source: "s", start: start, gen: start}
	cfg.workers = 1
	x, err := openExport(cfg, newLedger(cfg.identity))
	if err != nil {
		t.Fatal(err)
	}
	return &bulkLife{x: x, id: cfg.identity}
}

// run ends at the end of the log, or when after kills the process.
func (l *bulkLife) run(t *testing.T) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	l.kill = kill
	err := l.x.run(ctx, func(_ context.Context, r *Read) error {
		l.got = append(l.got, r.ID)
		if l.answered == nil || l.answered(r.ID) {
			r.place.(*place).ack()
		}
		if l.after != nil {
			l.after(r.ID)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
}

func (l *bulkLife) save(t *testing.T) {
	t.Helper()
	l.x.ledger.touch()
	if err := l.x.save(); err != nil {
		t.Fatal(err)
	}
}

// After a restart in a backlog, the relay forgets while reading goes on: once what
// the killed process had begun is read again, not only at the log's end.
func TestForgettingGoesOnInABacklog(t *testing.T) {
	cfg := testConfig(t.TempDir(), &backlog{chunks: 12})
	first := beginLife(t, cfg, 1, numbersPerStart)
	sent := map[string]uint64{}
	first.after = func(id string) {
		sent[id] = first.id.current()
		if id == "c003/4" || id == "c005/4" {
			first.save(t)
		}
		if id == "c006/3" {
			first.kill()
		}
	}
	first.run(t)
	second := beginLife(t, cfg, 2, numbersPerStart)
	if forget := forgets(second.x.ledger); forget <= first.id.start || forget > sent["c005/5"] {
		t.Fatalf("at the start the relay may forget what was sent before generation %d, want one from %d to %d", forget, first.id.start+1, sent["c005/5"])
	}
	told := map[string]uint64{}
	second.after = func(id string) {
		second.save(t)
		told[id] = second.id.forget
	}
	second.run(t)
	for _, id := range []string{"c005/5", "c006/1", "c006/3"} {
		if told[id] == 0 || told[id] > sent[id] {
			t.Errorf("at %s, which was sent in %d, the relay forgets below %d", id, sent[id], told[id])
		}
	}
	if told["c008/1"] <= second.id.start {
		t.Errorf("while the backlog is read the relay forgets below %d, want above this process's start, %d", told["c008/1"], second.id.start)
	}
}

// An event of a chunk that nothing was saved of may be stored by the relay although
// no answer came: it is remembered until it is read again.
func TestBegunChunkIsRemembered(t *testing.T) {
	cfg := testConfig(t.TempDir(), &backlog{chunks: 12})
	first := beginLife(t, cfg, 1, numbersPerStart)
	first.after = func(string) { first.kill() }
	first.run(t)
	if dates, own, err := first.x.state.load(); err != nil || len(own.Partial) > 0 || len(dates) != 1 {
		t.Fatalf("%d dates and %d partial chunks are on disk: %v", len(dates), len(own.Partial), err)
	}
	second := beginLife(t, cfg, 2, numbersPerStart)
	answered := false
	second.answered = func(id string) bool { return answered || id != first.got[0] }
	var unanswered *place
	second.after = func(id string) {
		second.save(t)
		if id == "c004/1" && second.id.forget > first.id.start {
			t.Errorf("the relay forgets below %d, and %s is not answered", second.id.forget, first.got[0])
		}
		if id == "c005/1" { // the answer comes
			answered = true
			for l := range second.x.ledger.lanes {
				if len(l.entries) > 0 && !l.entries[0].acked {
					unanswered = &place{lane: l, number: l.first}
				}
			}
			unanswered.ack()
		}
		if id == "c005/2" && second.id.forget <= second.id.start {
			t.Errorf("all is answered, and the relay forgets only below %d", second.id.forget)
		}
	}
	second.run(t)
	if second.got[0] != first.got[0] || unanswered == nil {
		t.Errorf("%q is read first, want %q", second.got[0], first.got[0])
	}
}

// A state without notes, of an older version or of upstream's handler, says nothing
// about what was begun: all of it counts as sent until the log's end was seen. From
// then on the notes are whole.
func TestStateWithoutNotesIsRemembered(t *testing.T) {
	for name, step := range map[string]uint64{"removed": numbersPerStart, "an older version ran": 1 << 32} {
		t.Run(name, func(t *testing.T) {
			log := &backlog{chunks: 30}
			cfg := testConfig(t.TempDir(), log)
			first := beginLife(t, cfg, 1, numbersPerStart)
			first.after = func(id string) {
				if id == "c006/3" {
					first.save(t)
					first.kill()
				}
			}
			first.run(t)
			if name == "removed" {
				if err := os.Remove(filepath.Join(cfg.dir, begunName)); err != nil {
					t.Fatal(err)
				}
			}
			second := beginLife(t, cfg, 2, step)
			n := 0
			second.after = func(id string) {
				second.save(t)
				if n++; second.id.forget != 0 {
					t.Fatalf("at %s the relay forgets below %d", id, second.id.forget)
				}
				if n == 100 {
					second.kill()
				}
			}
			second.run(t)
			third := beginLife(t, cfg, 3, step)
			third.run(t)
			if forget := forgets(third.x.ledger); forget == 0 {
				t.Error("at the log's end the relay forgets nothing")
			}
			third.save(t)
			log.chunks = 60
			if fourth := beginLife(t, cfg, 4, numbersPerStart); name == "removed" && forgets(fourth.x.ledger) == 0 {
				t.Error("the notes are not whole after the log's end")
			}
		})
	}
}

// A recording that an earlier process has begun holds forgetting where that process
// stood, not at the beginning of all things; without notes nothing is known of it.
func TestRecordingLeftBehindIsRemembered(t *testing.T) {
	cfg := testConfig(t.TempDir(), &backlog{chunks: 12})
	first := beginLife(t, cfg, 1, numbersPerStart)
	var sent uint64
	var done *hold
	first.after = func(id string) {
		switch id {
		case "c002/1":
			first.save(t)
			done = first.x.ledger.hold(false)
		case "c003/1":
			first.save(t)
			sent = first.id.current()
			first.x.ledger.hold(false)
			done.release()
		case "c006/2":
			first.save(t)
		case "c007/2":
			first.kill()
		}
	}
	first.run(t)
	second := beginLife(t, cfg, 2, numbersPerStart)
	left := second.x.ledger.hold(true)
	second.run(t)
	if forget := forgets(second.x.ledger); forget <= first.id.start || forget > sent {
		t.Errorf("a recording was sent in %d, and the relay forgets below %d", sent, forget)
	}
	left.release()
	if forget := forgets(second.x.ledger); forget <= second.id.start {
		t.Errorf("the recording is done, and the relay forgets below %d", forget)
	}
	if err := second.x.state.dropBegun(); err != nil {
		t.Fatal(err)
	}
	third := beginLife(t, cfg, 3, numbersPerStart)
	third.x.ledger.hold(true)
	third.run(t)
	if forget := forgets(third.x.ledger); forget != 0 {
		t.Errorf("nothing is known of a recording, and the relay forgets below %d", forget)
	}
}

// In a bucket an upload event that is not settled may be of a recording that another
// process has begun: it is remembered from when the event may have been sent.
func TestRecordingOfSharedStateIsRemembered(t *testing.T) {
	b := newLedger(&identity{source: "s", shared: true, start: 200, gen: 200})
	l := b.open(mark{})
	l.inherit(150)
	p, err := l.admit(t.Context(), entry{})
	if err != nil {
		t.Fatal(err)
	}
	h := b.hold(false)
	p.ack()
	l.readAgain()
	if forget := forgets(b); forget != 150 {
		t.Errorf("the relay forgets below %d, want 150", forget)
	}
	if since := b.recordingsSince(); since != 150 {
		t.Errorf("the next process remembers it from %d on, want 150", since)
	}
	h.release()
	if forget := forgets(b); forget <= 200 {
		t.Errorf("all is done, and the relay forgets below %d", forget)
	}
}

// The numbers of starts tell how many of them were of versions that keep no notes.
func TestStartsWithoutNotes(t *testing.T) {
	dir := t.TempDir()
	start := func() *identity {
		t.Helper()
		id, err := loadIdentity(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	none := start().unnoted()
	if again := start().unnoted(); again != none {
		t.Errorf("%d, then %d starts without notes", none, again)
	}
	older := start().start + 1<<32
	if err := os.WriteFile(filepath.Join(dir, generationName), fmt.Append(nil, older), 0o600); err != nil {
		t.Fatal(err)
	}
	if id := start(); id.unnoted() != none+1 || id.start <= older {
		t.Errorf("start %d behind an older version's %d; %d starts without notes, want %d", id.start, older, id.unnoted(), none+1)
	}
}

// Events go on when the note can not be written, as long as its file can be taken
// away: without it everything counts as begun.
func TestNoteThatCanNotBeWritten(t *testing.T) {
	for name, inside := range map[string]string{"removable": "", "stuck": "x"} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t.TempDir(), &backlog{chunks: 3})
			l := beginLife(t, cfg, 1, numbersPerStart)
			if err := l.x.firstDate(t.Context()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(cfg.dir, begunName)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(path, inside), 0o700); err != nil {
				t.Fatal(err)
			}
			c := l.x.newChunk(l.x.newest(), "c000", mark{})
			err := l.x.readChunk(t.Context(), c, func(_ context.Context, r *Read) error {
				l.got = append(l.got, r.ID)
				return nil
			})
			if _, statErr := os.Stat(path); name == "removable" && (err != nil || len(l.got) != backlogChunk || statErr == nil) {
				t.Errorf("%d events were read: %v (%v)", len(l.got), err, statErr)
			}
			if name == "stuck" && (err == nil || len(l.got) > 0 || c.rows > 0 || !strings.Contains(err.Error(), "note")) {
				t.Errorf("%d events were read, %d counted: %v", len(l.got), c.rows, err)
			}
		})
	}
}

// `state set` begins anew: what was begun is not known any more.
func TestPlacingDropsTheNotes(t *testing.T) {
	cfg := testConfig(t.TempDir(), &backlog{chunks: 3})
	first := beginLife(t, cfg, 1, numbersPerStart)
	first.after = func(string) { first.kill() }
	first.run(t)
	p := &placing{dir: cfg.dir}
	if err := p.plan(begin, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := p.apply(); err != nil {
		t.Fatal(err)
	}
	if second := beginLife(t, cfg, 2, numbersPerStart); forgets(second.x.ledger) != 0 {
		t.Error("the relay may forget what was under way")
	}
}

// TestNotesSurviveKills: however often a process is killed in a backlog, what comes
// again is never what the relay was told to forget, and what the relay has to
// remember stays a small part of the log.
func TestNotesSurviveKills(t *testing.T) {
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 1))
		cfg := testConfig(t.TempDir(), &backlog{chunks: 150})
		sent := map[string]uint64{} // by id, the newest generation
		var forgotten uint64
		most, lives := 0, uint64(0)
		for ended := false; !ended; {
			lives++
			l := beginLife(t, cfg, lives, numbersPerStart)
			l.x.cfg.workers, l.x.ledger.laneMax = 1, 15
			left := 20 + rng.IntN(200)
			l.answered = func(id string) bool {
				if sent[id] != 0 && sent[id] < forgotten {
					t.Errorf("seed %d: %s comes again, it was sent in %d, all below %d is forgotten", seed, id, sent[id], forgotten)
				}
				sent[id] = l.id.current()
				return true
			}
			l.after = func(string) {
				if rng.IntN(10) == 0 {
					l.save(t)
					forgotten = max(forgotten, l.id.forget)
					remembered := 0
					for gen := range maps.Values(sent) {
						remembered += boolInt(gen >= forgotten)
					}
					most = max(most, remembered)
				}
				if left--; left == 0 {
					l.kill()
				}
			}
			l.run(t)
			ended = left > 0
		}
		if len(sent) != 150*backlogChunk || lives < 5 {
			t.Errorf("seed %d: %d events in %d lives", seed, len(sent), lives)
		}
		if most > 300 {
			t.Errorf("seed %d: the relay had to remember %d of %d events", seed, most, len(sent))
		}
	}
}

// One write stands for all chunks that wait for it.
func TestChunksShareANote(t *testing.T) {
	cfg := testConfig(t.TempDir(), &backlog{chunks: 3})
	l := beginLife(t, cfg, 1, numbersPerStart)
	if err := l.x.firstDate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var chunks []*exportChunk
	for i := range 3 {
		c := l.x.newChunk(l.x.newest(), fmt.Sprint(i), mark{})
		c.begun = true // it waits
		chunks = append(chunks, c)
	}
	if _, err := l.x.note(chunks[0]); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(cfg.dir, begunName))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks[1:] {
		if counts, err := l.x.note(c); err != nil || !counts {
			t.Errorf("it counts: %v; %v", counts, err)
		}
	}
	if after, err := os.Stat(filepath.Join(cfg.dir, begunName)); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was written again: %v", err)
	}
	notes, whole, err := l.x.state.loadBegun(0)
	if got := slices.Sorted(maps.Keys(notes.Chunks)); err != nil || !whole || len(got) != 3 {
		t.Errorf("%q are noted, whole %v: %v", got, whole, err)
	}
}
