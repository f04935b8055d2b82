package buffer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
)

// Names of files. A chunk is <prefix>b<32 hex>.chunk while it is staged and
// <prefix>q<32 hex>.chunk once it is queued; the letters and the id are
// Fluentd's, so that ls tells the same story. The suffix is not, so that Fluentd
// never takes our framing for events.
const (
	chunkSuffix = ".chunk"
	tempSuffix  = ".chunk.tmp"
	staged      = 'b'
	queued      = 'q'
)

// splitPath turns the path parameter into a folder and the prefix of its chunks,
// as Fluentd does: a path that is a folder, or that does not exist and holds no
// ".*", is a folder of chunks "buffer.*"; else the last part's star stands for
// the chunk.
func splitPath(disk FS, path string) (dir, prefix string, err error) {
	path = filepath.Clean(path)
	e, err := disk.Stat(path)
	switch exists := err == nil; {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("look for the buffer folder: %w", err)
	case exists && e.Dir, !exists && !strings.Contains(path, ".*"):
		return path, "buffer.", nil
	case exists:
		return "", "", fmt.Errorf("%s is a file: path must be a folder, or end in a name with .*", path)
	}
	dir, base := filepath.Split(path)
	name, _, found := strings.Cut(base, ".*")
	if !found {
		name = base
	}
	return filepath.Clean(dir), name + ".", nil
}

func chunkName(prefix string, state byte, id event.ChunkID) string {
	return prefix + string(state) + id.String() + chunkSuffix
}

// parseName reads a name of the form <prefix><b|q><32 hex><suffix>.
func parseName(name, prefix, suffix string) (state byte, id event.ChunkID, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok || len(rest) != 1+32+len(suffix) || !strings.HasSuffix(rest, suffix) || rest[0] != staged && rest[0] != queued {
		return 0, id, false
	}
	digits := rest[1:33]
	if strings.ToLower(digits) != digits {
		return 0, id, false
	}
	_, err := hex.Decode(id[:], []byte(digits))
	return rest[0], id, err == nil
}

// makeDirs makes a folder and those above it that are missing, and syncs each
// one's parent up to the first that existed: else a power cut may leave durable
// files in a folder that is not.
func makeDirs(disk FS, dir string, perm fs.FileMode) error {
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		e, err := disk.Stat(at)
		if err == nil && !e.Dir {
			return fmt.Errorf("make the folder %s: %s is a file", dir, at)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return fmt.Errorf("make the folder %s: %w", dir, err)
		}
		missing = append(missing, at)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := disk.Mkdir(missing[i], perm)
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = disk.SyncDir(filepath.Dir(missing[i]))
		}
		if err != nil {
			return fmt.Errorf("make the folder %s: %w", dir, err)
		}
	}
	return nil
}
