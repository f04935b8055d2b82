package torture

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/buffer/crashfs"
)

// world is one run: a handler, a relay, their disks and a store, and what goes
// wrong with them.
type world struct {
	seed        uint64
	dice        *dice
	disk        *crashfs.Disk
	store       *store
	cfg         buffer.Config
	slog        *slog.Logger
	copies      int // buffers that each event goes into
	threads     int
	clients     int
	events      int
	slice       int64 // the first slice of time
	pace        time.Duration
	conditional bool
	zombies     bool // requests may arrive when their sender has given up

	orphans sync.WaitGroup // requests that outlive whoever sent them

	mu     sync.Mutex
	began  time.Time
	relay  *relay
	state  handlerState
	failed error
	log    []string
}

var tags = []string{"audit", "session.1", "session.2"}

func newWorld(seed uint64) *world {
	d := newDice(seed, 1)
	w := &world{
		seed: seed, dice: d, disk: crashfs.New(newDice(seed, 2).rng), store: newStore(seed), began: time.Now(),
		copies: 1 + d.n(4)/3, threads: 1 + d.n(3), clients: 1 + d.n(4), events: 60 + d.n(240),
		slice: time.Now().Unix() / 60 * 60, pace: 10*time.Millisecond + d.upTo(time.Second), conditional: !d.oneIn(4), zombies: d.oneIn(2),
		state: handlerState{beyond: map[int]bool{}},
	}
	w.cfg = buffer.DefaultConfig()
	w.cfg.Type, w.cfg.Path, w.cfg.ChunkKeys, w.cfg.MinFree = "file", "/var/buf", "tag,time", 1
	w.cfg.Timekey, w.cfg.TimekeyWait = time.Minute, 0
	w.cfg.ChunkLimitSize = int64(600 + d.n(4000))
	w.cfg.TotalLimitSize = []int64{10_000, 1 << 20}[d.n(2)]
	w.cfg.MaxOpen = 1 + d.n(4)
	w.cfg.CommitDelay = []time.Duration{0, 0, 5 * time.Millisecond}[d.n(3)]
	w.cfg.Compress = []string{"text", "text", "gzip"}[d.n(3)]
	w.cfg.OverflowAction = []string{"throw_exception", "block"}[d.n(2)]
	if d.oneIn(5) {
		w.cfg.Dedup = "content"
	}
	if os.Getenv("SLUICE_SEED") != "" {
		w.slog = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return w
}

// event is the uid's tag and line; always the same.
func (w *world) event(uid int) (tag, line string) {
	return tags[uid*7919%len(tags)], fmt.Sprintf("%d %s\n", uid, strings.Repeat("x", uid*31%150))
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("%8.3f ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

// fail keeps the first thing that must not happen.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = fmt.Errorf(format, args...)
	}
}

func (w *world) current() *relay {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.relay
}

func (w *world) setRelay(r *relay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relay = r
}

func (w *world) persisted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.cursor
}

func (w *world) save(s handlerState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
}

