package buffer

import (
	"io"

	"github.com/sluicelog/sluice/internal/event"
)

// What tests need of the inside.

// FrameForTest builds a frame as it stands at off.
func FrameForTest(kind, flags byte, count uint32, salt uint32, off int64, body []byte) []byte {
	return appendFrame(nil, frame{kind: kind, flags: flags, count: count, off: off}, salt, body)
}

// HeadForTest is the head's body.
func HeadForTest(id event.ChunkID, created int64, meta event.Meta, fingerprint [8]byte) []byte {
	return header{version: formatVersion, id: id, created: created, meta: meta, fingerprint: fingerprint}.encode()
}

// SealForTest is the seal's body.
func SealForTest(events, bytes int64) []byte { return totals{events, bytes}.encode() }

// NoteForTest is a note's body.
func NoteForTest(note map[string]string) []byte { return encodeNote(note) }

// ScanForTest scans what might be a chunk; it must not panic, and must not find
// what is not there.
func ScanForTest(r io.ReaderAt, size int64) (end int64, events int64, sealed bool, err error) {
	v, err := scanChunk(newScanner(r, size, true), nil)
	return v.end, v.totals.events, v.sealed, err
}

// ReadMetaForTest reads Fluentd's metadata.
func ReadMetaForTest(text []byte) error { return (&foreign{}).readMeta(text) }
