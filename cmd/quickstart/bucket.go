package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// bucketView reads the bucket's folder as anybody could: it looks for objects
// that it has not seen, unpacks them, and counts each uid.
type bucketView struct {
	dir string

	mu      sync.Mutex
	seen    map[string]bool
	objects []object
	uids    map[string]int
	lines   int
	sample  []byte
}

type object struct {
	key    string
	size   int64
	events int
}

func newBucketView(dir string) *bucketView {
	return &bucketView{dir: dir, seen: map[string]bool{}, uids: map[string]int{}}
}

// look reads what is new and returns how many different uids there are.
func (b *bucketView) look() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || b.seen[path] || !strings.HasSuffix(path, ".gz") {
			return err
		}
		b.seen[path] = true
		return b.read(path)
	})
	return len(b.uids), err
}

func (b *bucketView) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read object %s: %w", path, err)
	}
	before := b.lines
	for r := bufio.NewReaderSize(zr, 1<<16); ; {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			if err := b.count(line); err != nil {
				return fmt.Errorf("read object %s: %w", path, err)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read object %s: %w", path, err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	key, err := filepath.Rel(b.dir, path)
	b.objects = append(b.objects, object{key: key, size: info.Size(), events: b.lines - before})
	return err
}

func (b *bucketView) count(line []byte) error {
	var e struct {
		UID string `json:"uid"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	b.lines++
	b.uids[e.UID]++
	b.sample = append(b.sample[:0], line...)
	return nil
}

// summary is what the bucket holds at the end.
type summary struct {
	objects []object
	lines   int
	sample  []byte
}

func (b *bucketView) summary() summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	return summary{objects: b.objects, lines: b.lines, sample: b.sample}
}

// shownObjects is how many objects are listed; the folder has them all.
const shownObjects = 10

func (s summary) print(w io.Writer) {
	fmt.Fprintf(w, "in the bucket: %d objects, %d events\n", len(s.objects), s.lines)
	for i, o := range s.objects {
		if i == shownObjects {
			fmt.Fprintf(w, "  … and %d more\n", len(s.objects)-i)
			break
		}
		fmt.Fprintf(w, "  %-58s %8d bytes  %6d events\n", o.key, o.size, o.events)
	}
	if len(s.sample) > 0 {
		fmt.Fprintln(w, "one event as Panther reads it:")
		fmt.Fprint(w, indent(s.sample))
	}
}

func indent(line []byte) string {
	var v any
	if json.Unmarshal(line, &v) != nil {
		return string(line)
	}
	text, err := json.MarshalIndent(v, "  ", "  ")
	if err != nil {
		return string(line)
	}
	return "  " + string(text) + "\n"
}

// verify compares every uid in Teleport with every uid in the bucket.
func (s *stage) verify(w io.Writer) error {
	if _, err := s.bucket.look(); err != nil {
		return err
	}
	s.bucket.mu.Lock()
	defer s.bucket.mu.Unlock()
	want, found, doubled, missing := 0, 0, 0, []string{}
	for line := range s.teleport.Book() {
		want++
		switch n := s.bucket.uids[line.UID]; {
		case n == 0:
			missing = append(missing, line.UID)
		case n > 1:
			doubled += n - 1
			found++
		default:
			found++
		}
	}
	fmt.Fprintf(w, "%d of %d events are in the bucket, %d missing, %d doubled", found, want, len(missing), doubled)
	switch {
	case s.o.chaos && s.o.pair:
		fmt.Fprintf(w, " (%s)", s.takeoverReport())
	case s.o.chaos && s.o.relays:
		fmt.Fprintf(w, " (one of two relays killed %d times; %.0f events moved to the other one and may be doubled)", s.relay2.kills(), s.movedTotal)
	case s.o.chaos:
		fmt.Fprintf(w, " (relay killed %d times, handler %d times)", s.relay.kills(), s.handler.kills())
	}
	fmt.Fprintln(w)
	if len(missing) > 0 || doubled > int(s.movedTotal) {
		for i, uid := range missing {
			if i == shownObjects {
				break
			}
			fmt.Fprintln(w, "  missing:", uid)
		}
		return errors.New("the bucket does not hold every event exactly once")
	}
	return nil
}
