package s3sink

import (
	"context"
	"crypto/md5"  //nolint:gosec // Content-MD5 is what S3 checks
	"crypto/sha1" //nolint:gosec // one of S3's checksums
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// segmentSize is the unit of memory for packed bytes.
	segmentSize = 256 << 10
	// smallObject is the most that one object holds in memory; a larger one is
	// kept in a file.
	smallObject = 4 << 20
	// allObjects is the most that all objects of an output hold in memory.
	allObjects = 8 << 20
)

// spoolOptions are shared by all spools of an output.
type spoolOptions struct {
	dir       string        // of large objects; "" is TMPDIR
	checksum  string        // CRC32, CRC32C, SHA1, SHA256, or "" for Content-MD5
	md5       bool          // send Content-MD5
	sign      bool          // over plain HTTP the payload's hash is signed
	memory    chan struct{} // a token for each segment that is in use
	segments  chan []byte   // segments to use again
	tempFile  func(dir string) (*os.File, error)
	smallSize int64
}

// prepare is called once, before the first spool.
func (o *spoolOptions) prepare() {
	o.memory, o.segments = make(chan struct{}, allObjects/segmentSize), make(chan []byte, allObjects/segmentSize)
	o.tempFile, o.smallSize = unlinkedFile, smallObject
}

// unlinkedFile is a file that vanishes with its descriptor, so that no crash
// leaves anything behind.
func unlinkedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".s3-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// spool holds the packed bytes of an object between packing and sending, since
// S3 wants to know the length first: in memory while they are few, then in an
// unlinked file. Where no file can be had (a full or read-only disk is just when
// the buffer must drain) it keeps the length and the hashes only, and packs again
// while it sends.
type spool struct {
	size        int64
	sha256      string // of all bytes, in hex; "" when the payload is not signed
	contentType string

	options *spoolOptions
	pack    func(ctx context.Context, w io.Writer) error
	same    bool // packing again gives the same bytes
	memory  [][]byte
	file    *os.File
	again   bool // nothing is held: pack once more

	sum, signed hash.Hash
}

func newSpool(o *spoolOptions, pack func(context.Context, io.Writer) error, same bool) *spool {
	s := &spool{options: o, pack: pack, same: same, sum: newSum(o)}
	if o.sign {
		s.signed = sha256.New()
	}
	return s
}

func newSum(o *spoolOptions) hash.Hash {
	switch o.checksum {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "SHA1":
		return sha1.New() //nolint:gosec // as above
	case "SHA256":
		return sha256.New()
	}
	if o.md5 {
		return md5.New() //nolint:gosec // as above
	}
	return nil
}

// fill packs once.
func (s *spool) fill(ctx context.Context) error {
	if err := s.pack(ctx, s); err != nil {
		return err
	}
	if s.signed != nil {
		s.sha256 = hex.EncodeToString(s.signed.Sum(nil))
	}
	return nil
}

// Write takes packed bytes.
func (s *spool) Write(p []byte) (int, error) {
	for _, h := range []hash.Hash{s.sum, s.signed} {
		if h != nil {
			h.Write(p) // never fails
		}
	}
	s.size += int64(len(p))
	if s.again {
		return len(p), nil
	}
	return len(p), s.keep(p)
}

func (s *spool) keep(p []byte) error {
	for len(p) > 0 && s.file == nil {
		if last := len(s.memory) - 1; last >= 0 && len(s.memory[last]) < segmentSize {
			n := min(len(p), segmentSize-len(s.memory[last]))
			s.memory[last] = append(s.memory[last], p[:n]...)
			p = p[n:]
			continue
		}
		if !s.grow() {
			if err := s.spill(); err != nil {
				return s.drop(err)
			}
		}
	}
	if len(p) == 0 {
		return nil
	}
	if _, err := s.file.Write(p); err != nil {
		return s.drop(err)
	}
	return nil
}

// grow takes a segment; false when the object, or all of them, have enough.
func (s *spool) grow() bool {
	if int64(len(s.memory)+1)*segmentSize > s.options.smallSize {
		return false
	}
	select {
	case s.options.memory <- struct{}{}:
	default:
		return false
	}
	select {
	case segment := <-s.options.segments:
		s.memory = append(s.memory, segment[:0])
	default:
		s.memory = append(s.memory, make([]byte, 0, segmentSize))
	}
	return true
}

// spill moves what is in memory into a file.
func (s *spool) spill() error {
	f, err := s.options.tempFile(s.options.dir)
	if err != nil && s.options.dir != "" {
		f, err = s.options.tempFile("")
	}
	if err != nil {
		return err
	}
	s.file = f
	for _, segment := range s.memory {
		if _, err := f.Write(segment); err != nil {
			return err
		}
	}
	s.free()
	return nil
}

// drop forgets the bytes: they are made again when they are sent.
func (s *spool) drop(cause error) error {
	if !s.same {
		return fmt.Errorf("keep a packed object: %w", cause)
	}
	s.close()
	s.again = true
	return nil
}

// free gives the memory back.
func (s *spool) free() {
	for _, segment := range s.memory {
		select {
		case s.options.segments <- segment:
		default:
		}
		<-s.options.memory
	}
	s.memory = nil
}

func (s *spool) close() {
	s.free()
	if s.file != nil {
		s.file.Close() //nolint:errcheck // it has no name: nothing can be lost
		s.file = nil
	}
}

// open gives the bytes from their beginning, for one request.
func (s *spool) open(ctx context.Context) (io.ReadCloser, error) {
	switch {
	case s.file != nil:
		return &guarded{r: io.NewSectionReader(s.file, 0, s.size)}, nil
	case !s.again:
		return &guarded{r: &segments{rest: s.memory}}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	p := &repacking{r: r, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		w.CloseWithError(s.pack(ctx, w))
	}()
	return p, nil
}

// repacking is a second packing under way.
type repacking struct {
	r      *io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

func (p *repacking) Read(b []byte) (int, error) { return p.r.Read(b) }

// Close ends the packing and waits for it: the chunk is given back after that.
func (p *repacking) Close() error {
	p.cancel()
	err := p.r.Close()
	<-p.done
	return err
}

// guarded reads nothing any more once it is closed. The HTTP client may go on
// reading a body for a moment after it returned an answer, when the memory under
// it already serves another object.
type guarded struct {
	mu sync.Mutex
	r  io.Reader // nil once closed
}

func (g *guarded) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.r == nil {
		return 0, os.ErrClosed
	}
	return g.r.Read(p)
}

func (g *guarded) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.r = nil
	return nil
}

// segments reads memory.
type segments struct {
	rest [][]byte
	off  int
}

func (s *segments) Read(p []byte) (int, error) {
	for len(s.rest) > 0 && s.off == len(s.rest[0]) {
		s.rest, s.off = s.rest[1:], 0
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[0][s.off:])
	s.off += n
	return n, nil
}

// checksums puts the digest of the bytes where S3 wants it.
func (s *spool) checksums(in *s3.PutObjectInput) {
	if s.sum == nil {
		return
	}
	digest := base64.StdEncoding.EncodeToString(s.sum.Sum(nil))
	switch s.options.checksum {
	case "CRC32":
		in.ChecksumCRC32 = &digest
	case "CRC32C":
		in.ChecksumCRC32C = &digest
	case "SHA1":
		in.ChecksumSHA1 = &digest
	case "SHA256":
		in.ChecksumSHA256 = &digest
	default:
		in.ContentMD5 = &digest
	}
}
