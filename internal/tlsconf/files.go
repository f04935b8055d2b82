package tlsconf

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/pki"
)

// snapshot is what some paths held at one time. Everything is parsed from it, so
// that what is compared to find a change is what is in use.
type snapshot struct {
	files map[string][]byte   // by path
	lists map[string][]string // of folders: the files in them, sorted
	errs  map[string]error    // paths that could not be read
	sum   [sha256.Size]byte
}

// maxFile bounds a file of certificates; somebody names /dev/zero some day.
const maxFile = 16 << 20

// take reads the paths; "" is passed over, a folder stands for the files in it.
func take(paths ...string) *snapshot {
	s := &snapshot{files: map[string][]byte{}, lists: map[string][]string{}, errs: map[string]error{}}
	sum := sha256.New()
	note := func(path string, content []byte, err error) {
		fmt.Fprintf(sum, "%q %d %v\n", path, len(content), err)
		sum.Write(content)
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		list, err := filesOf(path)
		if err != nil {
			s.errs[path] = err
			note(path, nil, err)
			continue
		}
		s.lists[path] = list
		for _, file := range list {
			content, err := readFile(file)
			if err != nil {
				s.errs[file] = err
			}
			s.files[file] = content
			note(file, content, err)
		}
	}
	sum.Sum(s.sum[:0])
	return s
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file of certificates or keys: %d bytes, %s", path, info.Size(), info.Mode())
	}
	return os.ReadFile(path)
}

// filesOf is the path itself, or the files of a folder. Hidden ones are passed
// over: Kubernetes keeps the real folders of a mounted secret beside the links to
// their files, as ..data.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path) // sorted
	var files []string
	for _, e := range entries {
		file := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			files = append(files, file)
		}
	}
	return files, err
}

// content is the one file at a path.
func (s *snapshot) content(path string) ([]byte, error) {
	if err := s.errs[path]; err != nil {
		return nil, err
	}
	if list := s.lists[path]; len(list) != 1 || list[0] != path {
		return nil, fmt.Errorf("read %s: it is a folder", path)
	}
	return s.files[path], nil
}

// unreadable makes the error about a file that can not be read.
func unreadable(name, path string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "write the path as this process sees it; a relative one begins at its working folder"
	case errors.Is(err, fs.ErrPermission):
		hint = fmt.Sprintf("user id %d must be able to read it, and to enter the folders above it", os.Getuid())
	}
	if path != "" && !strings.Contains(err.Error(), path) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return param.Errorf(name, hint, "%w", err)
}

// pairNames is what the parameters of a certificate and its key are called.
// Without one for the passphrase there is none.
type pairNames struct{ cert, key, passphrase string }

// cureOfEncrypted is what to do about a key that nothing opens.
func (n pairNames) cureOfEncrypted() string {
	if n.passphrase == "" {
		return "take a key that is not encrypted: of the files of `handler configure`, client.key and not server.key"
	}
	return "add " + n.passphrase + "; `handler configure` writes it into fluent.conf"
}

// pair joins the certificate and the key at two paths.
func (s *snapshot) pair(certPath, keyPath, passphrase string, names pairNames) (*tls.Certificate, error) {
	certPEM, err := s.content(certPath)
	if err != nil {
		return nil, unreadable(names.cert, certPath, err)
	}
	chain, err := pki.ParseCertificates(certPEM)
	if err != nil {
		return nil, param.Errorf(names.cert, "the file must hold PEM text with BEGIN CERTIFICATE", "%s: %w", certPath, err)
	}
	keyPEM, err := s.content(keyPath)
	if err != nil {
		return nil, unreadable(names.key, keyPath, err)
	}
	key, err := pki.ParseKey(keyPEM, passphrase)
	switch {
	case errors.Is(err, pki.ErrNoPassphrase):
		return nil, param.Errorf(names.key, names.cureOfEncrypted(), "%s: %w", keyPath, err)
	case errors.Is(err, pki.ErrWrongPassphrase):
		return nil, param.Errorf(cmp.Or(names.passphrase, names.key), "fluent.conf and the key must come from one run of `handler configure`", "%s: %w", keyPath, err)
	case err != nil:
		return nil, param.Errorf(names.key, "", "%s: %w", keyPath, err)
	}
	pair, err := pki.Join(chain, key)
	if err != nil {
		return nil, param.Errorf(names.key, "take certificate and key from one set; in the certificate file the server's own must come first", "%s and %s: %w", certPath, keyPath, err)
	}
	return pair, nil
}

// authorities are the certificates at a path. A file without any is an error; in a
// folder it is passed over, as long as another has some.
func (s *snapshot) authorities(path, name string) ([]*x509.Certificate, error) {
	list, known := s.lists[path]
	if err := s.errs[path]; err != nil || !known {
		return nil, unreadable(name, path, err)
	}
	var all []*x509.Certificate
	for _, file := range list {
		if err := s.errs[file]; err != nil {
			return nil, unreadable(name, file, err)
		}
		certs, err := pki.ParseCertificates(s.files[file])
		if errors.Is(err, pki.ErrNoCertificate) && file != path {
			continue
		}
		if err != nil {
			return nil, param.Errorf(name, "the file must hold PEM text with BEGIN CERTIFICATE", "%s: %w", file, err)
		}
		all = append(all, certs...)
	}
	if len(all) == 0 {
		return nil, param.Errorf(name, "put the authorities' certificates there", "no file in %s %w", path, pki.ErrNoCertificate)
	}
	return all, nil
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	if certs == nil {
		return nil // the system's
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// end is when something in a file ceases to be good.
type end struct {
	file, use string // use is server, client, ca or crl
	at        time.Time
	life      time.Duration // from its beginning
}

// firstEnd is the earliest end of several certificates. Those that have ended
// already do not count beside others: bundles are full of them.
func firstEnd(file, use string, certs []*x509.Certificate) end {
	e := end{file: file, use: use}
	now := time.Now()
	for _, c := range certs {
		over, best := c.NotAfter.Before(now), e.at.Before(now)
		if e.at.IsZero() || best && (!over || c.NotAfter.After(e.at)) || !over && c.NotAfter.Before(e.at) {
			e.at, e.life = c.NotAfter, c.NotAfter.Sub(c.NotBefore)
		}
	}
	return e
}
