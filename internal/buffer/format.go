package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/tinylib/msgp/msgp"
)

// A chunk file is a row of frames, little endian (docs/format/chunk.md):
//
//	kind:1 flags:1 zero:2 | length:4 | count:4 | salt:4 | crc32c:4 | body[length]
//
// The checksum is over the first 16 bytes, the frame's offset in the file (8
// bytes) and the body. So a frame is only valid where it was written, and only
// in the file whose salt it carries: neither a stale frame behind a cut nor an
// event whose text looks like a frame can be taken for one.
const (
	frameHead = 20
	// maxFrame bounds the body of one frame; a batch that is larger makes several.
	maxFrame = 1 << 30
)

// The kinds of frames. Zero is none of them: zeros mean that nothing follows.
const (
	kindHead   byte = 'H' // first: what the chunk is
	kindData   byte = 'D' // one append's events
	kindSeal   byte = 'S' // totals; no data behind it
	kindNote   byte = 'N' // only behind the seal: what was decided later
	kindIDs    byte = 'I' // in seen files: ids of events that left
	kindSource byte = 'G' // in seen files: how far a source has got
)

// The flags of a data frame.
const (
	flagIDs    byte = 1 << 0 // body begins (behind the origin) with 16 bytes for each event
	flagOrigin byte = 1 << 1 // body begins with 16 bytes: who sent the events, in which generation
	flagGzip   byte = 1 << 2 // the events are one gzip member
	flagZstd   byte = 1 << 3 // the events are one zstd frame
	flagsKnown      = flagIDs | flagOrigin | flagGzip | flagZstd
)

// formatVersion is what head.v says. A reader refuses chunks of a newer version.
const formatVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is a frame's head, and where it stands.
type frame struct {
	kind, flags byte
	length      uint32
	count       uint32
	off         int64
}

func (f frame) bodyOff() int64 { return f.off + frameHead }
func (f frame) end() int64     { return f.off + frameHead + int64(f.length) }

// prefixLen is how many bytes of a data frame's body stand before the events.
func (f frame) prefixLen() int64 {
	n := int64(0)
	if f.flags&flagOrigin != 0 {
		n += originSize
	}
	if f.flags&flagIDs != 0 {
		n += int64(f.count) * int64(len(event.ID{}))
	}
	return n
}

// origin says which handler sent the events of a frame. The zero origin is
// anybody.
type origin struct {
	source     uint64 // hash of Source.ID
	generation uint64
}

const originSize = 16

func (o origin) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, o.source)
	return binary.LittleEndian.AppendUint64(dst, o.generation)
}

