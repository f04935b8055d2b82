package handler

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sluicelog/sluice/internal/awsconf"
)

// objectStore is where the relay puts events.
type objectStore interface {
	List(ctx context.Context, prefix string) iter.Seq2[awsconf.ObjectInfo, error]
	Get(ctx context.Context, key string) (io.ReadCloser, error)
}

// bucket counts the uids in a store.
type bucket struct {
	store  objectStore
	prefix string
}

func (c *VerifyCmd) openBucket(ctx context.Context) (*bucket, error) {
	name, prefix := c.Bucket, c.Prefix
	if u, err := url.Parse(c.Bucket); err == nil && (u.Scheme == "s3" || u.Scheme == "file") {
		name, prefix = u.Host, strings.TrimPrefix(u.Path, "/")+prefix
		if u.Scheme == "file" {
			return &bucket{folderStore(u.Path), c.Prefix}, nil
		}
	}
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		if !isFolder(name) {
			return nil, fmt.Errorf("%s is no folder", name)
		}
		return &bucket{folderStore(name), prefix}, nil
	}
	if name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("%q is no bucket; write BUCKET or s3://BUCKET/PREFIX", c.Bucket)
	}
	store, err := awsconf.OpenObjects(ctx, name, c.Region, c.Endpoint)
	if err != nil {
		return nil, err
	}
	return &bucket{store, prefix}, nil
}

// readers is how many objects are read at the same time.
const readers = 4

// count adds to events what the objects hold. Objects that were written well
// before the first event can not hold one and are not read.
func (b *bucket) count(ctx context.Context, r *VerifyReport, events map[string]*tally) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := make(chan string)
	var mu sync.Mutex // guards r and events
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for key := range keys {
				if err := b.read(ctx, key, func(line []byte) {
					mu.Lock()
					defer mu.Unlock()
					r.count(line, events)
				}); err != nil {
					cancel(fmt.Errorf("read object %s: %w", key, err))
				}
			}
		})
	}
	for o, err := range b.store.List(ctx, b.prefix) {
		if err != nil {
			cancel(err)
			break
		}
		if o.Size == 0 || o.Modified.Before(r.Since.Add(-time.Hour)) {
			continue
		}
		r.Objects++ // no reader touches it
		select {
		case keys <- o.Key:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(keys)
	wg.Wait()
	return context.Cause(ctx)
}

func (b *bucket) read(ctx context.Context, key string, each func([]byte)) error {
	body, err := b.store.Get(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()
	text, done, err := unpack(bufio.NewReaderSize(body, 1<<16))
	if err != nil {
		return err
	}
	defer done()
	lines := bufio.NewReaderSize(text, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			each(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unpack knows the packings that the relay writes by their first bytes.
func unpack(r *bufio.Reader) (text io.Reader, done func(), err error) {
	done = func() {}
	head, _ := r.Peek(6) // a short object has fewer
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		text, err = gzip.NewReader(r)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1)); err == nil {
			text, done = z, z.Close
		}
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")):
		text, err = xz.NewReader(r)
	case bytes.HasPrefix(head, []byte("\x89LZO")), bytes.HasPrefix(head, []byte("PAR1")):
		err = errors.New("its packing (lzo or parquet) can not be read here")
	default:
		text = r
	}
	return text, done, err
}

// count takes one line: a JSON object, with time and tag before it in some
// formats.
func (r *VerifyReport) count(line []byte, events map[string]*tally) {
	r.Lines++
	var e struct {
		UID  string `json:"uid"`
		Time string `json:"time"`
	}
	if at := bytes.IndexByte(line, '{'); at < 0 || json.Unmarshal(line[at:], &e) != nil {
		r.Broken++
		return
	}
	if t := events[e.UID]; t != nil {
		t.got++
		return
	}
	when, err := time.Parse(time.RFC3339, e.Time)
	if err == nil && !when.Before(r.Since) && !when.After(r.Until) && e.UID != "" {
		r.Strangers++
	}
}

// folderStore is a folder whose files are objects, keys being their paths.
type folderStore string

// List implements objectStore.
func (f folderStore) List(_ context.Context, prefix string) iter.Seq2[awsconf.ObjectInfo, error] {
	return func(yield func(awsconf.ObjectInfo, error) bool) {
		stop := errors.New("stop")
		err := filepath.WalkDir(string(f), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			key, err := filepath.Rel(string(f), path)
			if err != nil || !strings.HasPrefix(key, prefix) {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if !yield(awsconf.ObjectInfo{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(awsconf.ObjectInfo{}, err)
		}
	}
}

// Get implements objectStore.
func (f folderStore) Get(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), key))
}
