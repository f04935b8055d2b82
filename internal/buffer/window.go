package buffer

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// window remembers ids for a time, within a number of them, in two tables. When
// the younger one is half of the number, or as old as the time, it takes the
// place of the older one. So an id is remembered for at least the time and at
// most twice that, unless there are too many.
type window struct {
	half       int // ids in one table
	span       time.Duration
	young, old idTable
	began      time.Duration // of young
	oldBegan   time.Duration
}

func newWindow(keys int, span time.Duration) *window {
	return &window{half: max(keys/2, 1), span: span}
}

func (w *window) has(id event.ID) bool { return w.young.has(id) || w.old.has(id) }

func (w *window) len() int { return w.young.n + w.old.n }

func (w *window) add(id event.ID, now time.Duration) {
	if w.young.n == 0 {
		w.began = now
	}
	if w.young.n >= w.half || w.young.n > 0 && now-w.began >= w.span {
		w.old, w.oldBegan = w.young, w.began
		w.young, w.began = idTable{}, now
	}
	w.young.add(id)
}

// covers is how far back the memory reaches; short says that ids were forgotten
// before their time.
func (w *window) covers(now time.Duration) (d time.Duration, short bool) {
	switch {
	case w.old.n > 0:
		d = now - w.oldBegan
		return d, w.old.n >= w.half && d < w.span
	case w.young.n > 0:
		return now - w.began, false
	}
	return 0, false
}

// idTable is a set of ids, open addressing in a slice: 16 bytes an id and no
// pointers, so the collector never looks into it. The zero id is an empty place.
type idTable struct {
	slots []event.ID
	n     int
	seed  uint64
}

// place mixes the whole id with a random number, so that nobody who chooses ids
// can choose places.
func (t *idTable) place(id event.ID) int {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^t.seed, binary.LittleEndian.Uint64(id[8:])^0x9e3779b97f4a7c15)
	return int((hi ^ lo) & uint64(len(t.slots)-1))
}

func (t *idTable) has(id event.ID) bool {
	if t.n == 0 {
		return false
	}
	for i := t.place(id); t.slots[i] != (event.ID{}); i = (i + 1) & (len(t.slots) - 1) {
		if t.slots[i] == id {
			return true
		}
	}
	return false
}

func (t *idTable) add(id event.ID) {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.grow()
	}
	i := t.place(id)
	for t.slots[i] != (event.ID{}) {
		if t.slots[i] == id {
			return
		}
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = id
	t.n++
}

func (t *idTable) grow() {
	old := t.slots
	t.seed = rand.Uint64()
	t.slots, t.n = make([]event.ID, max(64, 2*len(old))), 0
	for _, id := range old {
		if id != (event.ID{}) {
			t.add(id)
		}
	}
}
