package buffer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// takeForeign makes a queued chunk of one of Fluentd's. It is converted when it
// is handed out: a start must not wait until gigabytes are copied.
func (b *Buffer) takeForeign(x *foreign) (*Chunk, error) {
	broken, err := b.inspect(x)
	if err != nil {
		return nil, fmt.Errorf("take over a chunk of Fluentd: %w", err)
	}
	if broken != nil {
		for _, path := range x.paths {
			if err := b.quarantine(path, broken); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		return nil, nil
	}
	c := &Chunk{
		b: b, id: x.id, meta: x.meta, fingerprint: b.fingerprint, created: x.created,
		born: b.elapsed(), resumed: true, foreign: x, bytes: x.size, events: max(x.events, 0),
	}
	c.meta.ChunkID = c.id
	c.key = keyOf(&c.meta)
	c.cut.Store(math.MaxInt64)
	b.meters.adopted.Inc()
	b.log.Info("took over a chunk of Fluentd", "path", x.paths[0], "chunk_id", c.id.String(), "bytes", x.size)
	return c, nil
}

func (b *Buffer) removeAll(paths []string) error {
	for _, path := range paths {
		if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was taken over from Fluentd: %w", err)
		}
	}
	return nil
}

// adopt converts one of Fluentd's chunks into a file of ours under its own id, so
// that it gets checksums and can take notes: written, synced, renamed, the folder
// synced, and only then the original removed. c.io is held.
func (b *Buffer) adopt(c *Chunk) (ready bool, err error) {
	x := c.foreign
	src, err := b.fs.Open(x.paths[0], os.O_RDONLY, 0)
	if err != nil {
		return false, fmt.Errorf("take over a chunk of Fluentd: %w", err)
	}
	defer src.Close()
	conv, err := b.convert(c, src)
	to := b.chunkPath(queued, c.id)
	if err == nil {
		err = b.fs.Rename(b.tempPath(c.id), to)
	}
	if err == nil {
		err = b.fs.SyncDir(b.dir)
	}
	if err != nil {
		_ = b.fs.Remove(b.tempPath(c.id))
		return false, fmt.Errorf("take over a chunk of Fluentd: %w", err)
	}
	c.mu.Lock()
	b.room.add(conv.totals.bytes - c.bytes)
	c.bytes, c.events = conv.totals.bytes, conv.totals.events
	c.path, c.dataEnd, c.end, c.size, c.salt = to, conv.dataEnd, conv.off, conv.off+noteRoom, conv.salt
	c.sealed, c.foreign, c.packings = true, nil, packedNot
	c.synced.Store(c.end)
	c.named.Store(true)
	c.mu.Unlock()
	if conv.torn != nil {
		// The packed events break off: what could be read is delivered, the rest is kept.
		if err := b.quarantine(x.paths[0], conv.torn); err != nil {
			b.log.Error("keep a broken chunk of Fluentd", "error", err)
			return true, nil
		}
		x.paths = x.paths[1:]
	}
	if err := b.removeAll(x.paths); err != nil {
		b.log.Error("take over a chunk of Fluentd", "error", err) // the next start removes them
	}
	b.commit.unlinked()
	return true, nil
}

// converter writes a chunk file from bare events.
type converter struct {
	dst     File
	salt    uint32
	off     int64
	dataEnd int64
	totals  totals
	torn    error
}

// convertFrame is how many bytes of events go into one frame.
const convertFrame = 1 << 20

func (b *Buffer) convert(c *Chunk, src File) (conv *converter, err error) {
	dst, err := b.fs.Open(b.tempPath(c.id), os.O_RDWR|os.O_CREATE|os.O_TRUNC, b.filePerm)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	conv = &converter{dst: dst, salt: rand.Uint32()}
	h := header{version: formatVersion, id: c.id, created: c.created.UnixNano(), meta: c.meta, fingerprint: c.fingerprint}
	if err := conv.put(frame{kind: kindHead}, h.encode()); err != nil {
		return nil, err
	}
	if err := conv.events(src, c.foreign); err != nil {
		return nil, err
	}
	conv.dataEnd = conv.off
	if err := conv.put(frame{kind: kindSeal}, conv.totals.encode()); err != nil {
		return nil, err
	}
	if _, err := dst.WriteAt(zeros[:noteRoom], conv.off); err != nil {
		return nil, err
	}
	return conv, dst.Sync()
}

func (v *converter) put(f frame, body []byte) error {
	f.off = v.off
	n, err := v.dst.WriteAt(appendFrame(nil, f, v.salt, body), v.off)
	v.off += int64(n)
	return err
}

// events copies the events, unpacked. How many a frame holds is Fluentd's count,
// in the first frame; else lines are counted.
func (v *converter) events(src File, x *foreign) error {
	r, err := unpacker(io.NewSectionReader(src, 0, x.size))
	if err != nil {
		v.torn = err
		return nil
	}
	buf := make([]byte, convertFrame)
	for first := true; ; first = false {
		n, readErr := io.ReadFull(r, buf)
		if n > 0 {
			count := bytes.Count(buf[:n], []byte{'\n'})
			if x.events >= 0 {
				count = 0
			}
			if x.events >= 0 && first {
				count = int(min(x.events, math.MaxUint32))
			}
			if err := v.put(frame{kind: kindData, count: uint32(count)}, buf[:n]); err != nil {
				return err
			}
			v.totals.events += int64(count)
			v.totals.bytes += int64(n)
		}
		switch {
		case readErr == nil:
		case errors.Is(readErr, io.EOF), errors.Is(readErr, io.ErrUnexpectedEOF) && !errors.As(readErr, new(*tornPack)):
			return nil
		case errors.As(readErr, new(*tornPack)):
			v.torn = readErr
			return nil
		default:
			return readErr
		}
	}
}

// tornPack is packed events that break off or make no sense.
type tornPack struct{ err error }

func (e *tornPack) Error() string { return "packed events are broken: " + e.err.Error() }

// unpacker reads what compress gzip or zstd packed, found by its first bytes: no
// formatted event begins with them.
func unpacker(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, _ := in.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, &tornPack{err}
		}
		return marked{z}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, &tornPack{err}
		}
		return marked{z}, nil
	}
	return in, nil
}

// marked tells damage of the packing from errors of the disk.
type marked struct{ r io.Reader }

func (m marked) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !isDiskError(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &tornPack{err}
	}
	return n, err
}
