package ruby

import (
	"slices"
	"strings"
)

// maxNesting bounds how deep a value is walked; only one that holds itself is
// deeper.
const maxNesting = 2000

// eq is a == b.
func (m *Env) eq(a, b Value) bool { return m.eqDeep(a, b, 0) }

func (m *Env) eqDeep(a, b Value, depth int) bool {
	if depth > maxNesting {
		panic(newException("SystemStackError", "stack level too deep"))
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		x, ok := b.(bool)
		return ok && a == x
	case *Str:
		x, ok := b.(*Str)
		return ok && sameText(a, x)
	case Sym:
		x, ok := b.(Sym)
		return ok && a == x
	case *Array:
		x, ok := b.(*Array)
		return ok && m.eqArrays(a, x, depth)
	case *Hash:
		x, ok := b.(*Hash)
		return ok && m.eqHashes(a, x, depth)
	case *Range:
		x, ok := b.(*Range)
		return ok && a.excl == x.excl && m.eqDeep(a.lo, x.lo, depth+1) && m.eqDeep(a.hi, x.hi, depth+1)
	case *Time:
		x, ok := b.(*Time)
		return ok && a.cmp(x) == 0
	}
	return m.eqRare(a, b)
}

func (m *Env) eqRare(a, b Value) bool {
	if isNumber(a) {
		if !isNumber(b) {
			return false
		}
		n, ok := compareNumbers(a, b)
		return ok && n == 0
	}
	switch a := a.(type) {
	case *Regexp:
		x, ok := b.(*Regexp)
		return ok && a.src == x.src && a.flags == x.flags
	case *date:
		x, ok := b.(*date)
		return ok && a.cmp(x) == 0
	case *ipAddr:
		if isNumber(b) {
			m.unsupported("comparing an IPAddr with a number", "")
		}
		x, ok := m.toIP(b)
		return ok && a.equal(x)
	case *uriValue:
		x, ok := b.(*uriValue)
		return ok && a.String() == x.String()
	case *Exception:
		x, ok := b.(*Exception)
		return ok && (a == x || a.class == x.class && a.text == x.text)
	case *Match:
		x, ok := b.(*Match)
		return ok && a.str == x.str && a.re.src == x.re.src && slices.Equal(a.loc, x.loc)
	}
	return a == b
}

// sameText is == of strings: the bytes, and encodings that agree about them.
func sameText(a, b *Str) bool {
	if a.s != b.s {
		return false
	}
	if a.enc == b.enc || a.s == "" {
		return true
	}
	_, ok := compatible(a, b)
	return ok
}

func (m *Env) eqArrays(a, b *Array, depth int) bool {
	if a == b {
		return true
	}
	if len(a.v) != len(b.v) {
		return false
	}
	for i := range a.v {
		m.step()
		if !m.eqDeep(a.v[i], b.v[i], depth+1) {
			return false
		}
	}
	return true
}

func (m *Env) eqHashes(a, b *Hash, depth int) bool {
	if a == b {
		return true
	}
	a.force()
	b.force()
	if a.live != b.live {
		return false
	}
	same := true
	a.eachWhile(func(k, v Value) bool {
		x, ok := b.get(k)
		same = ok && m.eqDeep(v, x, depth+1)
		return same
	})
	return same
}

// eql is eql?: as ==, but 1 and 1.0 differ.
func (m *Env) eql(a, b Value) bool {
	if isNumber(a) || isNumber(b) {
		return kindOf(a) == kindOf(b) && m.eq(a, b)
	}
	switch a := a.(type) {
	case *Exception:
		return a == b
	case *Array:
		x, ok := b.(*Array)
		if !ok || len(a.v) != len(x.v) {
			return false
		}
		m.deeper()
		defer func() { m.calls-- }()
		for i := range a.v {
			m.step()
			if !m.eql(a.v[i], x.v[i]) {
				return false
			}
		}
		return true
	}
	return m.eq(a, b)
}