func readOrigin(b []byte) origin {
	return origin{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// putFrameHead fills the first 20 bytes of dst with the head of a frame at off
// whose body is a followed by b.
func putFrameHead(dst []byte, f frame, salt uint32, a, b []byte) {
	dst[0], dst[1], dst[2], dst[3] = f.kind, f.flags, 0, 0
	binary.LittleEndian.PutUint32(dst[4:], uint32(len(a)+len(b)))
	binary.LittleEndian.PutUint32(dst[8:], f.count)
	binary.LittleEndian.PutUint32(dst[12:], salt)
	sum := startSum(dst, f.off)
	sum = crc32.Update(sum, castagnoli, a)
	sum = crc32.Update(sum, castagnoli, b)
	binary.LittleEndian.PutUint32(dst[16:], sum)
}

// startSum is the checksum of what stands before the body, and of where that is.
func startSum(head []byte, off int64) uint32 {
	// The place is summed up by hand: crc32 would move its bytes to the heap.
	sum := ^crc32.Update(0, castagnoli, head[:16])
	for range 8 {
		sum = castagnoli[byte(sum)^byte(off)] ^ sum>>8
		off >>= 8
	}
	return ^sum
}

// appendFrame appends a whole frame that will stand at off.
func appendFrame(dst []byte, f frame, salt uint32, body []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	putFrameHead(dst[at:], f, salt, body, nil)
	return append(dst, body...)
}

// header is the first frame's body: what Fluentd keeps in its .meta files and
// that never changes.
type header struct {
	version     int
	id          event.ChunkID
	created     int64 // nanoseconds since 1970
	meta        event.Meta
	fingerprint [8]byte
	salt        uint32 // from the frame, not the body
}

// encode is the head's msgpack map {v, id, created, timekey, tag, variables,
// format}, keys always in this order.
func (h header) encode() []byte {
	b := msgp.AppendMapHeader(nil, 7)
	b = msgp.AppendInt(msgp.AppendString(b, "v"), h.version)
	b = msgp.AppendBytes(msgp.AppendString(b, "id"), h.id[:])
	b = msgp.AppendInt64(msgp.AppendString(b, "created"), h.created)
	b = msgp.AppendString(b, "timekey")
	if h.meta.HasTimekey {
		b = msgp.AppendInt64(b, h.meta.Timekey)
	} else {
		b = msgp.AppendNil(b)
	}
	b = msgp.AppendString(b, "tag")
	if h.meta.HasTag {
		b = msgp.AppendString(b, h.meta.Tag)
	} else {
		b = msgp.AppendNil(b)
	}
	b = msgp.AppendString(b, "variables")
	b = msgp.AppendMapHeader(b, uint32(len(h.meta.Variables)))
	for _, v := range h.meta.Variables {
		b = event.AppendMsgpack(msgp.AppendString(b, v.Key), v.Value)
	}
	return msgp.AppendBytes(msgp.AppendString(b, "format"), h.fingerprint[:])
}

var (
	errHead       = errors.New("chunk has no valid head")
	errNewVersion = errors.New("chunk was written by a newer version")
)

// decodeHeader reads what encode wrote. Keys that it does not know are skipped,
// so that a later version may add some.
func decodeHeader(b []byte) (header, error) {
	var h header
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return h, fmt.Errorf("%w: %w", errHead, err)
	}
	seen := 0
	for range n {
		var key string
		if key, b, err = msgp.ReadStringBytes(b); err != nil {
			return h, fmt.Errorf("%w: %w", errHead, err)
		}
		known := false
		if b, known, err = h.field(key, b); err != nil {
			return h, fmt.Errorf("%w: %s: %w", errHead, key, err)
		}
		if known {
			seen++
		}
	}
	switch {
	case h.version > formatVersion:
		return h, fmt.Errorf("%w: %d", errNewVersion, h.version)
	case h.version < 1 || seen < 7:
		return h, errHead
	}
	h.meta.ChunkID = h.id
	return h, nil
}

func (h *header) field(key string, b []byte) (rest []byte, known bool, err error) {
	switch key {
	case "v":
		h.version, rest, err = msgp.ReadIntBytes(b)
	case "id":
		rest, err = msgp.ReadExactBytes(b, h.id[:])
	case "created":
		h.created, rest, err = msgp.ReadInt64Bytes(b)
	case "timekey":
		if msgp.IsNil(b) {
			rest, err = msgp.ReadNilBytes(b)
			break
		}
		h.meta.HasTimekey = true
		h.meta.Timekey, rest, err = msgp.ReadInt64Bytes(b)
	case "tag":
		if msgp.IsNil(b) {
			rest, err = msgp.ReadNilBytes(b)
			break
		}
		h.meta.HasTag = true
		h.meta.Tag, rest, err = msgp.ReadStringBytes(b)
	case "variables":
		rest, err = h.variables(b)
	case "format":
		rest, err = msgp.ReadExactBytes(b, h.fingerprint[:])
	default:
		rest, err = msgp.Skip(b)
		return rest, false, err
	}
	return rest, true, err
}

func (h *header) variables(b []byte) ([]byte, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, err
	}
	for range n {
		var v event.Variable
		if v.Key, b, err = msgp.ReadStringBytes(b); err != nil {
			return nil, err
		}
		if v.Value, b, err = event.ReadMsgpack(b); err != nil {
			return nil, err
		}
		h.meta.Variables = append(h.meta.Variables, v)
	}
	return b, nil
}

// totals is the seal's body: events and bytes of events, as stored.
type totals struct{ events, bytes int64 }

const sealSize = frameHead + 16

func (t totals) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(t.events))
	return binary.LittleEndian.AppendUint64(b, uint64(t.bytes))
}

func decodeTotals(b []byte) (totals, bool) {
	if len(b) != 16 {
		return totals{}, false
	}
	t := totals{int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))}
	return t, t.events >= 0 && t.bytes >= 0
}

// encodeNote is a msgpack map of texts, keys sorted.
func encodeNote(note map[string]string) []byte {
	b := msgp.AppendMapHeader(nil, uint32(len(note)))
	for _, k := range slices.Sorted(maps.Keys(note)) {
		b = msgp.AppendString(msgp.AppendString(b, k), note[k])
	}
	return b
}

func decodeNote(b []byte) (map[string]string, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil || n > math.MaxUint16 {
		return nil, fmt.Errorf("read a note: %w", errors.Join(err, errHead))
	}
	note := make(map[string]string, min(n, 64))
	for range n {
		var k, v string
		if k, b, err = msgp.ReadStringBytes(b); err == nil {
			v, b, err = msgp.ReadStringBytes(b)
		}
		if err != nil {
			return nil, fmt.Errorf("read a note: %w", err)
		}
		note[k] = v
	}
	return note, nil
}
