package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"time"
)

// NewChunkID makes the id of a chunk created at now.
func NewChunkID(now time.Time) ChunkID {
	var id ChunkID
	// crypto/rand.Read never fails: it ends the program instead.
	rand.Read(id[:])
	random := uint64(binary.BigEndian.Uint16(id[6:8]) & 0xfff)
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMicro())<<12|random)
	return id
}

// ContentID is the fingerprint of a tag and a whole record in its compact form.
// It is cryptographic, because clients choose the content: nobody can make two
// events that the relay would take for one.
func ContentID(tag string, compact []byte) ID { return fingerprint('c', tag, compact) }

// FieldID is the fingerprint of a tag and the value of the field that names the
// event (dedup_key), as text.
func FieldID(tag, value string) ID { return fingerprint('f', tag, []byte(value)) }

// hasher is reused, with its scratch space, so that a fingerprint costs no
// allocation.
type hasher struct {
	hash.Hash
	head []byte
	sum  [sha256.Size]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{Hash: sha256.New()} }}

// fingerprint hashes kind, length of the tag, tag and body, so that no two
// different triples give the same input.
func fingerprint(kind byte, tag string, body []byte) ID {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.Reset()
	h.head = binary.BigEndian.AppendUint64(append(h.head[:0], kind), uint64(len(tag)))
	h.head = append(h.head, tag...)
	h.Write(h.head)
	h.Write(body)
	return ID(h.Sum(h.sum[:0])[:len(ID{})])
}
