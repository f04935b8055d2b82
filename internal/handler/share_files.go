package handler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sluicelog/sluice/internal/s3state"
	"github.com/sluicelog/sluice/internal/state"
)

// sharedFile is a file of the state folder as the manifest has it. Whole blocks
// of a long one are objects of their own, which never change; so a file that only
// grows costs a write of what is new.
type sharedFile struct {
	Name   string   `json:"name"` // below the folder; a / at the end: an empty folder
	Blocks []string `json:"blocks,omitempty"`
	Rest   []byte   `json:"rest,omitempty"`
}

const (
	blockSize   = 64 << 10
	blockFolder = "blocks"
)

// blockBucket is where blocks lie.
type blockBucket interface {
	leaseBucket
	Names(ctx context.Context, folder string) ([]string, error)
	Delete(ctx context.Context, name string) error
}

// sharedFolder is a state folder whose content goes to a bucket and comes from
// there.
type sharedFolder struct {
	dir    string
	bucket blockBucket
	mark   string                // begins the names of blocks that this process makes
	cache  map[string]cachedFile // by name
	stored map[string]bool       // blocks in the bucket, as far as is known
	// renew is called between blocks that are put or removed: many of them may take
	// longer than a lease lasts. nil: nothing is to be renewed, or another sees to it.
	renew func(context.Context) error
}

// alive calls renew.
func (f *sharedFolder) alive(ctx context.Context) error {
	if f.renew == nil {
		return nil
	}
	return f.renew(ctx)
}

// cachedFile is a file that need not be read again while it is the same.
type cachedFile struct {
	info os.FileInfo
	file sharedFile
}

// fetch writes the files of a manifest into the folder.
func (f *sharedFolder) fetch(ctx context.Context, files []sharedFile) error {
	for _, file := range files {
		if !filepath.IsLocal(file.Name) {
			return fmt.Errorf("read shared state: file %q leads elsewhere", file.Name)
		}
		path := filepath.Join(f.dir, file.Name)
		if strings.HasSuffix(file.Name, "/") {
			if err := state.MkdirAll(path); err != nil {
				return err
			}
			continue
		}
		data, err := f.fetchBlocks(ctx, file.Blocks)
		if err != nil {
			return err
		}
		if err := state.MkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		if err := state.WriteFile(path, append(data, file.Rest...)); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		f.cache[file.Name] = cachedFile{info, file}
	}
	return nil
}

// fetchAtOnce is how many blocks are asked for at the same time.
const fetchAtOnce = 16

// fetchBlocks reads blocks, several at a time.
func (f *sharedFolder) fetchBlocks(ctx context.Context, names []string) (data []byte, err error) {
	for some := range slices.Chunk(names, fetchAtOnce) {
		blocks, errs := make([][]byte, len(some)), make([]error, len(some))
		var wg sync.WaitGroup
		for i, name := range some {
			wg.Go(func() { blocks[i], _, errs[i] = f.bucket.Get(ctx, blockFolder+"/"+name) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, fmt.Errorf("read shared state: %w", err)
		}
		for i, name := range some {
			data = append(data, blocks[i]...)
			f.stored[name] = true
		}
	}
	return data, nil
}

// content is one file as it was read.
type content struct {
	name string
	data []byte
	info os.FileInfo
	same *sharedFile // it is the one of last time; data was not read
}

// skipped tells what is no state: locks, files that are being written, and the
// dead letters, which go into the bucket one by one.
func skipped(name string) bool {
	return strings.HasPrefix(filepath.Base(name), ".") || name == deadLetterName
}

// ofSessions reports that a file is written by whoever follows recordings, at any
// time; all others change only while progress is written.
func ofSessions(name string) bool {
	return strings.HasPrefix(name, sessionPrefix) || strings.HasPrefix(name, missingPrefix) || strings.HasPrefix(name, "sluice_sessions")
}

// read is what is in the folder: progress first, then the sessions. In this order
// a session is never missed: it is written down before progress passes its upload
// event. Progress must not be written meanwhile.
func (f *sharedFolder) read() ([]content, error) {
	progress, err := f.readSome(func(name string) bool { return !ofSessions(name) })
	if err != nil {
		return nil, err
	}
	for {
		// A session's file changes its name while its recording is missing: what was
		// read counts when the names stayed the same.
		before, err := f.names(ofSessions)
		if err != nil {
			return nil, err
		}
		sessions, err := f.readSome(ofSessions)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		after, err := f.names(ofSessions)
		if err != nil {
			return nil, err
		}
		if slices.Equal(before, after) {
			return append(progress, sessions...), nil
		}
	}
}

// names are the files and empty folders that are state.
func (f *sharedFolder) names(want func(string) bool) (names []string, err error) {
	err = filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == f.dir {
			return err
		}
		name, err := filepath.Rel(f.dir, path)
		if err != nil || skipped(name) || !want(name) {
			return err
		}
		if !d.IsDir() {
			names = append(names, name)
			return nil
		}
		inside, err := os.ReadDir(path)
		if len(inside) == 0 {
			names = append(names, name+"/")
		}
		return err
	})
	return names, err
}