// caseEq is test === v.
func (m *Env) caseEq(test, v Value) bool {
	switch test := test.(type) {
	case *Class:
		return isA(v, test.name)
	case *Range:
		return m.covers(test, v)
	case *Regexp:
		s, ok := m.matchable(v)
		if !ok {
			m.match = nil
			return false
		}
		m.match = m.find(test, s, 0)
		return m.match != nil
	case *Proc:
		return truthy(m.yield1(test, v))
	case *ipAddr:
		return m.ipIncludes(test, v)
	case *date:
		return truthy(dateSameDay(m, test, []Value{v}, nil))
	}
	return m.eq(test, v)
}

// compare is a <=> b; ok is false when it is nil.
func (m *Env) compare(a, b Value) (n int, ok bool) {
	switch a := a.(type) {
	case *Str:
		if x, ok := b.(*Str); ok {
			return compareText(a, x), true
		}
		return 0, false
	case Sym:
		if x, ok := b.(Sym); ok {
			return strings.Compare(string(a), string(x)), true
		}
		return 0, false
	case *Array:
		if x, ok := b.(*Array); ok {
			return m.compareArrays(a, x)
		}
		return 0, false
	case *Time:
		if x, ok := b.(*Time); ok {
			return a.cmp(x), true
		}
		if _, ok := b.(*ipAddr); ok {
			m.unsupported("comparing an IPAddr with Time", "")
		}
		return 0, false
	case *date:
		if x, ok := b.(*date); ok {
			return a.cmp(x), true
		}
		if isNumber(b) {
			m.unsupported("comparing a Date with a number", "")
		}
		return 0, false
	case *ipAddr:
		switch b.(type) {
		case *ipAddr, *Str:
		default:
			m.unsupported("comparing an IPAddr with "+className(b), "")
		}
		if x, ok := m.toIP(b); ok {
			return a.compare(x), a.addr.Is4() == x.addr.Is4()
		}
		return 0, false
	case *Class:
		return compareClasses(a, b)
	}
	if isNumber(a) && isNumber(b) {
		return compareNumbers(a, b)
	}
	if m.eq(a, b) {
		return 0, true
	}
	return 0, false
}

func compareText(a, b *Str) int {
	if n := strings.Compare(a.s, b.s); n != 0 {
		return n
	}
	if sameText(a, b) {
		return 0
	}
	if a.enc > b.enc {
		return 1
	}
	return -1
}

func compareClasses(a *Class, v Value) (int, bool) {
	b, ok := v.(*Class)
	switch {
	case !ok:
		return 0, false
	case a == b:
		return 0, true
	case descends(a.name, b.name):
		return -1, true
	case descends(b.name, a.name):
		return 1, true
	}
	return 0, false
}

func (m *Env) compareArrays(a, b *Array) (int, bool) {
	m.deeper()
	defer func() { m.calls-- }()
	for i := 0; i < len(a.v) && i < len(b.v); i++ {
		m.step()
		n, ok := m.compare(a.v[i], b.v[i])
		if !ok || n != 0 {
			return n, ok
		}
	}
	n, _ := compareNumbers(int64(len(a.v)), int64(len(b.v)))
	return n, true
}

// order is <=> where it must have an answer, as in sorting.
func (m *Env) order(a, b Value) int {
	n, ok := m.compare(a, b)
	if !ok {
		m.incomparable(a, b)
	}
	return n
}

// incomparable raises as Ruby does: plain values are inspected, others named by
// their class.
func (m *Env) incomparable(a, b Value) {
	text := className(b)
	switch b.(type) {
	case nil, bool, float64:
		text = m.inspect(b)
	case int64, Sym:
		text = m.inspect(b)
	}
	m.raise("ArgumentError", "comparison of %s with %s failed", className(a), text)
}

// sign is the number that a block gave as the result of a comparison.
func (m *Env) sign(v, a, b Value) int {
	switch v := v.(type) {
	case int64:
		return int(max(min(v, 1), -1))
	case float64:
		switch {
		case v > 0:
			return 1
		case v < 0:
			return -1
		}
		return 0
	case nil:
		m.incomparable(a, b)
	}
	if n := bigOf(v); n != nil {
		return n.Sign()
	}
	if truthy(m.send(v, ">", int64(0))) {
		return 1
	}
	return -1
}
