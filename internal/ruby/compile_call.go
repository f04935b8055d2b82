package ruby

import "github.com/sluicelog/sluice/internal/ruby/syntax"

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
