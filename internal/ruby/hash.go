package ruby

import (
	"math"
	"math/big"

	"github.com/sluicelog/sluice/internal/event"
)

// Hash is a map that keeps the order in which keys came. The record's own hash
// and those within it are lazy: lazy is where they come from, and entries only
// what was looked up so far, until something needs the whole.
type Hash struct {
	entries []entry
	index   map[hashKey]int // key → place in entries; nil while there are few
	live    int
	def     Value
	defProc *Proc
	frozen  bool
	shared  bool
	kw      bool // the keywords of a call that is under way
	rounds  int  // how many iterations are under way
	lazy    *event.Record
	env     *Env // of a lazy one
}

type entry struct {
	key, val Value
	dead     bool
}

// hashKey is what decides whether two keys are the same.
type hashKey struct {
	k kind
	n uint64
	s string
	p any
}

const smallHash = 8 // up to here a linear search is faster than a map

func (m *Env) newHash() *Hash {
	m.charge(64)
	return &Hash{}
}

func (h *Hash) reset(m *Env, r *event.Record) {
	if h.env == nil || h.lazy == nil {
		*h = Hash{entries: h.entries, env: m, shared: true}
	}
	clear(h.entries)
	h.entries, h.lazy = h.entries[:0], r
	h.frozen, h.def, h.defProc, h.kw, h.rounds = false, nil, nil, false, 0
}

// force reads all of a lazy hash; what was looked up before keeps its identity.
func (h *Hash) force() {
	r, m := h.lazy, h.env
	if r == nil {
		return
	}
	seen := append([]entry(nil), h.entries...)
	h.lazy, h.entries, h.live, h.index = nil, h.entries[:0], 0, nil
	top := h == &m.record
	for k, v := range r.All() {
		var val Value
		known := false
		for _, e := range seen {
			if e.key.(*Str).s == k {
				val, known = e.val, true
				break
			}
		}
		if !known {
			val = m.fromEvent(v)
		}
		if top && !known {
			m.own(k, val)
		}
		h.set(frozenStr(m, k), val)
	}
}

// own remembers a changeable value of the record for Changed.
func (m *Env) own(k string, v Value) {
	switch v.(type) {
	case *Str, *Array, *Hash:
		m.owned = append(m.owned, entry{key: k, val: v})
	}
}

func frozenStr(m *Env, s string) *Str {
	k := m.str(s)
	k.frozen = true
	return k
}

// peek looks one field of a lazy hash up.
func (h *Hash) peek(key Value) (Value, bool) {
	k, ok := key.(*Str)
	if !ok {
		return nil, false
	}
	return h.peekString(k.s)
}

func (h *Hash) peekString(k string) (Value, bool) {
	m := h.env
	for i := range h.entries {
		if h.entries[i].key.(*Str).s == k {
			return h.entries[i].val, true
		}
	}
	v, ok := h.lazy.Get(k)
	if !ok {
		return nil, false
	}
	val := m.fromEvent(v)
	h.entries = append(h.entries, entry{key: frozenStr(m, k), val: val})
	if h == &m.record {
		m.own(k, val)
	}
	return val, true
}

func (h *Hash) len() int {
	if h.lazy != nil {
		return h.lazy.Len()
	}
	return h.live
}

// get is a key's value.
func (h *Hash) get(key Value) (Value, bool) {
	if h.lazy != nil {
		return h.peek(key)
	}
	if i := h.find(key); i >= 0 {
		return h.entries[i].val, true
	}
	return nil, false
}

func (h *Hash) find(key Value) int {
	if h.index == nil {
		for i := range h.entries {
			if e := &h.entries[i]; !e.dead && sameKey(e.key, key) {
				return i
			}
		}
		return -1
	}
	if i, ok := h.index[keyOf(key)]; ok {
		return i
	}
	return -1
}

// set stores a value; the key must be safe to keep.
func (h *Hash) set(key, val Value) {
	h.force()
	if i := h.find(key); i >= 0 {
		h.entries[i].val = val
		return
	}
	if h.rounds > 0 {
		panic(newException("RuntimeError", "can't add a new key into hash during iteration"))
	}
	h.entries = append(h.entries, entry{key: key, val: val})
	h.live++
	switch {
	case h.index != nil:
		h.index[keyOf(key)] = len(h.entries) - 1
	case len(h.entries) > smallHash:
		h.reindex()
	}
}

func (h *Hash) reindex() {
	h.index = make(map[hashKey]int, 2*len(h.entries))
	for i := range h.entries {
		if e := &h.entries[i]; !e.dead {
			h.index[keyOf(e.key)] = i
		}
	}
}

// del takes a key out.
func (h *Hash) del(key Value) (Value, bool) {
	h.force()
	i := h.find(key)
	if i < 0 {
		return nil, false
	}
	v := h.entries[i].val
	if h.index != nil {
		delete(h.index, keyOf(key))
	}
	h.entries[i] = entry{dead: true}
	h.live--
	if h.rounds == 0 && len(h.entries) > 16 && h.live < len(h.entries)/2 {
		h.compact()
	}
	return v, true
}

