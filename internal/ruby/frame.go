package ruby

import "github.com/sluicelog/sluice/internal/ruby/syntax"

// code is a compiled expression.
type code func(m *Env) Value

// frame holds the variables of the program or of one round of a block.
type frame struct {
	parent *frame
	proc   *Proc // whose round this is
	vars   []Value
	few    [4]Value
}

func (f *frame) reset(slots int) {
	f.parent, f.proc = nil, nil
	if slots <= len(f.few) {
		f.vars = f.few[:slots]
		clear(f.vars)
		return
	}
	if cap(f.vars) < slots {
		f.vars = make([]Value, slots)
	}
	f.vars = f.vars[:slots]
	clear(f.vars)
}

// out is the frame that many levels out.
func (f *frame) out(depth int) *frame {
	for ; depth > 0; depth-- {
		f = f.parent
	}
	return f
}

// block is a compiled block.
type block struct {
	params  params
	scope   *syntax.Scope
	body    code
	nexts   bool // its body has next, or return when it is a lambda
	breaks  bool
	lambda  bool
	simple  bool // the parameters are plain variables, required only
	capture bool // blocks within it may keep its frame
}

type param struct {
	slot int
	sub  *params
	def  code
}

type params struct {
	req, opt, post []param
	rest           int // slot, or -1
	hasRest        bool
	comma          bool
}

// arity is Proc#arity as needed to decide on splatting: how many are required.
func (ps *params) required() int { return len(ps.req) + len(ps.post) }

// yield calls a block with values.
func (m *Env) yield(p *Proc, args ...Value) Value {
	if p == nil {
		m.raise("LocalJumpError", "no block given (yield)")
	}
	return m.callProc(p, args)
}

// yield1 calls a block with one value.
func (m *Env) yield1(p *Proc, v Value) Value {
	base := len(m.stack)
	m.stack = append(m.stack, v)
	out := m.yield(p, m.stack[base:base+1:base+1]...)
	m.stack = m.stack[:base]
	return out
}

// yield2 calls a block with two values.
func (m *Env) yield2(p *Proc, a, b Value) Value {
	base := len(m.stack)
	m.stack = append(m.stack, a, b)
	out := m.yield(p, m.stack[base:base+2:base+2]...)
	m.stack = m.stack[:base]
	return out
}

// callProc runs a block or lambda. args are not kept.
func (m *Env) callProc(p *Proc, args []Value) Value {
	m.step()
	if m.calls++; m.calls > maxCalls {
		panic(newException("SystemStackError", "stack level too deep"))
	}
	var out Value
	if p.native != nil {
		out = p.native(m, args)
	} else {
		out = m.runBlock(p, args)
	}
	m.calls--
	return out
}

func (m *Env) runBlock(p *Proc, args []Value) Value {
	b := p.block
	outer := m.frame
	f := m.newFrame(b, p.frame)
	f.proc = p
	m.frame = f
	m.bind(f, b, p.lambda, args)
	var out Value
	if b.nexts {
		out = m.catchNext(b, f)
	} else {
		out = b.body(m)
	}
	m.frame = outer
	if !b.capture {
		m.free = append(m.free, f)
	}
	return out
}

// newFrame takes a frame that is no longer used, if there is one.
func (m *Env) newFrame(b *block, parent *frame) *frame {
	var f *frame
	if n := len(m.free); n > 0 {
		f = m.free[n-1]
		m.free = m.free[:n-1]
	} else {
		f = new(frame)
	}
	f.reset(len(b.scope.Names))
	f.parent = parent
	return f
}

// catchNext runs a body that may leave early. The machine's state is put back,
// since the jump skipped what would have done so.
func (m *Env) catchNext(b *block, f *frame) (out Value) {
	mark := m.mark()
	defer func() {
		if r := recover(); r != nil {
			j, ok := r.(*jump)
			if !ok || j.to != any(f) {
				panic(r)
			}
			m.restore(mark)
			out = j.v
		}
	}()
	return b.body(m)
}

// mark is the machine's state where something may jump back to.
type mark struct {
	frame *frame
	stack int
	buf   int
	calls int
}

func (m *Env) mark() mark { return mark{m.frame, len(m.stack), len(m.buf), m.calls} }

func (m *Env) restore(k mark) {
	m.frame, m.stack, m.buf, m.calls = k.frame, m.stack[:k.stack], m.buf[:k.buf], k.calls
}

// bind gives a block's parameters their values, as Ruby does it: a lambda is
// strict; a block drops what is too much, and spreads a lone array over several
// parameters.
func (m *Env) bind(f *frame, b *block, lambda bool, args []Value) {
	ps := &b.params
	if lambda {
		least, most := ps.required(), ps.required()+len(ps.opt)
		if len(args) < least || !ps.hasRest && len(args) > most {
			m.wrongArgs(len(args), least, most, ps.hasRest)
		}
	} else if len(args) == 1 && (ps.required()+len(ps.opt) > 1 || ps.hasRest && (ps.required()+len(ps.opt) > 0 || ps.comma)) {
		if arr, ok := args[0].(*Array); ok {
			args = arr.v
		}
	}
	if b.simple {
		for i, one := range ps.req {
			if i < len(args) {
				f.vars[one.slot] = args[i]
			}
		}
		return
	}
	m.bindList(f, ps, args)
}

func (m *Env) bindList(f *frame, ps *params, args []Value) {
	at := func(i int) Value {
		if i < len(args) {
			return args[i]
		}
		return nil
	}
	for i, one := range ps.req {
		m.bindOne(f, one, at(i))
	}
	n := len(ps.req)
	spare := max(len(args)-ps.required(), 0)
	for _, one := range ps.opt {
		if spare > 0 {
			m.bindOne(f, one, args[n])
			n++
			spare--
			continue
		}
		f.vars[one.slot] = one.def(m)
	}
	if ps.hasRest {
		if ps.rest >= 0 {
			var rest []Value
			if spare > 0 {
				rest = args[n : n+spare]
			}
			f.vars[ps.rest] = m.list(rest...)
		}
		n += spare
	}
	for i, one := range ps.post {
		m.bindOne(f, one, at(n+i))
	}
}

func (m *Env) bindOne(f *frame, one param, v Value) {
	if one.sub == nil {
		f.vars[one.slot] = v
		return
	}
	if arr, ok := v.(*Array); ok {
		m.bindList(f, one.sub, arr.v)
		return
	}
	m.bindList(f, one.sub, []Value{v})
}

// wrongArgs raises ArgumentError for a count of arguments.
func (m *Env) wrongArgs(given, least, most int, open bool) {
	switch {
	case open:
		m.raise("ArgumentError", "wrong number of arguments (given %d, expected %d+)", given, least)
	case least == most:
		m.raise("ArgumentError", "wrong number of arguments (given %d, expected %d)", given, least)
	}
	m.raise("ArgumentError", "wrong number of arguments (given %d, expected %d..%d)", given, least, most)
}
