package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/s3state"
	"github.com/sluicelog/sluice/internal/state"
)

// StatePushCmd is `handler state push`: it makes a folder the shared state, as
// when a handler that had a local one becomes one of a pair.
type StatePushCmd struct {
	FolderOptions
	Folder string `arg:"" help:"Storage folder whose state goes into the bucket. Stop the handlers first."`
}

// Operate replaces the state in the bucket. It needs the lease, so it fails while
// a handler works.
func (c *StatePushCmd) Operate(ctx context.Context, out io.Writer) error {
	if !s3state.Is(c.Storage) {
		return errors.New("the storage is no bucket; name it with --storage s3://BUCKET/PREFIX")
	}
	store, err := c.openShared(ctx)
	if err != nil {
		return err
	}
	name, err := folderName(c.TeleportAddr)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Folder, name)
	if !isStateFolder(dir) {
		return fmt.Errorf("%s holds no state of a handler", dir)
	}
	lock, err := state.Lock(dir)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	s := newShare(store, dir, sharedPatience/2, slog.New(slog.DiscardHandler))
	waiting, cancel := context.WithTimeout(ctx, sharedPatience)
	defer cancel()
	m, err := s.lease.acquire(waiting)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a handler works on %s; stop it first", store)
	}
	if err != nil {
		return err
	}
	s.last = m.Files
	if err := errors.Join(s.folder.adopt(ctx), riseAbove(dir, m.Files), s.publish(ctx, true)); err != nil {
		return err
	}
	fmt.Fprintf(out, "state of %s is now at %s\n", dir, store)
	return nil
}

// riseAbove keeps the generation from going back: relays refuse one that is older
// than what they have seen.
func riseAbove(dir string, files []sharedFile) error {
	path := filepath.Join(dir, generationName)
	for _, f := range files {
		if f.Name != generationName {
			continue
		}
		shared, err := strconv.ParseUint(strings.TrimSpace(string(f.Rest)), 10, 64)
		if err != nil {
			return fmt.Errorf("read shared state: %w", err)
		}
		text, err := readOr(path, func() string { return "0" })
		if err != nil {
			return err
		}
		if own, err := strconv.ParseUint(text, 10, 64); err == nil && own >= shared {
			return nil
		}
		return state.WriteFile(path, []byte(strconv.FormatUint(shared, 10)))
	}
	return nil
}