func (h *Hash) compact() {
	kept := h.entries[:0]
	for _, e := range h.entries {
		if !e.dead {
			kept = append(kept, e)
		}
	}
	clear(h.entries[len(kept):])
	h.entries, h.index = kept, nil
	if len(kept) > smallHash {
		h.reindex()
	}
}

func (h *Hash) clear() {
	h.entries, h.index, h.live, h.lazy = nil, nil, 0, nil
}

// each goes through a hash; keys that are added meanwhile raise.
func (h *Hash) each(do func(k, v Value)) {
	h.eachWhile(func(k, v Value) bool { do(k, v); return true })
}

func (h *Hash) eachWhile(do func(k, v Value) bool) {
	h.force()
	h.rounds++
	defer func() { h.rounds-- }()
	for i := 0; i < len(h.entries); i++ {
		if e := h.entries[i]; !e.dead && !do(e.key, e.val) {
			return
		}
	}
}

// hashSet is h[k] = v: a string that could change is copied first.
func (m *Env) hashSet(h *Hash, key, val Value) {
	if s, ok := key.(*Str); ok && !s.frozen {
		c := m.strEnc(s.s, s.enc)
		c.frozen = true
		key = c
	}
	m.charge(48)
	h.set(key, val)
}

// hashGet is h[k], with the default.
func (m *Env) hashGet(h *Hash, key Value) Value {
	if v, ok := h.get(key); ok {
		return v
	}
	return m.hashDefault(h, key)
}

func (m *Env) hashDefault(h *Hash, key Value) Value {
	if h.defProc != nil {
		return m.yield2(h.defProc, h, key)
	}
	return h.def
}

// sameKey is eql? for keys.
func sameKey(a, b Value) bool {
	switch a := a.(type) {
	case *Str:
		b, ok := b.(*Str)
		return ok && a.s == b.s && (a.enc == b.enc || isASCII(a.s))
	case int64:
		b, ok := b.(int64)
		return ok && a == b
	case Sym:
		b, ok := b.(Sym)
		return ok && a == b
	}
	return kindOf(a) == kindOf(b) && keyOf(a) == keyOf(b)
}

func keyOf(v Value) hashKey {
	k := hashKey{k: kindOf(v)}
	switch v := v.(type) {
	case nil, bool:
	case int64:
		k.n = uint64(v)
	case *big.Int:
		k.s = v.String()
	case float64:
		if v == 0 {
			v = 0 // -0.0 is the same key
		}
		k.n = math.Float64bits(v)
	case *Str:
		k.s = v.s
		if !isASCII(v.s) {
			k.n = uint64(v.enc) + 1
		}
	case Sym:
		k.s = string(v)
	case *Time:
		k.s = v.keyText()
	case *Array, *Hash, *Range, *date:
		k.s = string(appendKey(nil, v, 0))
	case *Regexp:
		k.s = v.flags + "/" + v.src
	default:
		k.p = v
	}
	return k
}

// appendKey writes a value so that equal values, and only those, give equal text.
func appendKey(dst []byte, v Value, depth int) []byte {
	if depth > maxNesting {
		panic(newException("SystemStackError", "stack level too deep"))
	}
	if len(dst) > maxBytes/4 {
		panic(&LimitError{"much memory"}) // lists that share others, many times over
	}
	k := keyOfScalar(v)
	dst = append(dst, byte('A'+k.k))
	switch v := v.(type) {
	case *Array:
		for _, e := range v.v {
			dst = appendKey(dst, e, depth+1)
		}
	case *Hash:
		// Order does not matter to equality: sum up the entries' texts.
		var sum [8]uint64
		v.each(func(k, e Value) { mixInto(&sum, appendKey(appendKey(nil, k, depth+1), e, depth+1)) })
		for _, n := range sum {
			dst = appendUint(dst, n)
		}
	case *Range:
		dst = appendKey(appendKey(dst, v.lo, depth+1), v.hi, depth+1)
		if v.excl {
			dst = append(dst, '.')
		}
	case *date:
		dst = append(dst, v.keyText()...)
	default:
		dst = appendUint(dst, k.n)
		dst = appendUint(dst, uint64(len(k.s)))
		dst = append(dst, k.s...)
	}
	return append(dst, ';')
}

func keyOfScalar(v Value) hashKey {
	switch v.(type) {
	case *Array, *Hash, *Range, *date:
		return hashKey{k: kindOf(v)}
	}
	return keyOf(v)
}

func appendUint(dst []byte, n uint64) []byte {
	for i := range 8 {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// mixInto adds a text's fingerprint to a sum that does not depend on order.
func mixInto(sum *[8]uint64, text []byte) {
	for i := range sum {
		h := uint64(14695981039346656037) + uint64(i)*0x9e3779b97f4a7c15
		for _, c := range text {
			h = (h ^ uint64(c)) * 1099511628211
		}
		sum[i] += h
	}
}
