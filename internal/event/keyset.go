package event

import (
	"math/bits"
	"math/rand/v2"
	"sync"
)

// keySet finds out whether an object has a key twice. One set serves all objects
// of a record: the hash of a key depends on its object. A false alarm only costs
// the general reader's time, so 32 bits of hash and equal text are enough to
// refuse; a key that really is there twice is always found.
//
// Clients choose the keys. The hash begins at random, and whoever still finds
// keys that collide gets his record refused after a few probes: the work stays
// linear.
type keySet struct {
	small [smallKeys]uint64
	big   *[]uint64 // the larger table that has taken over, if any
	count int
}

const (
	smallKeys = 128
	maxProbes = smallKeys
	// maxPooled is the largest table, in slots, that is kept for the next record.
	maxPooled = 1 << 18
)

// reset empties the set.
func (k *keySet) reset() {
	if k.count > 0 {
		clear(k.small[:])
		k.count = 0
	}
}

// release gives a larger table back.
func (k *keySet) release() {
	if k.big == nil {
		return
	}
	if len(*k.big) <= maxPooled {
		tables.Put(k.big)
	}
	k.big = nil
}

// tables holds larger tables for reuse: *[]uint64.
var tables sync.Pool

// grow moves to a table of four times the size.
func (k *keySet) grow() {
	old := k.slots()
	n := 4 * len(old)
	table, _ := tables.Get().(*[]uint64)
	if table == nil || cap(*table) < n {
		table = new([]uint64)
		*table = make([]uint64, n)
	}
	*table = (*table)[:n]
	clear(*table)
	mask := uint64(n - 1)
	for _, slot := range old {
		for at := slot >> 32; slot != 0; at++ {
			if to := &(*table)[at&mask]; *to == 0 {
				*to = slot
				break
			}
		}
	}
	k.release()
	k.big = table
}

// slots is the table in use.
func (k *keySet) slots() []uint64 {
	if k.big != nil {
		return *k.big
	}
	return k.small[:]
}

// add puts the key b[start:end] in, unless it is there. It says false too when
// it can not find out cheaply.
func (k *keySet) add(b []byte, start, end int, h uint64) bool {
	h ^= h >> 32
	slots := k.slots()
	mask := uint64(len(slots) - 1)
	tag := h << 32
	for probe := range uint64(maxProbes) {
		slot := &slots[(h+probe)&mask]
		if *slot == 0 {
			*slot = tag | uint64(start+1)
			k.count++
			// A small table may fill up to three quarters, since it can be searched
			// through; a large one stays half empty, so that probes stay few.
			if k.count >= len(slots)/2 && (k.big != nil || k.count >= smallKeys/4*3) {
				k.grow()
			}
			return true
		}
		if *slot&^(1<<32-1) == tag && sameKey(b, int(uint32(*slot))-1, b[start:end]) {
			return false
		}
	}
	return false
}

// sameKey tells whether the key that begins at place is this one. The quote
// behind it shows that it ends there.
func sameKey(b []byte, place int, key []byte) bool {
	end := place + len(key)
	return b[end] == '"' && string(b[place:end]) == string(key)
}

// hashSeed differs from one process to the next.
var hashSeed = rand.Uint64()

// hashFactor is odd, with its bits well mixed (from the golden ratio).
const hashFactor = 0x9e3779b97f4a7c15

// hashStart begins the hash of a key of the object with this number.
func hashStart(id uint32) uint64 { return hashSeed + uint64(id)*hashFactor }

func hashWord(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^w, hashFactor)
	return hi ^ lo
}

// hashKey is the hash that compactor.key builds up while it scans.
func hashKey(key []byte, id uint32) uint64 {
	h := hashStart(id)
	for ; len(key) >= 8; key = key[8:] {
		h = hashWord(h, load(key, 0))
	}
	return hashWord(h, load(key, 0))
}
