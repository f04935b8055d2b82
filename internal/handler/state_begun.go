package handler

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluicelog/sluice/internal/state"
)

// begunName is the file that says which chunks were begun.
const begunName = "sluice_begun"

// begunFile is its content. Chunks that are complete may be named still.
type begunFile struct {
	Unnoted    uint64            `json:"starts_without_notes"` // it counts only while there are no more
	Recordings uint64            `json:"recordings"`           // none of those under way was sent before this generation
	Chunks     map[string]uint64 `json:"chunks"`               // by date/chunk: nor any event of it before this one
}

// loadBegun reads which chunks were begun. whole is false when that is not known:
// there is no file that can be read, or a version that keeps none has run since.
func (x *exportState) loadBegun(unnoted uint64) (notes begunFile, whole bool, err error) {
	text, err := os.ReadFile(x.begunPath())
	if errors.Is(err, fs.ErrNotExist) {
		return begunFile{}, false, nil
	}
	if err != nil {
		return begunFile{}, false, err
	}
	if json.Unmarshal(text, &notes) != nil || notes.Unnoted != unnoted {
		return begunFile{}, false, nil
	}
	return notes, true, nil
}

func (x *exportState) begunPath() string { return filepath.Join(x.dir, begunName) }

func (x *exportState) saveBegun(file begunFile) error {
	text, err := json.Marshal(file)
	if err != nil {
		return err
	}
	return state.WriteFile(x.begunPath(), text)
}

func (x *exportState) dropBegun() error { return state.Remove(x.begunPath()) }
