package ruby

import (
	"github.com/sluicelog/sluice/internal/ruby/syntax"
)

// site is a place in the program that calls a method: the methods that its name
// stands for, by the receiver's kind.
type site struct {
	name    string
	methods [nKinds]method
	lazy    bool // the record need not be read in whole
	kw      bool // keywords may be the last argument
}

// lazyMethods are those that look at single fields of the record.
var lazyMethods = map[string]bool{
	"[]": true, "fetch": true, "dig": true, "key?": true, "has_key?": true, "include?": true, "member?": true,
	"nil?": true, "is_a?": true, "kind_of?": true, "!": true,
}

// site looks a method's name up for all receivers, and refuses a name that none
// has.
func (c *compiler) site(n syntax.Node, name string) *site {
	s := &site{name: name, lazy: lazyMethods[name]}
	known := false
	for k := range nKinds {
		if k == kMain {
			continue
		}
		s.methods[k] = lookup(k, name)
		known = known || s.methods[k].fn != nil
	}
	if !known && !knownClassMethod(name) {
		c.refuseMethod(n, name)
	}
	return s
}

func (c *compiler) refuseMethod(n syntax.Node, name string) {
	hint, refused := refusedMethods[name]
	if !refused {
		hint = suggest(name, methodNames())
	}
	c.fail(n, hint, "the method %s is not supported", name)
}

func (c *compiler) call(n *syntax.Call) code {
	if n.Recv == nil {
		return c.function(n)
	}
	if class, ok := n.Recv.(*syntax.Const); ok {
		if code := c.classCall(n, class); code != nil {
			return code
		}
	}
	if fast := c.fastCall(n); fast != nil {
		return fast
	}
	return c.dispatch(c.compile(n.Recv), c.site(n, n.Name), n)
}

// function compiles a call on self: Integer("3"), format(…), raise.
func (c *compiler) function(n *syntax.Call) code {
	me := lookup(kMain, n.Name)
	if me.fn == nil {
		hint, refused := refusedMethods[n.Name]
		switch {
		case refused:
			c.fail(n, hint, "%s is not supported", n.Name)
		case n.Parens || len(n.Args) > 0:
			c.fail(n, suggest(n.Name, functionNames), "undefined method `%s'", n.Name)
		}
		names := append([]string(nil), functionNames...)
		for name := range variables {
			names = append(names, name)
		}
		c.fail(n, suggest(n.Name, names), "undefined local variable or method `%s'", n.Name)
	}
	c.uses[n.Name] = true
	if n.Name == "require" {
		c.checkRequire(n)
	}
	s := &site{name: n.Name}
	s.methods[kMain] = me
	return c.dispatch(constant(mainSelf{}), s, n)
}

// mainSelf is the receiver of functions.
type mainSelf struct{}

// checkRequire takes the libraries whose classes are built in.
func (c *compiler) checkRequire(n *syntax.Call) {
	if len(n.Args) == 1 {
		if lib, ok := n.Args[0].(*syntax.Str); ok && libraries[lib.S] {
			return
		}
	}
	c.fail(n, "the classes that can be used need no require", "this require is refused")
}

var libraries = map[string]bool{
	"json": true, "time": true, "date": true, "digest": true, "digest/md5": true, "digest/sha1": true, "digest/sha2": true,
	"openssl": true, "base64": true, "securerandom": true, "socket": true, "uri": true, "cgi": true, "zlib": true,
	"ipaddr": true, "erb": true, "shellwords": true,
}

// dispatch compiles arguments, block and the call itself.
func (c *compiler) dispatch(recv code, s *site, n *syntax.Call) code {
	args, spread := c.spread(n.Args)
	if len(n.Args) > 0 {
		h, ok := n.Args[len(n.Args)-1].(*syntax.Hash)
		s.kw = spread || ok && h.Braceless
	}
	blk := c.blockOf(n)
	if n.Captures != nil {
		return c.captures(n, c.plainCall(recv, s, args))
	}
	switch {
	case n.Safe:
		return safeCall(recv, s, args, blk)
	case blk != nil:
		return blockCall(recv, s, args, blk)
	}
	return c.plainCall(recv, s, args)
}

