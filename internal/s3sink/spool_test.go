package s3sink

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// noise is n bytes that do not pack, the same for the same n.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	r.Read(b)
	return b
}

func writerOf(b []byte) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		// In pieces, so that segments are crossed at odd places.
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 100_003)
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}
}

// TestSpool keeps bytes in each of the three ways and gives them back twice.
func TestSpool(t *testing.T) {
	noFile := func(string) (*os.File, error) { return nil, errors.New("no space left") }
	shortFile := func(dir string) (*os.File, error) {
		f, err := unlinkedFile(dir)
		if err == nil {
			err = f.Close() // every write to it fails
		}
		return f, err
	}
	for name, c := range map[string]struct {
		size     int
		tempFile func(string) (*os.File, error)
		where    string
	}{
		"empty":             {0, unlinkedFile, "memory"},
		"small":             {1000, unlinkedFile, "memory"},
		"one segment":       {segmentSize, unlinkedFile, "memory"},
		"segments":          {3*segmentSize + 1, unlinkedFile, "memory"},
		"at the limit":      {1 << 20, unlinkedFile, "memory"},
		"large":             {1<<20 + 1, unlinkedFile, "file"},
		"larger":            {3 << 20, unlinkedFile, "file"},
		"no file":           {3 << 20, noFile, "again"},
		"file can not grow": {3 << 20, shortFile, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &spoolOptions{md5: true, sign: true}
			o.prepare()
			o.smallSize, o.tempFile, o.dir = 1<<20, c.tempFile, t.TempDir()
			want := noise(c.size)
			s := newSpool(o, writerOf(want), true)
			if err := s.fill(t.Context()); err != nil {
				t.Fatal(err)
			}
			where := map[bool]string{true: "file"}[s.file != nil]
			if s.again {
				where = "again"
			} else if where == "" {
				where = "memory"
			}
			if where != c.where || s.size != int64(len(want)) {
				t.Errorf("kept in %s, %d bytes; want %s", where, s.size, c.where)
			}
			for range 2 {
				r, err := s.open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				r.Close()
				if n, err := r.Read(make([]byte, 1)); n > 0 || err == nil || err == io.EOF && len(want) > 0 && c.where != "again" {
					t.Errorf("a closed reader read %d, %v", n, err)
				}
			}
			sum := sha256.Sum256(want)
			md := md5.Sum(want)
			in := &s3.PutObjectInput{}
			s.checksums(in)
			if s.sha256 != hex.EncodeToString(sum[:]) || *in.ContentMD5 != base64.StdEncoding.EncodeToString(md[:]) {
				t.Error("wrong hash")
			}
			s.close()
			if len(o.memory) != 0 {
				t.Errorf("%d segments are still counted", len(o.memory))
			}
			if left, _ := os.ReadDir(o.dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestSpoolLimit: all objects together hold allObjects in memory and no more.
func TestSpoolLimit(t *testing.T) {
	o := &spoolOptions{dir: t.TempDir()}
	o.prepare()
	var spools []*spool
	inMemory := 0
	for range 6 {
		s := newSpool(o, writerOf(noise(3<<20)), true)
		if err := s.fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.file == nil {
			inMemory++
		}
		spools = append(spools, s)
	}
	if inMemory != 2 {
		t.Errorf("%d objects of 3 MB in memory, want 2 within 8 MB", inMemory)
	}
	for _, s := range spools {
		s.close()
	}
	if s := newSpool(o, writerOf(noise(3<<20)), true); s.fill(t.Context()) != nil || s.file != nil {
		t.Error("the memory did not come back")
	}
}

// TestSpoolVaries refuses to pack again what comes out otherwise each time.
func TestSpoolVaries(t *testing.T) {
	o := &spoolOptions{}
	o.prepare()
	o.tempFile = func(string) (*os.File, error) { return nil, errors.New("no space left") }
	if err := newSpool(o, writerOf(noise(9<<20)), false).fill(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestChecksums(t *testing.T) {
	o := &spoolOptions{checksum: "CRC32C", md5: true}
	o.prepare()
	s := newSpool(o, writerOf([]byte("123456789")), true)
	if err := s.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := &s3.PutObjectInput{}
	s.checksums(in)
	check := crc32.Checksum([]byte("123456789"), crc32.MakeTable(crc32.Castagnoli)) // 0xe3069283
	want := base64.StdEncoding.EncodeToString([]byte{byte(check >> 24), byte(check >> 16), byte(check >> 8), byte(check)})
	if in.ContentMD5 != nil || in.ChecksumCRC32C == nil || *in.ChecksumCRC32C != want || want != "4waSgw==" {
		t.Errorf("got %v, want %s", in.ChecksumCRC32C, want)
	}
}

// TestPackings packs a chunk twice in every way, unpacks it, and finds the same
// bytes both times.
func TestPackings(t *testing.T) {
	unpack := map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) {
			b, err := io.ReadAll(r)
			return bytes.NewReader([]byte(unzip(t, b))), err
		},
		"lzma2": func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) {
			d, err := zstd.NewReader(r)
			if err != nil {
				return nil, err
			}
			t.Cleanup(d.Close)
			return d, nil
		},
		"text": func(r io.Reader) (io.Reader, error) { return r, nil },
	}
	unpack["gzip_command"], unpack["json"] = unpack["gzip"], unpack["text"]
	for as, open := range unpack {
		t.Run(as, func(t *testing.T) {
			p, unknown, err := newPacker(&storeOptions{as: as, zstd: 3})
			if err != nil || unknown {
				t.Fatal(err, unknown)
			}
			c := newChunk(1)
			c.body = bytes.Repeat([]byte("{\"event\":\"user.login\",\"uid\":\"8e4b7e2d\"}\n"), 5000)
			var first []byte
			for i := range 3 {
				s, err := p.pack(t.Context(), c, &plan{storeAs: as, level: p.level})
				if err != nil {
					t.Fatal(err)
				}
				r, err := s.open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				packed, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				s.close()
				if i == 0 {
					first = packed
				} else if !bytes.Equal(first, packed) {
					t.Fatal("the bytes differ from one attempt to the next")
				}
			}
			r, err := open(bytes.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, c.body) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if as == "gzip" && !bytes.Equal(first[4:8], make([]byte, 4)) {
				t.Errorf("the gzip header has a time: % x", first[:10])
			}
		})
	}
}

// TestPackFails gives an error, and no object, when the chunk can not be read to
// its end.
func TestPackFails(t *testing.T) {
	p, _, err := newPacker(&storeOptions{as: "gzip"})
	if err != nil {
		t.Fatal(err)
	}
	broken := &brokenChunk{newChunk(1)}
	if _, err := p.pack(t.Context(), broken, &plan{storeAs: "gzip", level: p.level}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if _, err := p.pack(t.Context(), broken, &plan{storeAs: "rot13"}); err == nil {
		t.Error("an unknown packing is taken")
	}
}

var errBroken = errors.New("frame is corrupt")

type brokenChunk struct{ *testChunk }

func (c *brokenChunk) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(c.body), errReader{})), nil
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func TestCommandLevel(t *testing.T) {
	for command, want := range map[string]int{"": 6, "-9": 9, "-qf0": 0, "-q -T0 -3": 3} {
		if got, err := commandLevel(command, 6); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", command, got, err, want)
		}
	}
	if _, err := commandLevel("--rsyncable", 6); err == nil {
		t.Error("no error")
	}
}

// BenchmarkPack measures a chunk of 10,000 events; divide by them for one.
func BenchmarkPack(b *testing.B) {
	var body bytes.Buffer
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		fmt.Fprintf(&body, `{"ei":%d,"event":"session.command","uid":"%016x-%016x","code":"T4000I","time":"2026-01-15T09:%02d:%02d.%03dZ","user":"user-%d","login":"root","sid":"%016x","server_id":"%016x","server_hostname":"node-%d.example.com","namespace":"default","program":"ls","path":"/usr/bin/ls","argv":["-l","/home/user-%d"],"return_code":0,"pid":%d,"ppid":%d,"cgroup_id":%d,"cluster_name":"teleport.example.com"}`+"\n",
			i, r.Uint64(), r.Uint64(), r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(50), r.IntN(100), r.IntN(100), r.IntN(100), r.IntN(50), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<30))
	}
	for _, as := range []string{"gzip", "gzip_command", "zstd", "text"} {
		b.Run(as, func(b *testing.B) {
			p, _, err := newPacker(&storeOptions{as: as, zstd: 3})
			if err != nil {
				b.Fatal(err)
			}
			p.spools.md5 = true
			c := newChunk(1)
			c.body = body.Bytes()
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := p.pack(b.Context(), c, &plan{storeAs: as, level: p.level})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.size)/10_000, "B/event")
				s.close()
			}
		})
	}
}
