package s3test

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // an ETag is an MD5
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Object is one object of a bucket.
type Object struct {
	Bucket, Key string
	Size        int64
	// Metadata is the request's headers: Content-Type, X-Amz-Meta-*, ….
	Metadata map[string]string
	Modified time.Time
	Path     string // of the file
}

// ChunkID is the id of the chunk that the relay made the object of; "" for a
// stranger's.
func (o Object) ChunkID() string { return o.Metadata["X-Amz-Meta-Sluice-Chunk"] }

// folder is gofakes3's storage: <dir>/<bucket>/<key> is the object, and
// <dir>/.s3/ holds what a plain file can not (sidecar.go). The server is the only
// writer; what a person deletes is noticed, what a person adds is found at the
// next start.
type folder struct {
	dir    string
	sync   bool // make everything durable before it is answered
	stored func(Object)

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	made    time.Time
	objects map[string]*entry
}

// entry is an object in the index.
type entry struct {
	sidecar
	file string // below dir
}

var _ gofakes3.Backend = (*folder)(nil)

func (f *folder) path(e *entry) string { return filepath.Join(f.dir, e.file) }

// find is the entry of an object whose file is still there. f.mu is held.
func (f *folder) find(bucketName, key string) (*entry, error) {
	b := f.buckets[bucketName]
	if b == nil {
		return nil, gofakes3.BucketNotFound(bucketName)
	}
	e := b.objects[key]
	if e == nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	if _, err := os.Stat(f.path(e)); err != nil {
		delete(b.objects, key)
		return nil, gofakes3.KeyNotFound(key)
	}
	return e, nil
}

// has reports whether there is an object.
func (f *folder) has(bucketName, key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.find(bucketName, key)
	return err == nil
}

// PutObject writes the body into a hidden file, then, under the lock, looks at
// the conditions and renames: so of two that say If-None-Match one is refused.
func (f *folder) PutObject(bucketName, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	var none gofakes3.PutObjectResult
	temp, err := f.temp()
	if err != nil {
		return none, err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // gone when it was renamed
	sum := md5.New()             //nolint:gosec // an ETag is an MD5
	n, err := io.Copy(io.MultiWriter(temp, sum), input)
	if err == nil && size >= 0 && n != size {
		err = gofakes3.ErrIncompleteBody
	}
	if err = errors.Join(err, f.syncFile(temp), temp.Close()); err != nil {
		return none, err
	}
	e := &entry{sidecar: sidecar{Bucket: bucketName, Key: key, Size: n, MD5: hex.EncodeToString(sum.Sum(nil)), Metadata: maps.Clone(meta), Modified: time.Now()}}
	if err := f.commit(temp.Name(), e, conditions); err != nil {
		return none, err
	}
	if f.stored != nil {
		f.stored(f.object(e))
	}
	return none, nil
}

func (f *folder) commit(temp string, e *entry, conditions *gofakes3.PutConditions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buckets[e.Bucket]
	if b == nil {
		return gofakes3.BucketNotFound(e.Bucket)
	}
	old, _ := f.find(e.Bucket, e.Key)
	if conditions != nil {
		info := &gofakes3.ConditionalObjectInfo{Exists: old != nil}
		if old != nil {
			info.Hash, _ = hex.DecodeString(old.MD5)
		}
		if err := gofakes3.CheckPutConditions(conditions, info); err != nil {
			return err
		}
	}
	if err := f.place(temp, e); err != nil {
		return err
	}
	b.objects[e.Key] = e
	if old != nil && old.MD5 != e.MD5 {
		return f.removeSidecar(&old.sidecar)
	}
	return nil
}

// place makes the object visible: the sidecar first, which means nothing without
// its object, then the object by a rename.
func (f *folder) place(temp string, e *entry) error {
	e.file = filePath(e.Bucket, e.Key)
	made, err := makeDirs(f.dir, filepath.Dir(e.file))
	if err == nil {
		if info, statErr := os.Stat(f.path(e)); statErr == nil && info.IsDir() {
			err = errors.New("a folder is in the way")
		}
	}
	if err != nil {
		// The key "a" is a file where the key "a/b" needs a folder, or the other way round.
		e.file = oddPath(e.Bucket, e.Key)
		if made, err = makeDirs(f.dir, filepath.Dir(e.file)); err != nil {
			return err
		}
	}
	e.File = e.file
	if err := f.writeSidecar(&e.sidecar); err != nil {
		return err
	}
	if err := os.Rename(temp, f.path(e)); err != nil {
		return err
	}
	return f.syncDirs(append(made, filepath.Dir(f.path(e))))
}

// HeadObject is an object without its bytes.
func (f *folder) HeadObject(bucketName, key string) (*gofakes3.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, err := f.find(bucketName, key)
	if err != nil {
		return nil, err
	}
	return e.reply(io.NopCloser(bytes.NewReader(nil)), nil)
}

// GetObject is an object, or a part of it.
func (f *folder) GetObject(bucketName, key string, want *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, err := f.find(bucketName, key)
	if err != nil {
		return nil, err
	}
	part, err := want.Range(e.Size)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(f.path(e))
	if err != nil {
		return nil, err
	}
	var contents io.ReadCloser = file
	if part != nil {
		contents = struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(file, part.Start, part.Length), file}
	}
	return e.reply(contents, part)
}

