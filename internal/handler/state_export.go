package handler

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// exportState is how far bulk export has got, in upstream's layout: below
// cursor_v2 a folder for each UTC date, in it completed-chunks with a name a
// line, and <chunk>.chunk with the cursor of each partial one. A date's folder
// alone says that the date was begun. sluice_export beside it holds what
// upstream has no place for.
type exportState struct {
	dir  string
	look bool // mend nothing: another process may be writing
}

const (
	exportFolder   = "cursor_v2"
	completedName  = "completed-chunks"
	chunkSuffix    = ".chunk"
	exportFileName = "sluice_export"
)

// dateState is one date as it was found.
type dateState struct {
	completed map[string]bool
	cursors   map[string]string
}

// exportFile is the content of sluice_export.
type exportFile struct {
	Partial map[string]partialChunk `json:"partial,omitempty"` // by date/chunk
	Switch  *switchState            `json:"switch,omitempty"`
}

// partialChunk adds to a chunk's cursor how many of its events are behind it,
// for the day that the cursor is no longer understood, and which of those after
// it are acknowledged already.
type partialChunk struct {
	Cursor string `json:"cursor"`
	Rows   int64  `json:"rows"`
	Acked  string `json:"acked,omitempty"` // fingerprints, base64
}

// switchState is what searching had done before bulk export took over. Chunks
// that were there at that moment hold events which were sent already.
type switchState struct {
	Before  time.Time           `json:"before"`  // events before it were sent
	Covered time.Time           `json:"covered"` // but from here on only those that were seen
	ID      string              `json:"id"`      // the last one sent
	Chunks  map[string][]string `json:"chunks"`  // by date
}

// load reads all dates.
func (x *exportState) load() (map[string]*dateState, exportFile, error) {
	dates := map[string]*dateState{}
	entries, err := os.ReadDir(filepath.Join(x.dir, exportFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, exportFile{}, err
	}
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err != nil || !e.IsDir() {
			continue
		}
		d, err := x.loadDate(e.Name())
		if err != nil {
			return nil, exportFile{}, err
		}
		dates[e.Name()] = d
	}
	var own exportFile
	text, err := os.ReadFile(x.ownPath())
	if errors.Is(err, fs.ErrNotExist) {
		return dates, own, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &own)
	}
	if err != nil {
		return nil, own, fmt.Errorf("read %s: %w", x.ownPath(), err)
	}
	return dates, own, nil
}

func (x *exportState) ownPath() string { return filepath.Join(x.dir, exportFileName) }

func (x *exportState) datePath(date string, names ...string) string {
	return filepath.Join(append([]string{x.dir, exportFolder, date}, names...)...)
}

func (x *exportState) loadDate(date string) (*dateState, error) {
	d := &dateState{completed: map[string]bool{}, cursors: map[string]string{}}
	entries, err := os.ReadDir(x.datePath(date))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, partial := strings.CutSuffix(e.Name(), chunkSuffix)
		if !partial && e.Name() != completedName || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(x.datePath(date, e.Name()))
		if err != nil {
			return nil, err
		}
		if partial {
			if cursor := strings.TrimSpace(string(text)); cursor != "" {
				d.cursors[name] = cursor
			}
			continue
		}
		// A last line without its end was cut by a crash: that chunk is not
		// complete, and the next name must not be glued to it.
		whole := text[:bytes.LastIndexByte(text, '\n')+1]
		if len(whole) < len(text) && !x.look {
			if err := os.Truncate(x.datePath(date, completedName), int64(len(whole))); err != nil {
				return nil, err
			}
		}
		for name := range strings.Lines(string(whole)) {
			d.completed[strings.TrimSpace(name)] = true
		}
	}
	for name := range d.completed {
		delete(d.cursors, name) // a crash before the file was removed
	}
	return d, nil
}

// begin makes a date's folder.
func (x *exportState) begin(date string) error { return state.MkdirAll(x.datePath(date)) }

// end removes a date's folder.
func (x *exportState) end(date string) error {
	if err := os.RemoveAll(x.datePath(date)); err != nil {
		return err
	}
	return state.SyncDir(filepath.Join(x.dir, exportFolder))
}

// saveCursor writes a partial chunk's cursor.
func (x *exportState) saveCursor(date, chunk, cursor string) error {
	if !flatName(chunk) {
		return nil // kept in ours only
	}
	return state.WriteFile(x.datePath(date, chunk+chunkSuffix), []byte(cursor))
}

// flatName refuses what would lead out of the date's folder.
func flatName(chunk string) bool {
	return chunk != "" && !strings.ContainsAny(chunk, "/\\\n\x00") && len(chunk) < 200
}

// complete strikes chunks off: their names are durable before their cursors go.
func (x *exportState) complete(date string, chunks []string) error {
	if err := state.AppendFile(x.datePath(date, completedName), []byte(strings.Join(chunks, "\n")+"\n")); err != nil {
		return err
	}
	for _, chunk := range chunks {
		if flatName(chunk) {
			if err := state.Remove(x.datePath(date, chunk+chunkSuffix)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *exportState) saveOwn(own exportFile) error {
	text, err := json.Marshal(own)
	if err != nil {
		return err
	}
	return state.WriteFile(x.ownPath(), text)
}

func packPrints(prints []fingerprint) string {
	var raw []byte
	for _, p := range prints {
		raw = append(raw, p[:]...)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func unpackPrints(text string) map[fingerprint]bool {
	raw, _ := base64.StdEncoding.DecodeString(text) // a broken one only means repeats
	prints := map[fingerprint]bool{}
	for p := range slices.Chunk(raw[:len(raw)/16*16], 16) {
		prints[fingerprint(p)] = true
	}
	return prints
}
