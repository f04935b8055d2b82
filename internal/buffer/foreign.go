package buffer

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// What Fluentd left in the folder is taken over, once, and never written. Its
// file buffer keeps a chunk as <prefix>b<hex><suffix> or <prefix>q<hex><suffix>,
// the bare events, with a <name>.meta beside it; file_single keeps fsb.<key>.b<hex>.buf
// and no meta, the key in the name; several workers have worker<N> folders of
// their own. There are no checksums: a chunk that was cut off is sent as it is, as
// Fluentd would.

// foreign is one of Fluentd's chunks.
type foreign struct {
	paths   []string // the events first, then the meta file if there is one
	id      event.ChunkID
	meta    event.Meta
	created time.Time
	events  int64 // -1: not known
	size    int64
}

// foreignSuffix is what Fluentd's chunk names end in: what the path parameter
// has behind its star, else path_suffix.
func foreignSuffix(path, pathSuffix string) string {
	if _, rest, found := strings.Cut(filepath.Base(path), ".*"); found && rest != "" {
		return rest
	}
	return pathSuffix
}

var workerFolder = regexp.MustCompile(`^worker\d+$`)

// findForeign looks through the folder, and those of Fluentd's workers below it.
func (b *Buffer) findForeign(entries []Entry) ([]*foreign, error) {
	all := b.foreignIn(b.dir, entries)
	for _, e := range entries {
		if !e.Dir || !workerFolder.MatchString(e.Name) {
			continue
		}
		dir := filepath.Join(b.dir, e.Name)
		inside, err := b.fs.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list a worker's folder: %w", err)
		}
		all = append(all, b.foreignIn(dir, inside)...)
	}
	return all, nil
}

func (b *Buffer) foreignIn(dir string, entries []Entry) []*foreign {
	suffix := foreignSuffix(b.config().Path, b.config().PathSuffix)
	has := func(name string) bool {
		_, there := slices.BinarySearchFunc(entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
		return there
	}
	var all []*foreign
	for _, e := range entries {
		var x *foreign
		path := filepath.Join(dir, e.Name)
		if base, ok := strings.CutSuffix(e.Name, ".meta"); ok && !e.Dir {
			if _, ok := b.foreignName(base, suffix); ok && !has(base) {
				_ = b.fs.Remove(path) // a crash has left it behind; its events were taken over
			}
		} else if id, ok := b.foreignName(e.Name, suffix); ok && !e.Dir {
			hasMeta := has(e.Name + ".meta")
			if suffix == chunkSuffix && !hasMeta && b.isOurs(path) {
				continue // path_suffix .chunk makes Fluentd's names look like ours
			}
			x = &foreign{paths: []string{path}, id: id, events: -1}
			if hasMeta {
				x.paths = append(x.paths, path+".meta")
			}
		} else if key, id, ok := singleName(e.Name); ok && !e.Dir {
			x = &foreign{paths: []string{path}, id: id, events: -1, meta: b.singleMeta(key)}
		}
		if x != nil {
			all = append(all, x)
		}
	}
	return all
}

// requeuedSuffix is what raw events that are put back end in, whatever Fluentd's do.
const requeuedSuffix = ".log"

func (b *Buffer) foreignName(name, suffix string) (id event.ChunkID, ok bool) {
	if id, ok = foreignName(name, b.prefix, suffix); ok {
		return id, true
	}
	return foreignName(name, b.prefix, requeuedSuffix)
}

// foreignName reads <prefix><b|q><hex><suffix>.
func foreignName(name, prefix, suffix string) (id event.ChunkID, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	rest, ok2 := strings.CutSuffix(rest, suffix)
	if !ok || !ok2 || len(rest) < 2 || rest[0] != staged && rest[0] != queued {
		return id, false
	}
	return foreignID(rest[1:])
}

// foreignID takes over an id of today's length. Old releases had shorter ones:
// those chunks get a new one, made of the old so that it stays the same.
func foreignID(digits string) (id event.ChunkID, ok bool) {
	if len(digits) > 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(digits+strings.Repeat("0", 32-len(digits))))
	return id, err == nil
}

var singlePattern = regexp.MustCompile(`^fsb\.(.*)\.[bq]([0-9a-f]+)\.buf$`)

