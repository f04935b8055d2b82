package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/s3state"
	"github.com/sluicelog/sluice/internal/state"
)

// FolderOptions name a state: a folder, or a shared one in a bucket.
type FolderOptions struct {
	StorageOptions
	AddrOptions
}

// stateView is a state that is looked at.
type stateView struct {
	dir   string         // its files; a copy when it is shared
	store *s3state.Store // nil: dir itself
	m     *manifest      // of a shared one
}

// views are the states that a command is about: that of the address when there is
// one, else all that the storage has. done removes copies.
func (o *FolderOptions) views(ctx context.Context) (all []*stateView, done func(), err error) {
	if s3state.Is(o.Storage) {
		return o.sharedView(ctx)
	}
	dirs, err := stateFolders(o.Storage, o.TeleportAddr)
	for _, dir := range dirs {
		all = append(all, &stateView{dir: dir})
	}
	return all, func() {}, err
}

// view is the one state that a command is about.
func (o *FolderOptions) view(ctx context.Context) (*stateView, func(), error) {
	all, done, err := o.views(ctx)
	if err == nil && len(all) > 1 {
		err = fmt.Errorf("%s holds the state of several clusters: choose one with --teleport-addr", o.Storage)
	}
	if err != nil {
		return nil, nil, err
	}
	return all[0], done, nil
}

// sharedView copies a state from its bucket. It holds nothing: the worker goes on.
func (o *FolderOptions) sharedView(ctx context.Context) ([]*stateView, func(), error) {
	store, err := o.openShared(ctx)
	if err != nil {
		return nil, nil, err
	}
	dir, done, err := lockedWorkFolder(os.TempDir(), commandPrefix, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	for attempt := 0; ; attempt++ {
		m, err := copyShared(ctx, store, dir)
		if err == nil {
			return []*stateView{{dir: dir, store: store, m: m}}, done, nil
		}
		// Parts of an old manifest vanish when there is a new one.
		if !errors.Is(err, s3state.ErrAbsent) || attempt == 3 {
			done()
			return nil, nil, fmt.Errorf("look at %s: %w", store, err)
		}
	}
}

func (o *FolderOptions) openShared(ctx context.Context) (*s3state.Store, error) {
	store, err := s3state.Open(ctx, o.Storage)
	if err != nil {
		return nil, err
	}
	name, err := folderName(o.TeleportAddr)
	if err != nil {
		return nil, err
	}
	return store.Below(name), nil
}

func copyShared(ctx context.Context, store *s3state.Store, dir string) (*manifest, error) {
	data, _, err := store.Get(ctx, leaseName)
	if err != nil {
		return nil, err
	}
	m, err := unpackManifest(data)
	if err != nil {
		return nil, err
	}
	f := &sharedFolder{dir: dir, bucket: store, cache: map[string]cachedFile{}, stored: map[string]bool{}}
	return m, f.fetch(ctx, m.Files)
}

// inspect reads the state.
func (v *stateView) inspect(ctx context.Context) (*FolderStatus, error) {
	f, err := inspectFolder(v.dir)
	if err != nil {
		return nil, err
	}
	if v.store != nil {
		f.Folder, f.Running, f.Holder = v.store.String(), !v.m.Released, v.m.Holder
		f.Written, f.PID = time.Time{}, "" // the copy's
	}
	letters, err := v.letters(ctx)
	f.DeadLetters = len(letters)
	return f, err
}

// letters are the dead letters; those of a shared state lie in objects of their own.
func (v *stateView) letters(ctx context.Context) ([]storedLetter, error) {
	if v.store == nil {
		return readDeadLetters(v.dir)
	}
	names, err := v.store.Names(ctx, letterFolder)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []storedLetter
	for i, name := range names {
		line, _, err := v.store.Get(ctx, letterFolder+"/"+name)
		if errors.Is(err, s3state.ErrAbsent) {
			continue // sent again meanwhile
		}
		if err != nil {
			return nil, err
		}
		l := storedLetter{Number: i + 1, key: name}
		if err := json.Unmarshal(line, &l.DeadLetter); err != nil {
			return nil, fmt.Errorf("read %s/%s/%s: %w", v.store, letterFolder, name, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// resent strikes a letter off.
func (v *stateView) resent(ctx context.Context, l storedLetter) error {
	if v.store != nil {
		return v.store.Delete(ctx, letterFolder+"/"+l.key)
	}
	return state.AppendFile(filepath.Join(v.dir, resentName), []byte(l.key+"\n"))
}

// sharedPatience is how long a change waits for a shared state: longer than a dead
// worker's lease lasts.
const sharedPatience = time.Minute

// take takes a state for a change. release writes the change down, where that is
// not done yet.
func (o *FolderOptions) take(ctx context.Context) (dir string, release func() error, err error) {
	if s3state.Is(o.Storage) {
		return o.takeShared(ctx)
	}
	v, _, err := o.view(ctx)
	if err != nil {
		return "", nil, err
	}
	lock, err := state.Lock(v.dir)
	if errors.Is(err, state.ErrLocked) {
		return "", nil, fmt.Errorf("the handler is running; stop it first: %w", err)
	}
	if err != nil {
		return "", nil, err
	}
	return v.dir, lock.Unlock, nil
}

func (o *FolderOptions) takeShared(ctx context.Context) (string, func() error, error) {
	store, err := o.openShared(ctx)
	if err != nil {
		return "", nil, err
	}
	dir, done, err := lockedWorkFolder(os.TempDir(), commandPrefix, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, err
	}
	s := newShare(store, dir, sharedPatience/2, slog.New(slog.DiscardHandler))
	waiting, cancel := context.WithTimeout(ctx, sharedPatience)
	defer cancel()
	if err := s.join(waiting); err != nil {
		s.leave(ctx)
		done()
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("a handler works on it; stop it first, and those that stand by")
		}
		return "", nil, fmt.Errorf("take %s: %w", store, err)
	}
	return dir, func() error {
		defer done()
		return s.publish(context.WithoutCancel(ctx), true)
	}, nil
}

// folderName is the name of a cluster's state folder, as upstream has it.
func folderName(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("teleport-addr: %w; write host:port", err)
	}
	return strings.TrimSpace(host + "_" + port), nil
}

// stateFolders are the folders that a command is about: that of addr when there is
// one, else all that the storage has.
func stateFolders(storage, addr string) ([]string, error) {
	if storage == "" {
		return nil, errors.New("no storage is given: name it with --storage, or the TOML file with --config")
	}
	name, err := folderName(addr)
	if err != nil {
		return nil, err
	}
	if dir := filepath.Join(storage, name); isFolder(dir) {
		return []string{dir}, nil
	}
	if isFolder(storage) && isStateFolder(storage) {
		return []string{storage}, nil
	}
	entries, err := os.ReadDir(storage)
	if err != nil {
		return nil, fmt.Errorf("read storage: %w%s", err, fromWhere(storage, err))
	}
	var dirs []string
	for _, e := range entries {
		if dir := filepath.Join(storage, e.Name()); e.IsDir() && isStateFolder(dir) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s holds no state of a handler", storage)
	}
	return dirs, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isStateFolder(dir string) bool {
	for _, name := range []string{"start_time", exportFolder, "window_time"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// fromWhere says what a relative folder begins at: hardly anybody stands where the
// service does.
func fromWhere(storage string, err error) string {
	if filepath.IsAbs(storage) || !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	here, err := os.Getwd()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("; it was looked for in %s: stand where the handler runs, or name it with --storage", here)
}
