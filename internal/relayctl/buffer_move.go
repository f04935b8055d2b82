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

// backedUp is what the backup's index says of a chunk.
type backedUp struct {
	File, Chunk, Reason, Tag string
	Events                   int64
	Time                     time.Time
}

// requeue brings chunks back from the backup folder: they become queued chunks in
// Fluentd's form, which the relay takes up when it starts.
func (b *Buffer) requeue(dir string, ids []string) error {
	folder := filepath.Join(dir, "backup")
	index, err := readIndex(filepath.Join(folder, "index.jsonl"))
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil {
		return err
	}
	moved := 0
	for _, path := range files {
		id := strings.TrimSuffix(filepath.Base(path), ".log")
		if !slices.ContainsFunc(ids, func(want string) bool { return want == "all" || strings.HasPrefix(id, want) }) {
			continue
		}
		if err := requeueFile(dir, path, id, index[filepath.Base(path)]); err != nil {
			return err
		}
		moved++
	}
	if moved == 0 {
		return fmt.Errorf("no chunk in %s has such an id; name one, or all; there are %d", folder, len(files))
	}
	fmt.Fprintf(b.Out, "requeued %s; the relay sends them when it starts\n", count(moved, "chunk"))
	return nil
}

func requeueFile(dir, path, id string, b backedUp) error {
	raw, err := parseID(id)
	if err != nil {
		return err
	}
	target := filepath.Join(dir, "buffer.q"+id+".log")
	meta := event.Meta{Tag: b.Tag, HasTag: b.Tag != ""}
	// The meta file first: a chunk without it would be sent without its tag.
	if err := state.WriteFile(target+".meta", fluentdMeta(raw, meta, b.Events, time.Now())); err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil {
		return err
	}
	return errors.Join(state.SyncDir(dir), state.SyncDir(filepath.Dir(path)))
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

func readIndex(path string) (map[string]backedUp, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	index := map[string]backedUp{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var b backedUp
		if json.Unmarshal(s.Bytes(), &b) == nil {
			index[b.File] = b
		}
	}
	return index, s.Err()
}