// singleName reads a name of buf_file_single.
func singleName(name string) (key string, id event.ChunkID, ok bool) {
	m := singlePattern.FindStringSubmatch(name)
	if m == nil {
		return "", id, false
	}
	if key, err := url.PathUnescape(m[1]); err == nil {
		m[1] = key
	}
	id, ok = foreignID(m[2])
	return m[1], id, ok
}

// singleMeta is what the key in a file_single name means: the tag, or the one
// field that the buffer is keyed by.
func (b *Buffer) singleMeta(key string) event.Meta {
	if names, _ := b.config().FieldKeys(); len(names) > 0 && !b.config().KeyedByTag() {
		return event.Meta{Variables: []event.Variable{{Key: names[0], Value: key}}}
	}
	return event.Meta{Tag: key, HasTag: true}
}

// isOurs reports whether a file begins with a head of our format.
func (b *Buffer) isOurs(path string) bool {
	f, err := b.fs.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size == 0 {
		return err == nil // an empty file of ours, from a power cut
	}
	_, _, err = readHead(f, size)
	return err == nil || errors.Is(err, errNewVersion)
}

// inspect reads the size and the meta file. broken is why the chunk goes to the
// backup folder instead; err is the disk's.
func (b *Buffer) inspect(x *foreign) (broken, err error) {
	e, err := b.fs.Stat(x.paths[0])
	if errors.Is(err, fs.ErrNotExist) {
		return err, nil // people have moved it; so the meta file goes where it belongs
	}
	if err != nil {
		return nil, err
	}
	if x.size = e.Size; x.size == 0 {
		return errors.New("file chunk is empty"), nil
	}
	x.created = time.UnixMicro(int64(binary.BigEndian.Uint64(x.id[:8]) >> 12))
	if len(x.paths) < 2 {
		return nil, nil
	}
	text, err := readWhole(b.fs, x.paths[1])
	if isDiskError(err) {
		return nil, err
	}
	if err == nil {
		err = x.readMeta(text)
	}
	if err != nil {
		return fmt.Errorf("meta file is broken. %w", err), nil
	}
	return nil, nil
}

func readWhole(disk FS, path string) ([]byte, error) {
	f, err := disk.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxHead {
		return nil, fmt.Errorf("%d bytes", size)
	}
	text := make([]byte, size)
	if _, err := f.ReadAt(text, 0); err != nil && size > 0 {
		return nil, err
	}
	return text, nil
}

// readMeta reads Fluentd's metadata: the bytes C1 00 and a big-endian length in
// front (old releases had neither), then a msgpack map.
func (x *foreign) readMeta(text []byte) error {
	if len(text) >= 6 && text[0] == 0xc1 && text[1] == 0 {
		n := binary.BigEndian.Uint32(text[2:])
		if uint64(n) > uint64(len(text)-6) {
			return errors.New("it is cut off")
		}
		text = text[6 : 6+n]
	}
	v, _, err := event.ReadMsgpack(text)
	if err != nil {
		return err
	}
	m, ok := v.(*event.Record)
	if !ok {
		return errors.New("it is no map")
	}
	if id, _ := m.Get("id"); len(event.Text(id)) != len(event.ChunkID{}) {
		return errors.New("invalid unique_id")
	}
	if tag, _ := m.Get("tag"); tag != nil {
		x.meta.Tag, x.meta.HasTag = event.Text(tag), true
	}
	if key, ok := number(m, "timekey"); ok {
		x.meta.Timekey, x.meta.HasTimekey = key, true
	}
	if n, ok := number(m, "s"); ok && n >= 0 {
		x.events = n
	}
	if at, ok := number(m, "c"); ok {
		x.created = time.Unix(at, 0)
	}
	if fields, _ := m.Get("variables"); fields != nil {
		if r, ok := fields.(*event.Record); ok {
			for k, v := range r.All() {
				x.meta.Variables = append(x.meta.Variables, event.Variable{Key: k, Value: v})
			}
		}
	}
	return nil
}

func number(m *event.Record, key string) (int64, bool) {
	v, _ := m.Get(key)
	n, ok := v.(int64)
	return n, ok
}
