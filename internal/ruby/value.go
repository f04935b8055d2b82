package ruby

import (
	"math/big"
	"sync/atomic"

	"github.com/sluicelog/sluice/internal/onig"
)

// Value is a Ruby value: nil, bool, int64, *big.Int (beyond 64 bits only),
// float64, *Str, Sym, *Array, *Hash, *Range, *Time, *Regexp, *Match, *Proc,
// *Class, *Exception, or one of the rarer objects of this package.
type Value = any

// Str is a string: bytes and their encoding. Mutators replace s.
type Str struct {
	s      string
	enc    encoding
	frozen bool
	shared bool // it came out of the record
}

// Sym is a symbol.
type Sym string

// Array is an array.
type Array struct {
	v      []Value
	frozen bool
	shared bool
}

// Range is lo..hi; either may be nil.
type Range struct {
	lo, hi Value
	excl   bool
}

// Regexp is a compiled regular expression and how it was written.
type Regexp struct {
	re       *onig.Regexp
	src      string
	flags    string                 // of "mix", in that order
	anchored atomic.Pointer[Regexp] // bound to where the search begins, for start_with?
}

// Match is what a regular expression found in a text.
type Match struct {
	re  *Regexp
	str string
	enc encoding
	loc []int // byte offsets, pairs; -1 for a group that took no part
}

// Proc is a block, a lambda, or a built-in function seen as a block.
type Proc struct {
	block  *block
	frame  *frame
	lambda bool
	native func(m *Env, args []Value) Value
	arity  int // of native ones
}

// kind is a value's class as far as methods are looked up by it.
type kind uint8

const (
	kNil kind = iota
	kTrue
	kFalse
	kInt
	kFloat
	kStr
	kSym
	kArray
	kHash
	kRange
	kTime
	kRegexp
	kMatch
	kProc
	kClass
	kException
	kEnum
	kDate
	kIP
	kURI
	kEncoding
	kEventTime
	kMain // self: functions such as format and Integer
	nKinds
)

func kindOf(v Value) kind {
	switch v := v.(type) {
	case nil:
		return kNil
	case bool:
		if v {
			return kTrue
		}
		return kFalse
	case int64, *big.Int:
		return kInt
	case float64:
		return kFloat
	case *Str:
		return kStr
	case Sym:
		return kSym
	case *Array:
		return kArray
	case *Hash:
		return kHash
	case *Range:
		return kRange
	case *Time:
		return kTime
	}
	return rareKindOf(v)
}

func rareKindOf(v Value) kind {
	switch v.(type) {
	case *Regexp:
		return kRegexp
	case *Match:
		return kMatch
	case *Proc:
		return kProc
	case *Class:
		return kClass
	case *Exception:
		return kException
	case *enumerator:
		return kEnum
	case *date:
		return kDate
	case *ipAddr:
		return kIP
	case *uriValue:
		return kURI
	case encodingValue:
		return kEncoding
	case eventTime:
		return kEventTime
	}
	return kMain
}

// truthy is whether a value counts as true: all but nil and false do.
func truthy(v Value) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	}
	return true
}

// str makes a string in UTF-8.
func (m *Env) str(s string) *Str { return m.strEnc(s, utf8Enc) }

// strEnc makes a string. Strings come in slabs: one allocation for many.
func (m *Env) strEnc(s string, enc encoding) *Str {
	m.charge(len(s) + 16)
	if len(m.slab) == 0 {
		m.slab = make([]Str, 32)
	}
	out := &m.slab[0]
	m.slab = m.slab[1:]
	out.s, out.enc = s, enc
	return out
}

// like makes a string with the encoding of another.
func (m *Env) like(s string, other *Str) *Str { return m.strEnc(s, other.enc) }

// ascii makes a string that Ruby marks US-ASCII, such as the text of a number.
func (m *Env) ascii(s string) *Str { return m.strEnc(s, asciiEnc) }

// array makes an array that owns v.
func (m *Env) array(v []Value) *Array {
	m.charge(16*len(v) + 32)
	return &Array{v: v}
}

// list makes an array of copies of the given values.
func (m *Env) list(v ...Value) *Array { return m.array(append([]Value(nil), v...)) }
