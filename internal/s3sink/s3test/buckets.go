package s3test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// ListBuckets lists all buckets.
func (f *folder) ListBuckets() ([]gofakes3.BucketInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []gofakes3.BucketInfo
	for _, name := range slices.Sorted(maps.Keys(f.buckets)) {
		list = append(list, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(f.buckets[name].made)})
	}
	return list, nil
}

// CreateBucket makes a bucket, which is a folder.
func (f *folder) CreateBucket(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	made, err := makeDirs(f.dir, name)
	if err == nil {
		err = f.syncDirs(made)
	}
	if err != nil {
		return err
	}
	f.buckets[name] = &bucket{made: time.Now(), objects: map[string]*entry{}}
	return nil
}

// BucketExists reports whether there is such a bucket.
func (f *folder) BucketExists(name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buckets[name] != nil, nil
}

// DeleteBucket removes an empty bucket.
func (f *folder) DeleteBucket(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch b := f.buckets[name]; {
	case b == nil:
		return gofakes3.BucketNotFound(name)
	case len(b.objects) > 0:
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	return f.removeBucket(name)
}

// ForceDeleteBucket removes a bucket and all that is in it.
func (f *folder) ForceDeleteBucket(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buckets[name] == nil {
		return gofakes3.BucketNotFound(name)
	}
	for _, e := range f.buckets[name].objects {
		if err := f.removeSidecar(&e.sidecar); err != nil {
			return err
		}
	}
	return f.removeBucket(name)
}

// removeBucket removes the folder; f.mu is held.
func (f *folder) removeBucket(name string) error {
	delete(f.buckets, name)
	return os.RemoveAll(filepath.Join(f.dir, name))
}
