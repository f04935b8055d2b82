package ruby

// enumerator is a method that waits for its block: what each_with_index without
// a block gives.
type enumerator struct {
	recv   Value
	name   string
	args   []Value
	opaque bool // Ruby's inspect shows an address
}

// run calls the method with a block.
func (e *enumerator) run(m *Env, blk *Proc) Value {
	me := lookup(kindOf(e.recv), e.name)
	if h, ok := e.recv.(*Hash); ok {
		h.force()
	}
	m.step()
	return m.invoke(&me, e.name, e.recv, e.args, blk, false)
}

// native makes a block of a Go function.
func native(do func(m *Env, args []Value) Value) *Proc {
	return &Proc{native: do, arity: -1}
}

// packed is what a block that takes one parameter gets of several values.
func (m *Env) packed(args []Value) Value {
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return m.list(args...)
}

// stop ends an iteration over anything but lists: it is panicked with and
// recovered by eachOf.
type stop struct{}

// eachOf goes through anything that is enumerable; pairs of a hash come as
// arrays of two. do returns false to stop.
func (m *Env) eachOf(v Value, do func(v Value) bool) {
	switch v := v.(type) {
	case *Array:
		for i := 0; i < len(v.v); i++ {
			m.step()
			if !do(v.v[i]) {
				return
			}
		}
	case *Hash:
		v.eachWhile(func(k, val Value) bool {
			m.step()
			return do(m.list(k, val))
		})
	case *Range:
		m.eachInRange(v, do)
	case *enumerator:
		m.eachEnum(v, do)
	default:
		m.missing(v, "each")
	}
}

// eachMulti is eachOf for the methods that hand several values to the block as
// several, of which |x| is only the first.
func (m *Env) eachMulti(v Value, do func(args []Value) bool) {
	if e, ok := v.(*enumerator); ok {
		m.eachArgs(e, do)
		return
	}
	var one [1]Value
	m.eachOf(v, func(v Value) bool {
		one[0] = v
		return do(one[:])
	})
}

func (m *Env) eachEnum(e *enumerator, do func(v Value) bool) {
	m.eachArgs(e, func(args []Value) bool { return do(m.packed(args)) })
}

func (m *Env) eachArgs(e *enumerator, do func(args []Value) bool) {
	mine := new(stop)
	k := m.mark()
	defer func() {
		if r := recover(); r != nil {
			if r != any(mine) {
				panic(r)
			}
			m.restore(k)
		}
	}()
	e.run(m, native(func(m *Env, args []Value) Value {
		if !do(args) {
			panic(mine)
		}
		return nil // as the block does that collects: find and take_while ask
	}))
}

// toArray is to_a of anything enumerable.
func (m *Env) toArray(v Value) []Value {
	if a, ok := v.(*Array); ok {
		return a.v
	}
	if h, ok := v.(*Hash); ok {
		out := make([]Value, 0, h.len())
		h.each(func(k, v Value) { out = append(out, m.list(k, v)) })
		return out
	}
	if r, ok := v.(*Range); ok && r.hi == nil {
		m.raise("RangeError", "cannot convert endless range to an array")
	}
	var out []Value
	m.eachOf(v, func(v Value) bool {
		m.charge(16)
		out = append(out, v)
		return true
	})
	return out
}
