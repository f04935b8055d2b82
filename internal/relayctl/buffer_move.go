package relayctl

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/state"
)

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// export writes each chunk as Fluentd keeps it: the bare events, and a .meta file
// beside them. It is the way back.
func (b *Buffer) export(dir string, args []string) error {
	if len(args) != 1 {
		return errors.New("name one folder to write to")
	}
	out := args[0]
	if err := state.MkdirAll(out); err != nil {
		return err
	}
	all, err := chunks(dir, nil)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := exportChunk(c, out); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.Out, "exported %s to %s\n", count(len(all), "chunk"), out)
	return nil
}

func exportChunk(c *buffer.ChunkFile, out string) error {
	path := filepath.Join(out, "buffer.q"+c.ID.String()+".log")
	r, err := c.Open(buffer.Disk())
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return state.WriteFile(path+".meta", fluentdMeta(c.ID, c.Meta, c.Events, c.Created))
}

// fluentdMeta is the content of a .meta file: C1 00, a big-endian length, a
// msgpack map.
func fluentdMeta(id event.ChunkID, m event.Meta, events int64, created time.Time) []byte {
	var timekey, tag, variables any
	if m.HasTimekey {
		timekey = m.Timekey
	}
	if m.HasTag {
		tag = m.Tag
	}
	if len(m.Variables) > 0 {
		r := event.NewRecord()
		for _, v := range m.Variables {
			r.Set(v.Key, v.Value)
		}
		variables = r
	}
	body := event.AppendMsgpack(nil, event.NewRecord("timekey", timekey, "tag", tag, "variables", variables, "seq", int64(0),
		"id", event.Binary(id[:]), "s", events, "c", created.Unix(), "m", created.Unix()))
	head := binary.BigEndian.AppendUint32([]byte{0xc1, 0x00}, uint32(len(body))) //nolint:gosec // a few hundred bytes
	return append(head, body...)
}

// backedUp is what the backup's index says of a file.
type backedUp struct {
	File, Chunk, Reason string
	Tag                 *string
	Timekey             *int64
	Variables           map[string]string
	Created             time.Time
	Events              int64
}

// meta is what the events of the file share.
func (u *backedUp) meta() event.Meta {
	var m event.Meta
	if u.Tag != nil {
		m.Tag, m.HasTag = *u.Tag, true
	}
	if u.Timekey != nil {
		m.Timekey, m.HasTimekey = *u.Timekey, true
	}
	for _, k := range sortedKeys(u.Variables) {
		m.Variables = append(m.Variables, event.Variable{Key: k, Value: u.Variables[k]})
	}
	return m
}

// requeue brings chunks back from the backup folder; the relay takes them up when
// it starts. Raw events go back in Fluentd's form, a chunk that was moved as it is
// under its old name. What was put aside as damaged stays: its good part has been
// delivered.
func (b *Buffer) requeue(dir string, ids []string) error {
	folder := filepath.Join(dir, "backup")
	index, err := readIndex(folder)
	if err != nil {
		return err
	}
	names, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	moved, there := 0, 0
	for _, e := range names {
		about := index[e.Name()]
		id, isRaw := strings.CutSuffix(e.Name(), ".log")
		if _, err := parseID(id); isRaw && err != nil {
			continue // a file of Fluentd's that was put aside as it is
		}
		if !isRaw && (about.Chunk == "" || !strings.HasSuffix(e.Name(), ".chunk")) {
			continue
		}
		if !isRaw {
			id = about.Chunk
		}
		there++
		named := slices.ContainsFunc(ids, func(want string) bool { return strings.HasPrefix(id, want) })
		switch {
		case named:
		case !slices.Contains(ids, "all"):
			continue
		case about.Chunk == "":
			fmt.Fprintf(b.Out, "left %s: index.jsonl does not tell its tag and slice of time; name it by its id to send it without them\n", e.Name())
			continue
		}
		if err := requeueFile(dir, filepath.Join(folder, e.Name()), id, about); err != nil {
			return err
		}
		moved++
	}
	if moved == 0 {
		return fmt.Errorf("no chunk in %s has such an id; name one, or all; there are %d", folder, there)
	}
	fmt.Fprintf(b.Out, "requeued %s; the relay sends them when it starts\n", count(moved, "chunk"))
	return nil
}

func requeueFile(dir, path, id string, about backedUp) error {
	raw, err := parseID(id)
	if err != nil {
		return err
	}
	target := filepath.Join(dir, filepath.Base(path))
	if strings.HasSuffix(path, ".log") {
		prefix, err := prefixOf(dir)
		if err != nil {
			return err
		}
		target = filepath.Join(dir, prefix+"q"+id+".log")
		// The meta file first: a chunk without it would be sent without its tag.
		if err := state.WriteFile(target+".meta", fluentdMeta(raw, about.meta(), about.Events, about.Created)); err != nil {
			return err
		}
	}
	if err := os.Rename(path, target); err != nil {
		return err
	}
	return errors.Join(state.SyncDir(dir), state.SyncDir(filepath.Dir(path)))
}

// prefixOf is what the names of chunks in a folder begin with, as its lock file
// tells.
func prefixOf(dir string) (string, error) {
	locks, err := filepath.Glob(filepath.Join(dir, ".*lock"))
	if err != nil || len(locks) == 0 {
		return "buffer.", err
	}
	if len(locks) > 1 {
		return "", fmt.Errorf("%s is the folder of %d buffers, and the backup does not say which one it was: remove the lock files of the others, .<prefix>lock; they are made again when the relay starts", dir, len(locks))
	}
	name := filepath.Base(locks[0])
	return strings.TrimSuffix(name[1:], "lock"), nil
}

func parseID(text string) (id event.ChunkID, err error) {
	if n, err := fmt.Sscanf(text, "%32x", new([]byte)); n != 1 || err != nil || len(text) != 32 {
		return id, fmt.Errorf("%s is no chunk id", text)
	}
	for i := range id {
		if _, err := fmt.Sscanf(text[2*i:2*i+2], "%02x", &id[i]); err != nil {
			return id, fmt.Errorf("%s is no chunk id", text)
		}
	}
	return id, nil
}

// readIndex reads the index of a backup folder, and the one before it.
func readIndex(folder string) (map[string]backedUp, error) {
	index := map[string]backedUp{}
	for _, name := range []string{"index.jsonl.1", "index.jsonl"} {
		f, err := os.Open(filepath.Join(folder, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			var u backedUp
			if json.Unmarshal(s.Bytes(), &u) == nil {
				index[u.File] = u
			}
		}
		if err := errors.Join(s.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	return index, nil
}