func (c *compiler) plainCall(recv code, s *site, args []code) code {
	switch len(args) {
	case 0:
		return func(m *Env) Value { return m.call(s, recv(m), nil, nil) }
	case 1:
		one := args[0]
		return func(m *Env) Value {
			self := recv(m)
			v := one(m)
			base := len(m.stack)
			m.push(v)
			n := len(m.stack)
			out := m.call(s, self, m.stack[base:n:n], nil)
			m.stack = m.stack[:base]
			return out
		}
	}
	return func(m *Env) Value {
		self := recv(m)
		base := len(m.stack)
		for _, one := range args {
			m.push(one(m))
		}
		n := len(m.stack)
		out := m.call(s, self, m.stack[base:n:n], nil)
		m.stack = m.stack[:base]
		return out
	}
}

func safeCall(recv code, s *site, args []code, blk blockMaker) code {
	self := func(m *Env) Value { return m.held }
	var rest code
	if blk != nil {
		rest = blockCall(self, s, args, blk)
	} else {
		rest = (&compiler{}).plainCall(self, s, args)
	}
	return func(m *Env) Value {
		v := recv(m)
		if v == nil {
			return nil
		}
		m.held = v // read at once, before anything else runs
		return rest(m)
	}
}

// blockMaker makes the block of a call, nil when &x is nil. breaks tells whether
// the block may end the call.
type blockMaker func(m *Env) (p *Proc, breaks bool)

func (c *compiler) blockOf(n *syntax.Call) blockMaker {
	if n.Block != nil {
		lambda := n.Recv == nil && n.Name == "lambda"
		b := c.compileBlock(n.Block, lambda)
		return func(m *Env) (*Proc, bool) { return &Proc{block: b, frame: m.frame, lambda: lambda}, b.breaks }
	}
	if n.BlockArg == nil {
		return nil
	}
	if sym, ok := n.BlockArg.(*syntax.Sym); ok {
		s := c.site(sym, sym.Name)
		return func(*Env) (*Proc, bool) { return symProc(s), false }
	}
	x := c.compile(n.BlockArg)
	return func(m *Env) (*Proc, bool) { return m.toProc(x(m)), false }
}

// symProc is &:name.
func symProc(s *site) *Proc {
	return &Proc{lambda: true, arity: -2, native: func(m *Env, args []Value) Value {
		if len(args) == 0 {
			m.raise("ArgumentError", "no receiver given")
		}
		return m.call(s, args[0], args[1:len(args):len(args)], nil)
	}}
}

// toProc is what &v hands over as a block.
func (m *Env) toProc(v Value) *Proc {
	switch v := v.(type) {
	case nil:
		return nil
	case *Proc:
		return v
	case Sym:
		return &Proc{lambda: true, arity: -2, native: func(m *Env, args []Value) Value {
			if len(args) == 0 {
				m.raise("ArgumentError", "no receiver given")
			}
			return m.sendList(args[0], string(v), args[1:len(args):len(args)])
		}}
	case *Hash:
		return &Proc{lambda: true, arity: 1, native: func(m *Env, args []Value) Value { return m.hashGet(v, args[0]) }}
	}
	m.raise("TypeError", "wrong argument type %s (expected Proc)", className(v))
	return nil
}

func blockCall(recv code, s *site, args []code, blk blockMaker) code {
	return func(m *Env) Value {
		self := recv(m)
		base := len(m.stack)
		for _, one := range args {
			m.push(one(m))
		}
		n := len(m.stack)
		p, breaks := blk(m)
		var out Value
		if breaks {
			out = m.callBreaking(s, self, m.stack[base:n:n], p)
		} else {
			out = m.call(s, self, m.stack[base:n:n], p)
		}
		m.stack = m.stack[:base]
		return out
	}
}

// callBreaking is call for a block that holds break.
func (m *Env) callBreaking(s *site, self Value, args []Value, p *Proc) (out Value) {
	k := m.mark()
	defer func() {
		if r := recover(); r != nil {
			j, ok := r.(*jump)
			if !ok || j.to != any(p) {
				panic(r)
			}
			m.restore(k)
			out = j.v
		}
	}()
	return m.call(s, self, args, p)
}

