package s3test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// hidden is the folder for what is no object: sidecars, bodies on their way, and
// objects whose key can not be a path.
const hidden = ".s3"

// maxName is the longest part of a key that becomes a file name as it is.
const maxName = 200

// sidecar is what an object is beside its bytes, a small JSON file. Its name has
// the MD5 of the bytes that it belongs to: so it can be written before them, and
// a crash between the two leaves the old pair whole.
type sidecar struct {
	Bucket, Key string
	Size        int64
	MD5         string
	Metadata    map[string]string
	Modified    time.Time
	File        string // where the object is, below the folder
}

func keyHash(bucketName, key string) string {
	sum := sha256.Sum256([]byte(bucketName + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

func (f *folder) sidecarPath(s *sidecar) string {
	hash := keyHash(s.Bucket, s.Key)
	return filepath.Join(f.dir, hidden, "meta", hash[:2], hash+"-"+s.MD5+".json")
}

func (f *folder) writeSidecar(s *sidecar) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := f.sidecarPath(s)
	made, err := makeDirs(f.dir, filepath.Join(hidden, "meta", filepath.Base(filepath.Dir(path))))
	if err != nil {
		return err
	}
	temp, err := f.temp()
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if err = errors.Join(err, f.syncFile(temp), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return f.syncDirs(append(made, filepath.Dir(path)))
}

func (f *folder) removeSidecar(s *sidecar) error {
	if err := os.Remove(f.sidecarPath(s)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// filePath is the file of a key, relative to the folder: the key itself where it
// can be a path.
func filePath(bucketName, key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		switch {
		case part == "":
			parts[i] = "%"
		case part == "." || part == "..":
			parts[i] = strings.ReplaceAll(part, ".", "%2E")
		case len(part) > maxName:
			return oddPath(bucketName, key)
		default:
			parts[i] = strings.NewReplacer("%", "%25", "\x00", "%00").Replace(part)
		}
	}
	return filepath.Join(append([]string{bucketName}, parts...)...)
}

// oddPath is the file of a key that can not be a path beside the others.
func oddPath(bucketName, key string) string {
	return filepath.Join(hidden, "odd", keyHash(bucketName, key))
}

// openFolder makes the index of what is there.
func openFolder(dir string, sync bool, stored func(Object)) (*folder, error) {
	f := &folder{dir: dir, sync: sync, stored: stored, buckets: map[string]*bucket{}}
	if err := os.MkdirAll(filepath.Join(dir, hidden, "meta"), 0o755); err != nil {
		return nil, err
	}
	if err := f.removeTemps(); err != nil {
		return nil, err
	}
	dirs, err := f.bucketDirs()
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		info, err := d.Info()
		if err != nil {
			return nil, err
		}
		f.buckets[d.Name()] = &bucket{made: info.ModTime(), objects: map[string]*entry{}}
	}
	if err := f.loadSidecars(); err != nil {
		return nil, err
	}
	return f, f.loadStrays()
}

// removeTemps removes bodies that a crash left on their way.
func (f *folder) removeTemps() error {
	temps, err := filepath.Glob(filepath.Join(f.dir, hidden, "put-*"))
	for _, temp := range temps {
		err = errors.Join(err, os.Remove(temp))
	}
	return err
}

func (f *folder) loadSidecars() error {
	return filepath.WalkDir(filepath.Join(f.dir, hidden, "meta"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var s sidecar
		if err := json.Unmarshal(text, &s); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		return f.adopt(&s)
	})
}

// adopt takes a sidecar whose object is there; one that has lost its object, or
// was written for bytes that never came, is removed.
func (f *folder) adopt(s *sidecar) error {
	b := f.buckets[s.Bucket]
	if b == nil {
		return f.removeSidecar(s)
	}
	e := &entry{sidecar: *s, file: s.File}
	info, err := os.Stat(f.path(e))
	if err != nil || info.Size() != s.Size {
		return f.removeSidecar(s)
	}
	if rival := b.objects[s.Key]; rival != nil {
		// A crash came between two versions: the bytes say which one it is.
		sum, _, err := sumOf(f.path(e))
		if err != nil {
			return err
		}
		if sum != s.MD5 {
			return f.removeSidecar(s)
		}
		if rival.MD5 != sum {
			if err := f.removeSidecar(&rival.sidecar); err != nil {
				return err
			}
		}
	}
	b.objects[s.Key] = e
	return nil
}

// loadStrays takes files that a person has put into a bucket's folder.
func (f *folder) loadStrays() error {
	for name, b := range f.buckets {
		known := map[string]bool{}
		for _, e := range b.objects {
			known[e.file] = true
		}
		root := filepath.Join(f.dir, name)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			file, err := filepath.Rel(f.dir, path)
			if err != nil || known[file] {
				return err
			}
			return f.stray(b, name, file)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) stray(b *bucket, name, file string) error {
	path := filepath.Join(f.dir, file)
	sum, size, err := sumOf(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	key := filepath.ToSlash(strings.TrimPrefix(file, name+string(filepath.Separator)))
	key = strings.NewReplacer("%25", "%", "%2E", ".", "%00", "\x00", "%", "").Replace(key)
	b.objects[key] = &entry{sidecar: sidecar{Bucket: name, Key: key, Size: size, MD5: sum, Modified: info.ModTime(), File: file}, file: file}
	return nil
}

// makeDirs makes the folder rel below root and returns the folders whose entries
// it changed, for [folder.syncDirs].
func makeDirs(root, rel string) (changed []string, err error) {
	path := root
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		parent := path
		path = filepath.Join(path, part)
		switch err := os.Mkdir(path, 0o755); {
		case err == nil:
			changed = append(changed, parent)
		case !errors.Is(err, fs.ErrExist):
			return changed, err
		}
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return changed, fmt.Errorf("make folder %s: a file is in the way", path)
	}
	return changed, nil
}

func (f *folder) syncFile(file *os.File) error {
	if !f.sync {
		return nil
	}
	return file.Sync()
}

// syncDirs makes the names in folders durable.
func (f *folder) syncDirs(dirs []string) error {
	if !f.sync {
		return nil
	}
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}
