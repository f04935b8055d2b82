package handler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// deadLetters is the file of events that the receiver refuses for good: one JSON
// object a line with the reason and the event as it was sent. Each line is
// fsynced before the cursor moves past the event. A file that is full stops the
// stream; events are never dropped for room.
type deadLetters struct {
	path  string
	limit int64
	// keep stores a line where the folder itself does not last; nil: it does.
	keep func(line []byte) error

	mu sync.Mutex
	f  *os.File
}

// deadLetterLimit is how large the file may grow.
const deadLetterLimit = 1 << 30

// deadLetterName is the file; resentName beside it lists what was sent again, a
// key a line: so nobody rewrites a file that a running handler appends to.
const (
	deadLetterName = "dead-letter.jsonl"
	resentName     = "dead-letter.resent"
)

func newDeadLetters(dir string) *deadLetters {
	return &deadLetters{path: filepath.Join(dir, deadLetterName), limit: deadLetterLimit}
}

// DeadLetter is one line of the file.
type DeadLetter struct {
	At     time.Time       `json:"at"`
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	SID    string          `json:"sid,omitempty"` // of a recording's event
	Status int             `json:"status"`
	Reason string          `json:"reason"`
	Event  json.RawMessage `json:"event,omitempty"`
	Raw    []byte          `json:"raw,omitempty"` // an event that is no JSON
}

func (d *deadLetters) write(r *Read, why *refusal) error {
	letter := DeadLetter{At: time.Now().UTC(), ID: r.ID, Type: r.Type, SID: r.SID, Status: why.status, Reason: why.text}
	if json.Valid(r.Body) {
		letter.Event = r.Body
	} else {
		letter.Raw = r.Body
	}
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false) // the event stays as it is, so that it can be sent so
	if err := e.Encode(letter); err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	if d.keep != nil {
		if err := d.keep(line.Bytes()); err != nil {
			return fmt.Errorf("write dead letter: %w", err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.appendLine(line.Bytes())
}

func (d *deadLetters) appendLine(line []byte) error {
	if d.f != nil && d.movedAway() {
		_ = d.f.Close() // every line in it is synced
		d.f = nil
	}
	if d.f == nil {
		f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("open dead letters: %w", err)
		}
		if err := cutTornLine(f); err != nil {
			_ = f.Close()
			return fmt.Errorf("open dead letters: %w", err)
		}
		d.f = f
		if err := syncDir(filepath.Dir(d.path)); err != nil {
			return err
		}
	}
	info, err := d.f.Stat()
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	if info.Size()+int64(len(line)) > d.limit {
		return fmt.Errorf("dead-letter file %s is full (%d bytes): look at what is refused, then move the file away", d.path, info.Size())
	}
	if _, err := d.f.Write(line); err != nil {
		// A torn line would hide the next one; cut it off.
		return fmt.Errorf("write dead letter: %w", joinTruncate(err, d.f, info.Size()))
	}
	if err := d.f.Sync(); err != nil {
		return fmt.Errorf("sync dead letters: %w", err)
	}
	return nil
}

// cutTornLine removes what a crash left behind the last whole line: its event was
// not acknowledged, and comes again.
func cutTornLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	for block := make([]byte, 1<<16); end > 0; {
		from := max(end-int64(len(block)), 0)
		part := block[:end-from]
		if _, err := f.ReadAt(part, from); err != nil {
			return err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			end = from + int64(i) + 1
			break
		}
		end = from
	}
	if end == info.Size() {
		return nil
	}
	return f.Truncate(end)
}

// movedAway reports that the path no longer names the file that is open: somebody
// put it elsewhere, as the message about a full file says.
func (d *deadLetters) movedAway() bool {
	open, err := d.f.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(d.path)
	return err != nil || !os.SameFile(open, there)
}

func joinTruncate(err error, f *os.File, size int64) error {
	if cut := f.Truncate(size); cut != nil {
		return fmt.Errorf("%w; %w", err, cut)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

func (d *deadLetters) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}
