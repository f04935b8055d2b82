package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// relay is one process of the relay's core: real transactions into one or two
// real buffers on a disk that fails, and threads that write chunks to the store
// by the protocol of docs/guarantees.md: note the key, conditional PUT, HEAD when
// the outcome is not known.
type relay struct {
	w    *world
	fs   *mortal
	bufs []*buffer.Buffer
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	indexes map[string]int // next free number of a slice, in this process
}

// startRelay opens the buffers on the disk as it is.
func startRelay(w *world) (*relay, error) {
	r := &relay{w: w, fs: newMortal(w.disk), stop: make(chan struct{}), indexes: map[string]int{}}
	if w.dice.oneIn(8) {
		r.fs.light(int64(1+w.dice.n(30)), w.dice.oneIn(2)) // it may die while it starts
	}
	for i := range w.copies {
		cfg := w.cfg
		cfg.Path = fmt.Sprintf("/var/buf%d", i)
		b, err := buffer.Open(cfg, buffer.Options{FS: r.fs, Fingerprint: [8]byte{1}, Log: w.slog})
		if err != nil {
			r.end(w.dice.oneIn(2))
			return nil, err
		}
		r.bufs = append(r.bufs, b)
	}
	for i, b := range r.bufs {
		for range w.threads {
			r.wg.Go(func() { r.flush(i, b) })
		}
	}
	return r, nil
}

// end is kill -9, or the power. What still runs finds its files dead.
func (r *relay) end(power bool) {
	r.fs.die(power)
	r.close()
}

// close stops the process in good order, when it is not dead already.
func (r *relay) close() {
	close(r.stop)
	if !r.fs.isDead() {
		r.wg.Wait()
	} else {
		r.w.orphans.Go(r.wg.Wait) // requests to the store outlive the process
	}
	for _, b := range r.bufs {
		_ = b.Close(context.Background())
	}
	r.fs.die(false)
}

// post is a request to the relay: nil is 200.
func (r *relay) post(ctx context.Context, src *buffer.Source, uids []int) error {
	if r.fs.isDead() {
		return errNetwork
	}
	tx := plugin.Begin(ctx)
	for _, b := range r.bufs {
		tx.Append(b, r.w.batch(src, uids), nil)
	}
	err := tx.Commit(ctx)
	if r.fs.isDead() {
		return errNetwork // there is nobody to answer
	}
	return err
}

// batch is events as an output formats them, by chunk.
func (w *world) batch(src *buffer.Source, uids []int) *buffer.Batch {
	groups := map[string]*buffer.Group{}
	batch := &buffer.Batch{Source: src}
	for _, uid := range uids {
		tag, line := w.event(uid)
		g := groups[tag]
		if g == nil {
			at := int64(uid) / 40 * 60 // slices of 40 events
			g = &buffer.Group{Meta: event.Meta{Tag: tag, HasTag: true, HasTimekey: true, Timekey: w.slice + at}}
			groups[tag] = g
		}
		g.Body = append(g.Body, line...)
		g.Ends = append(g.Ends, len(g.Body))
		if w.cfg.WantIDs(src) {
			name := event.FieldID(tag, fmt.Sprint(uid))
			g.IDs = append(g.IDs, buffer.EventID{ID: name, Content: event.ContentID(tag, []byte(line))})
		}
	}
	for _, tag := range tags {
		if g := groups[tag]; g != nil {
			batch.Groups = append(batch.Groups, *g)
		}
	}
	return batch
}

// flush is a flush thread: it queues what is due and writes what is queued.
func (r *relay) flush(i int, b *buffer.Buffer) {
	for {
		b.EnqueueDue(time.Now())
		if r.w.dice.oneIn(8) {
			b.EnqueueAll()
		}
		pause := time.Duration(0)
		if c, ok := b.Dequeue(); !ok {
			pause = 100*time.Millisecond + r.w.dice.upTo(400*time.Millisecond)
		} else if err := r.write(i, c); err != nil {
			r.w.note("chunk %s: %v", short(c), err)
			b.TakeBack(c)
			pause = 100*time.Millisecond + r.w.dice.upTo(2*time.Second)
		} else if err := b.Purge(c); err != nil {
			r.w.note("purge %s: %v", short(c), err)
		}
		if pause == 0 {
			pause = time.Millisecond
		}
		select {
		case <-r.stop:
			return
		case <-r.fs.dead:
			return
		case <-time.After(pause):
		}
	}
}

func short(c *buffer.Chunk) string { return c.ID().String()[24:] }

// write brings one chunk into the store under one key.
func (r *relay) write(i int, c *buffer.Chunk) error {
	note, noted := c.Note()
	key := note["key"]
	body, err := readAll(c)
	if err != nil {
		return err
	}
	for {
		if !noted {
			key = r.choose(i, c)
			if err := c.SetNote(map[string]string{"key": key}); err != nil {
				return err
			}
			noted = true
		}
		err := r.w.store.put(key, object{c.ID().String(), body})
		r.w.note("chunk %s (%s) to %s: %v", short(c), uidsOf(body), key, err)
		if errors.Is(err, errExists) {
			owner, headErr := r.w.store.head(key)
			switch {
			case headErr != nil:
				return headErr
			case owner != c.ID().String():
				noted = false
				continue
			}
			err = nil
		}
		if err == nil {
			c.Conditional(r.w.conditional)
		}
		return err
	}
}

// choose is the next key of the chunk's slice that this process has not tried.
func (r *relay) choose(i int, c *buffer.Chunk) string {
	m := c.Meta()
	slice := fmt.Sprintf("%d/%s/%d", i, m.Tag, m.Timekey-r.w.slice)
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.indexes[slice]
	r.indexes[slice]++
	return fmt.Sprintf("%s_%d", slice, n)
}

func readAll(c *buffer.Chunk) (string, error) {
	in, err := c.Open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, in); err != nil {
		return "", err
	}
	if text.Len() == 0 {
		return "", errors.New("chunk is empty")
	}
	return text.String(), nil
}

// empty reports whether everything has left.
func (r *relay) empty() bool {
	for _, b := range r.bufs {
		if s := b.Stats(); s.StageLength+s.QueueLength+s.UnreadFiles > 0 {
			return false
		}
	}
	return true
}

// uidsOf is the uids in a body, for the log.
func uidsOf(body string) string {
	var b strings.Builder
	for line := range strings.Lines(body) {
		uid, _, _ := strings.Cut(line, " ")
		b.WriteString(" " + uid)
	}
	return b.String()
}

func (r *relay) queueAll() {
	for _, b := range r.bufs {
		b.EnqueueAll()
	}
}

// stats describes the buffers, and lists their folders; nil is a relay that is down.
func (r *relay) stats() string {
	var b strings.Builder
	if r == nil {
		return "no relay"
	}
	for i, buf := range r.bufs {
		fmt.Fprintf(&b, "buffer %d: %+v\n", i, buf.Stats())
		for _, dir := range []string{buf.Folder(), buf.Folder() + "/backup"} {
			entries, _ := r.fs.ReadDir(dir)
			for _, e := range entries {
				if about, err := r.fs.Stat(dir + "/" + e.Name); err == nil {
					fmt.Fprintln(&b, dir, e.Name, about.Size)
				}
			}
		}
	}
	return b.String()
}
