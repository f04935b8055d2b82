package ruby

// text is an argument that must be a string.
func (m *Env) text(v Value) *Str {
	if s, ok := v.(*Str); ok {
		return s
	}
	m.raise("TypeError", "no implicit conversion of %s into String", nouned(v))
	return nil
}

// listArg is an argument that must be an array.
func (m *Env) listArg(v Value) *Array {
	if a, ok := v.(*Array); ok {
		return a
	}
	m.raise("TypeError", "no implicit conversion of %s into Array", nouned(v))
	return nil
}

// hashArg is an argument that must be a hash.
func (m *Env) hashArg(v Value) *Hash {
	if h, ok := v.(*Hash); ok {
		h.force()
		return h
	}
	m.raise("TypeError", "no implicit conversion of %s into Hash", nouned(v))
	return nil
}

// name is an argument that must be a symbol or a string.
func (m *Env) name(v Value) string {
	switch v := v.(type) {
	case Sym:
		return string(v)
	case *Str:
		return v.s
	}
	m.raise("TypeError", "%s is not a symbol nor a string", m.inspect(v))
	return ""
}

// keywords takes the keywords off the end of the arguments of a method that has
// some; unknown ones raise.
func (m *Env) keywords(args []Value, known ...string) (rest []Value, kw *Hash) {
	n := len(args)
	if n == 0 {
		return args, nil
	}
	h, ok := args[n-1].(*Hash)
	if !ok || !h.kw {
		return args, nil
	}
	h.each(func(k, _ Value) {
		name, ok := k.(Sym)
		for _, one := range known {
			if ok && string(name) == one {
				return
			}
		}
		m.raise("ArgumentError", "unknown keyword: %s", m.inspect(k))
	})
	return args[:n-1], h
}

// keyword is the value of one keyword.
func (h *Hash) keyword(name string) (Value, bool) {
	if h == nil {
		return nil, false
	}
	return h.get(Sym(name))
}

// arg is the i-th argument, nil when there is none.
func arg(args []Value, i int) Value {
	if i < len(args) {
		return args[i]
	}
	return nil
}

// enumOr gives an enumerator over a method when it was called without a block.
// It must come before anything else is called.
func (m *Env) enumOr(self Value, args []Value, blk *Proc) (Value, bool) {
	if blk != nil {
		return nil, false
	}
	return &enumerator{recv: self, name: m.calling, args: append([]Value(nil), args...)}, true
}