// captures sets the variables of /(?<x>…)/ =~ s.
func (c *compiler) captures(n *syntax.Call, run code) code {
	type capture struct {
		name string
		set  func(*Env, Value)
	}
	var list []capture
	for _, v := range n.Captures {
		list = append(list, capture{v.Name, c.setter(v)})
	}
	return func(m *Env) Value {
		v := run(m)
		for _, one := range list {
			var got Value
			if v != nil {
				got = m.matchNamed(m.match, one.name)
			}
			one.set(m, got)
		}
		return v
	}
}

// call runs the method of a call site for a receiver. args are not kept.
func (m *Env) call(s *site, self Value, args []Value, blk *Proc) Value {
	m.step()
	k := kindOf(self)
	me := &s.methods[k]
	switch k {
	case kHash:
		if h := self.(*Hash); h.lazy != nil && !s.lazy {
			h.force()
		}
	case kClass:
		if own := classMethod(self.(*Class).name, s.name); own.fn != nil {
			me = &own
		}
	}
	return m.invoke(me, s.name, self, args, blk, s.kw)
}

func (m *Env) invoke(me *method, name string, self Value, args []Value, blk *Proc, kw bool) Value {
	if me.fn == nil {
		m.missing(self, name)
	}
	n := len(args)
	if kw && n > 0 {
		if h, ok := args[n-1].(*Hash); ok && h.kw {
			if me.kw {
				n--
			} else {
				h.kw = false // from here on it is a hash like any other
				if h.len() == 0 {
					args = args[:n-1]
					n--
				}
			}
		}
	}
	if n < int(me.min) || me.max >= 0 && n > int(me.max) {
		m.wrongArgs(n, int(me.min), int(me.max), me.max < 0)
	}
	m.calling = name
	return me.fn(m, self, args, blk)
}

// sendList calls a method by name. args are not kept.
func (m *Env) sendList(self Value, name string, args []Value) Value {
	m.step()
	k := kindOf(self)
	var me method
	switch k {
	case kHash:
		if h := self.(*Hash); h.lazy != nil {
			h.force()
		}
	case kClass:
		me = classMethod(self.(*Class).name, name)
	}
	if me.fn == nil {
		me = lookup(k, name)
	}
	return m.invoke(&me, name, self, args, nil, false)
}

func (m *Env) send(self Value, name string, args ...Value) Value { return m.sendList(self, name, args) }

// missing raises NoMethodError, or says that Ruby has the method and we have not.
func (m *Env) missing(self Value, name string) {
	if rubyHas(self, name) {
		m.unsupported(className(self)+"#"+name, "")
	}
	if lookup(kMain, name).fn != nil {
		m.raise("NoMethodError", "private method `%s' called for %s", name, m.described(self))
	}
	m.raise("NoMethodError", "undefined method `%s' for %s", name, m.described(self))
}

// classCall compiles a call on a constant, nil when it is an object like others.
func (c *compiler) classCall(n *syntax.Call, recv *syntax.Const) code {
	if _, ok := constantValue(recv.Name); ok || classes[recv.Name] == nil {
		return nil
	}
	if classMethod(recv.Name, n.Name).fn == nil && lookup(kClass, n.Name).fn == nil {
		hint := refusedConstants[recv.Name]
		if hint == "" {
			hint = suggest(n.Name, classMethodNames(recv.Name))
		}
		c.fail(n, hint, "%s.%s is not supported", recv.Name, n.Name)
	}
	return nil
}

// suggest is "did you mean x?" for the nearest name, or "".
func suggest(name string, names []string) string {
	best, least := "", max(len(name)/3, 1)+1
	for _, one := range names {
		if !isAlnum(one[0]) {
			continue
		}
		if d := distance(name, one, least+1); d < least || d == least && best != "" && one < best {
			best, least = one, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is the number of edits between two names (two letters that changed
// places are one), or most when it is more.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most)
}