// supervise keeps a relay running until stop, as an init system does.
func (w *world) supervise(stop <-chan struct{}) {
	for {
		r, err := startRelay(w)
		w.note("relay starts: %v", err)
		if err == nil {
			w.setRelay(r)
			select {
			case <-stop:
			case <-r.fs.dead:
			case <-r.stop:
			}
			w.setRelay(nil)
			select {
			case <-r.stop:
			default:
				r.close()
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(w.dice.upTo(2 * time.Second)):
		}
	}
}

// run is the whole history; its error says what was lost or doubled.
func (w *world) run() error {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { w.supervise(stop); close(ended) }()
	h := startHandler(w)
	for range 5 + w.dice.n(30) {
		time.Sleep(w.dice.upTo(3 * time.Second))
		h = w.act(h)
	}
	heal(w.disk)
	w.store.set(false, 0)
	w.note("all heals")
	if w.dice.oneIn(2) {
		w.kill(w.dice.oneIn(2))
	}
	err := w.settle()
	h.kill()
	close(stop)
	<-ended
	w.orphans.Wait()
	w.store.wg.Wait()
	if err != nil {
		return errors.Join(err, w.failed)
	}
	return errors.Join(w.failed, w.check())
}

// kill ends the relay, at once or in the middle of what it does next.
func (w *world) kill(power bool) {
	r := w.current()
	if r == nil {
		return
	}
	n := int64(1 + w.dice.n(60))
	w.note("relay dies within %d operations, power cut: %v", n, power)
	r.fs.light(n, power)
	if w.dice.oneIn(3) {
		r.fs.die(power)
	}
}

// act is one thing that goes wrong, or right again.
func (w *world) act(h *handler) *handler {
	switch p := w.dice.n(100); {
	case p < 18:
		w.kill(false)
	case p < 36:
		w.kill(true)
	case p < 50:
		w.note("handler dies")
		h.kill()
		time.Sleep(w.dice.upTo(2 * time.Second))
		return startHandler(w)
	case p < 65:
		w.note("disk: %s", sicken(w.disk, w.dice.rng))
	case p < 70:
		w.disk.SetCapacity(w.disk.Used() + int64(w.dice.n(20_000)))
		w.note("disk is full soon")
	case p < 82:
		heal(w.disk)
		w.note("disk heals")
	case p < 88:
		w.store.set(true, 0)
		w.note("store is down")
	default:
		flaky := 2 + w.dice.n(6)
		w.store.set(false, flaky)
		w.note("store is flaky: one in %d", flaky)
	}
	return h
}

// settle waits until everything was acknowledged and has left, through one more
// restart, which meets again what could not be removed.
func (w *world) settle() error {
	for range 2 {
		for second := range 3600 {
			time.Sleep(time.Second)
			r := w.current()
			if r != nil && w.persisted() == w.events && r.empty() {
				break
			}
			if second == 3599 {
				return fmt.Errorf("STUCK: cursor %d of %d\n%s", w.persisted(), w.events, r.stats())
			}
			if r != nil {
				r.queueAll()
			}
		}
		time.Sleep(time.Minute) // what is late arrives
		w.kill(false)
		time.Sleep(5 * time.Second)
	}
	return nil
}

// check counts: every event once in each copy, one object for a chunk, and
// nothing else.
func (w *world) check() error {
	counts := make([]map[string]int, w.copies)
	for i := range counts {
		counts[i] = map[string]int{}
	}
	owners := map[string]string{}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(w.store.objects)) {
		o := w.store.objects[key]
		if other := owners[o.owner]; other != "" {
			errs = append(errs, fmt.Errorf("chunk %s is in %s and in %s", o.owner[24:], other, key))
		}
		owners[o.owner] = key
		for line := range strings.Lines(o.body) {
			counts[key[0]-'0'][line]++
		}
	}
	for i, count := range counts {
		for uid := range w.events {
			_, line := w.event(uid)
			switch n := count[line]; {
			case n == 0:
				errs = append(errs, fmt.Errorf("LOST: uid %d, copy %d", uid, i))
			case n > 1:
				errs = append(errs, fmt.Errorf("DOUBLED: uid %d, copy %d, %d times", uid, i, n))
			}
			delete(count, line)
		}
		for line := range count {
			errs = append(errs, fmt.Errorf("copy %d has what nobody sent: %.80q", i, line))
		}
	}
	return errors.Join(errs...)
}

// inBubble runs one world under fake time.
func inBubble(t *testing.T, seed uint64, change func(*world)) (err error, w *world) {
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed)
		if change != nil {
			change(w)
		}
		err = w.run()
	})
	return err, w
}

// tail is the last actions, for a report.
func (w *world) tail(n int) string {
	return strings.Join(w.log[max(0, len(w.log)-n):], "\n")
}

// lastActions is how many a failed run prints.
const lastActions = 400

// TestTortureInProcess kills the relay and the handler, cuts the power, fills and
// breaks the disk and the store, in fake time. In the end every uid must be in the
// store exactly once. SLUICE_TORTURE is how many seeds, SLUICE_SEED runs one.
func TestTortureInProcess(t *testing.T) {
	first, n := uint64(time.Now().UnixNano())%1_000_000_000, seeds(t, "SLUICE_TORTURE", 200)
	if text := os.Getenv("SLUICE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, n = seed, 1
	}
	t.Logf("first seed %d, %d seeds", first, n)
	for i := range n {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			if err, w := inBubble(t, seed, nil); err != nil {
				t.Errorf("SLUICE_SEED=%d: %v\n%s", seed, err, w.tail(lastActions))
			}
		})
	}
}

// TestTortureCanFail proves that the test above sees losses and doubles: a disk
// whose fsync does nothing must lose, and without dedup there must be doubles.
func TestTortureCanFail(t *testing.T) {
	for word, change := range map[string]func(*world){
		"LOST":    func(w *world) { w.disk.IgnoreSync(true) },
		"DOUBLED": func(w *world) { w.cfg.Dedup = "off" },
	} {
		t.Run(word, func(t *testing.T) {
			for seed := uint64(1); seed <= 40; seed++ {
				if err, _ := inBubble(t, seed, change); err != nil && strings.Contains(err.Error(), word) {
					t.Logf("seen with seed %d", seed)
					return
				}
			}
			t.Errorf("40 runs, and nothing was %s", strings.ToLower(word))
		})
	}
}