func (f *sharedFolder) readSome(want func(string) bool) ([]content, error) {
	names, err := f.names(want)
	if err != nil {
		return nil, err
	}
	var all []content
	for _, name := range names {
		c := content{name: name}
		path := filepath.Join(f.dir, name)
		if c.info, err = os.Stat(path); err != nil {
			return nil, err
		}
		old, known := f.cache[name]
		switch {
		case c.info.IsDir():
		case known && os.SameFile(old.info, c.info) && old.info.Size() == c.info.Size() && old.info.ModTime().Equal(c.info.ModTime()):
			c.same = &old.file
		default:
			if c.data, err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// store puts the blocks that are new into the bucket and returns what the
// manifest says.
func (f *sharedFolder) store(ctx context.Context, all []content) ([]sharedFile, error) {
	files := make([]sharedFile, 0, len(all))
	cache := map[string]cachedFile{}
	for _, c := range all {
		file := sharedFile{Name: c.name}
		if c.same != nil {
			file = *c.same
		} else if err := f.cut(ctx, &file, c.data); err != nil {
			return nil, err
		}
		if !c.info.IsDir() {
			cache[c.name] = cachedFile{c.info, file}
		}
		files = append(files, file)
	}
	f.cache = cache
	return files, nil
}

func (f *sharedFolder) cut(ctx context.Context, file *sharedFile, data []byte) error {
	old := f.cache[file.Name].file.Blocks
	for len(data) >= blockSize {
		block := data[:blockSize]
		name := f.blockName(block, old, len(file.Blocks))
		if !f.stored[name] {
			if _, err := f.bucket.Put(ctx, blockFolder+"/"+name, block, ""); err != nil && !errors.Is(err, s3state.ErrChanged) {
				return fmt.Errorf("write shared state: %w", err)
			}
			f.stored[name] = true
			if err := f.alive(ctx); err != nil {
				return err
			}
		}
		file.Blocks = append(file.Blocks, name)
		data = data[blockSize:]
	}
	file.Rest = data
	return nil
}

// blockName is the name that the same block has already, or a new one. New names
// carry the process's own mark: a former holder can only remove what it had itself
// and gave up.
func (f *sharedFolder) blockName(block []byte, old []string, i int) string {
	sum := sha256.Sum256(block)
	hash := hex.EncodeToString(sum[:16])
	if i < len(old) && strings.HasSuffix(old[i], hash) {
		return old[i]
	}
	return f.mark + "-" + hash
}

// sweep removes the blocks that no file has any more, after a manifest without
// them is in the bucket. What fails is left to the next holder.
func (f *sharedFolder) sweep(ctx context.Context, files []sharedFile) error {
	used := map[string]bool{}
	for _, file := range files {
		for _, name := range file.Blocks {
			used[name] = true
		}
	}
	var errs []error
	for name := range f.stored {
		if !used[name] {
			errs = append(errs, f.bucket.Delete(ctx, blockFolder+"/"+name))
			delete(f.stored, name)
			if err := f.alive(ctx); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
	}
	return errors.Join(errs...)
}

// adopt counts what lies in the bucket as stored, so that the next sweep removes
// what a former holder left behind.
func (f *sharedFolder) adopt(ctx context.Context) error {
	names, err := f.bucket.Names(ctx, blockFolder)
	for _, name := range names {
		f.stored[name] = true
	}
	return err
}
