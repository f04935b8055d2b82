package handler

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/sluicelog/sluice/internal/s3state"
	"github.com/sluicelog/sluice/internal/state"
)

// WriteProfiles writes what the process holds and does just now, in pprof's
// format, to the folder profiles below the storage, as upstream does on SIGUSR1; of
// a storage in a bucket, below the system's folder for temporary files.
// No event is in them.
func WriteProfiles(storage string, log *slog.Logger) {
	if s3state.Is(storage) {
		storage = os.TempDir()
	}
	dir := filepath.Join(storage, "profiles")
	if err := state.MkdirAll(dir); err != nil {
		log.Error("Failed to write profiles", "error", err)
		return
	}
	stamp := time.Now().UTC().Format("20060102T150405.000Z")
	for _, name := range []string{"goroutine", "heap", "allocs", "threadcreate"} {
		var b bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&b, 0); err != nil {
			log.Error("Failed to write profiles", "profile", name, "error", err)
			continue
		}
		path := filepath.Join(dir, stamp+"-"+name+".pprof")
		if err := state.WriteFile(path, b.Bytes()); err != nil {
			log.Error("Failed to write profiles", "profile", name, "error", err)
			continue
		}
		log.Info("Profile written", "file", path)
	}
}