func (e *entry) reply(contents io.ReadCloser, part *gofakes3.ObjectRange) (*gofakes3.Object, error) {
	hash, err := hex.DecodeString(e.MD5)
	if err != nil {
		return nil, err
	}
	meta := maps.Clone(e.Metadata)
	if meta == nil {
		meta = map[string]string{}
	}
	meta["Last-Modified"] = e.Modified.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	return &gofakes3.Object{Name: e.Key, Metadata: meta, Size: e.Size, Contents: contents, Hash: hash, Range: part}, nil
}

// ListBucket lists keys by prefix and delimiter, in pages.
func (f *folder) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	list, last := gofakes3.NewObjectList(), ""
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		var match gofakes3.PrefixMatch
		if page.HasMarker && key <= page.Marker || !prefix.Match(key, &match) {
			continue
		}
		if page.MaxKeys > 0 && int64(len(list.Contents)+len(list.CommonPrefixes)) >= page.MaxKeys {
			list.IsTruncated, list.NextMarker = true, last
			break
		}
		last = key
		if match.CommonPrefix {
			list.AddPrefix(match.MatchedPart)
			continue
		}
		e := b.objects[key]
		list.Add(&gofakes3.Content{Key: key, LastModified: gofakes3.NewContentTime(e.Modified), ETag: `"` + e.MD5 + `"`, Size: e.Size, StorageClass: "STANDARD"})
	}
	return list, nil
}

// DeleteObject removes an object; a missing one is no error.
func (f *folder) DeleteObject(bucketName, key string) (gofakes3.ObjectDeleteResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var none gofakes3.ObjectDeleteResult
	e, err := f.find(bucketName, key)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	delete(f.buckets[bucketName].objects, key)
	return none, errors.Join(os.Remove(f.path(e)), f.removeSidecar(&e.sidecar))
}

// DeleteMulti removes several objects.
func (f *folder) DeleteMulti(bucketName string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if _, err := f.DeleteObject(bucketName, key); err != nil {
			result.Error = append(result.Error, gofakes3.ErrorResultFromError(err))
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

// CopyObject copies by reading and putting.
func (f *folder) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(f, srcBucket, srcKey, dstBucket, dstKey, meta)
}

func (f *folder) objects(bucketName string) []Object {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buckets[bucketName]
	if b == nil {
		return nil
	}
	list := make([]Object, 0, len(b.objects))
	for _, e := range b.objects {
		if _, err := os.Stat(f.path(e)); err == nil {
			list = append(list, f.object(e))
		}
	}
	slices.SortFunc(list, func(a, b Object) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

func (f *folder) object(e *entry) Object {
	return Object{Bucket: e.Bucket, Key: e.Key, Size: e.Size, Metadata: maps.Clone(e.Metadata), Modified: e.Modified, Path: f.path(e)}
}

func (f *folder) read(bucketName, key string) ([]byte, error) {
	f.mu.Lock()
	e, err := f.find(bucketName, key)
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(f.path(e))
}

func (f *folder) putBytes(bucketName, key string, data []byte, metadata map[string]string) error {
	_, err := f.PutObject(bucketName, key, metadata, bytes.NewReader(data), int64(len(data)), nil)
	return err
}

func (f *folder) temp() (*os.File, error) {
	temp, err := os.CreateTemp(filepath.Join(f.dir, hidden), "put-")
	if err != nil {
		return nil, err
	}
	return temp, os.Chmod(temp.Name(), 0o644)
}

// bucketDirs lists the folders that are buckets.
func (f *folder) bucketDirs() ([]fs.DirEntry, error) {
	all, err := os.ReadDir(f.dir)
	return slices.DeleteFunc(all, func(d fs.DirEntry) bool { return !d.IsDir() || strings.HasPrefix(d.Name(), ".") }), err
}

func sumOf(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	h := md5.New() //nolint:gosec // an ETag is an MD5
	size, err = io.Copy(h, file)
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
