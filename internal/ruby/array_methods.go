package ruby

import "strings"

// arrayMethods are the plain ones of Array; the others are in the files beside.
func arrayMethods() table {
	return table{
		"length": {arrLength, 0, 0, false},
		"size":   {arrLength, 0, 0, false},
		"empty?": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return len(self.(*Array).v) == 0 }, 0, 0, false},
		"to_a":   {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"to_ary": {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"entries": {func(m *Env, self Value, _ []Value, _ *Proc) Value {
			return m.list(self.(*Array).v...)
		}, 0, 0, false},
		"each":       {arrEach, 0, 0, false},
		"each_index": {arrEachIndex, 0, 0, false},
		"join":       {arrJoin, 0, 1, false},
		"*":          {arrTimes, 1, 1, false},
		"+":          {arrPlus, 1, 1, false},
		"reverse":    {arrReverse, 0, 0, false},
		"rotate":     {arrRotate, 0, 1, false},
		"compact":    {arrCompact, 0, 0, false},
		"flatten":    {arrFlatten, 0, 1, false},
		"pack":       {arrPack, 1, 1, false},
		"sample":     {arrSample, 0, 1, false},
		"shuffle":    {arrShuffle, 0, 0, false},
		"cycle":      {arrCycle, 0, 1, false},
		"lazy":       {refused("lazy", "leave it out"), 0, 0, false},
		"sum":        {enumSum, 0, 1, false},
		"deconstruct": {func(_ *Env, self Value, _ []Value, _ *Proc) Value {
			return self
		}, 0, 0, false},
	}
}

func arrLength(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(len(self.(*Array).v)) }

func arrEach(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	arr := self.(*Array)
	for i := 0; i < len(arr.v); i++ {
		m.yield1(blk, arr.v[i])
	}
	return self
}

func arrEachIndex(m *Env, self Value, a []Value, blk *Proc) Value {
	if e, ok := m.enumOr(self, a, blk); ok {
		return e
	}
	arr := self.(*Array)
	for i := 0; i < len(arr.v); i++ {
		m.yield1(blk, int64(i))
	}
	return self
}

func arrJoin(m *Env, self Value, a []Value, _ *Proc) Value {
	sep := &Str{enc: asciiEnc}
	if len(a) > 0 && a[0] != nil {
		sep = m.text(a[0])
	}
	j := joiner{m: m, start: len(m.buf)}
	m.joinInto(&j, self.(*Array), sep, nil)
	if !j.begun {
		j.enc = asciiEnc
	}
	return j.done()
}

func (m *Env) joinInto(j *joiner, arr *Array, sep *Str, up *above) {
	if up.has(arr) {
		m.raise("ArgumentError", "recursive array join")
	}
	here := up.under(arr)
	for i, v := range arr.v {
		m.step()
		if i > 0 && (sep.s != "") {
			j.text(sep.s, sep.enc)
		}
		if sub, ok := v.(*Array); ok {
			m.joinInto(j, sub, sep, here)
			continue
		}
		s := m.toS(v)
		j.text(s.s, s.enc)
	}
}

func arrTimes(m *Env, self Value, a []Value, _ *Proc) Value {
	if _, ok := a[0].(*Str); ok {
		return arrJoin(m, self, a, nil)
	}
	n := m.int(a[0])
	if n < 0 {
		m.raise("ArgumentError", "argument must be non-negative")
	}
	list := self.(*Array).v
	m.room(16*len(list), n)
	out := make([]Value, 0, len(list)*n)
	for range n {
		out = append(out, list...)
		if len(list) == 0 {
			break
		}
	}
	return m.array(out)
}

func arrPlus(m *Env, self Value, a []Value, _ *Proc) Value {
	other := m.listArg(a[0])
	return m.list(append(append([]Value(nil), self.(*Array).v...), other.v...)...)
}

func arrReverse(m *Env, self Value, _ []Value, _ *Proc) Value {
	list := self.(*Array).v
	out := make([]Value, len(list))
	for i, v := range list {
		out[len(list)-1-i] = v
	}
	return m.array(out)
}

func arrRotate(m *Env, self Value, a []Value, _ *Proc) Value {
	n := 1
	if len(a) > 0 {
		n = m.int(a[0])
	}
	list := self.(*Array).v
	if len(list) == 0 {
		return m.array(nil)
	}
	n = ((n % len(list)) + len(list)) % len(list)
	return m.list(append(append([]Value(nil), list[n:]...), list[:n]...)...)
}

func arrCompact(m *Env, self Value, _ []Value, _ *Proc) Value {
	var out []Value
	for _, v := range self.(*Array).v {
		if v != nil {
			out = append(out, v)
		}
	}
	return m.array(out)
}

func arrFlatten(m *Env, self Value, a []Value, _ *Proc) Value {
	depth := -1
	if len(a) > 0 && a[0] != nil {
		depth = m.int(a[0])
	}
	out, _ := m.flatten(nil, self.(*Array), depth, nil)
	return m.array(out)
}

// flatten appends the elements of arr, and of arrays within it, to dst.
func (m *Env) flatten(dst []Value, arr *Array, depth int, up *above) (out []Value, changed bool) {
	if up.has(arr) {
		m.raise("ArgumentError", "tried to flatten recursive array")
	}
	here := up.under(arr)
	for _, v := range arr.v {
		m.charge(16)
		m.step()
		if sub, ok := v.(*Array); ok && depth != 0 {
			dst, _ = m.flatten(dst, sub, depth-1, here)
			changed = true
			continue
		}
		dst = append(dst, v)
	}
	return dst, changed
}

func arrSample(m *Env, self Value, a []Value, _ *Proc) Value {
	list := self.(*Array).v
	if len(a) == 0 {
		if len(list) == 0 {
			return nil
		}
		return list[randomInt(len(list))]
	}
	n := m.countArg(a[0], "negative sample number")
	shuffled := m.shuffled(list)
	return m.array(shuffled[:min(n, len(shuffled))])
}

func arrShuffle(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.array(m.shuffled(self.(*Array).v))
}

func (m *Env) shuffled(list []Value) []Value {
	out := append([]Value(nil), list...)
	for i := len(out) - 1; i > 0; i-- {
		j := randomInt(i + 1)
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func arrCycle(m *Env, self Value, a []Value, blk *Proc) Value {
	if len(a) == 0 || blk == nil {
		m.unsupported("cycle without a number or a block", "use * and each")
	}
	for range m.int(a[0]) {
		arrEach(m, self, nil, blk)
	}
	return nil
}

// words is a list of names, for tables of aliases.
func words(s string) []string { return strings.Fields(s) }
