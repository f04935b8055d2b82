package ruby

import (
	"math"
	"path"
	"strings"
	"time"
)

// constantValue is a constant that is no class.
func constantValue(name string) (Value, bool) {
	if v, ok := constants[name]; ok {
		return v, true
	}
	return nil, false
}

var constants = map[string]Value{
	"Float::INFINITY": math.Inf(1), "Float::NAN": math.NaN(), "Float::MAX": math.MaxFloat64, "Float::MIN": 2.2250738585072014e-308,
	"Float::EPSILON": 2.220446049250313e-16, "Float::DIG": int64(15), "Math::PI": math.Pi, "Math::E": math.E,
	"Regexp::IGNORECASE": int64(1), "Regexp::EXTENDED": int64(2), "Regexp::MULTILINE": int64(4),
	"Encoding::UTF_8": encodingValue(utf8Enc), "Encoding::ASCII_8BIT": encodingValue(binaryEnc), "Encoding::BINARY": encodingValue(binaryEnc),
	"Encoding::US_ASCII": encodingValue(asciiEnc), "Encoding::ASCII": encodingValue(asciiEnc), "Encoding::ISO_8859_1": encodingValue(latin1Enc),
	"Encoding::UTF_16LE": encodingValue(utf16leEnc), "Encoding::UTF_16BE": encodingValue(utf16beEnc), "Encoding::Shift_JIS": encodingValue(sjisEnc),
	"Encoding::SHIFT_JIS": encodingValue(sjisEnc), "Encoding::EUC_JP": encodingValue(eucjpEnc), "Encoding::WINDOWS_1252": encodingValue(win1252Enc),
	"ARGV": &Array{frozen: true}, "Process::CLOCK_REALTIME": Sym("CLOCK_REALTIME"), "Process::CLOCK_MONOTONIC": Sym("CLOCK_MONOTONIC"),
}

func constantNames() []string {
	var names []string
	for n := range constants {
		names = append(names, n)
	}
	for n := range classes {
		names = append(names, n)
	}
	return names
}

// classMethodTables are the methods of classes, by the class's name.
func classMethodTables() map[string]table {
	t := map[string]table{
		"Time": timeClassMethods(), "Date": dateClassMethods(false), "DateTime": dateClassMethods(true),
		"JSON": jsonClassMethods(), "Base64": base64Methods(), "SecureRandom": secureMethods(), "Zlib": zlibMethods(),
		"OpenSSL::HMAC": hmacMethods(), "URI": uriClassMethods(), "CGI": cgiMethods(), "ERB::Util": erbUtilMethods(),
		"Regexp": regexpClassMethods(), "Math": mathMethods(), "ENV": envMethods(), "File": fileMethods(),
		"IPAddr":     {"new": {ipNew, 1, 1, false}},
		"Socket":     {"gethostname": {socketHostname, 0, 0, false}},
		"Hash":       {"new": {hashNew, 0, 1, false}, "[]": {hashMake, 0, -1, false}},
		"Array":      {"new": {arrayNew, 0, 2, false}, "[]": {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.list(a...) }, 0, -1, false}},
		"String":     {"new": {stringNew, 0, 1, false}},
		"Range":      {"new": {rangeNew, 2, 3, false}},
		"Integer":    {"sqrt": {integerSqrt, 1, 1, false}},
		"Random":     {"rand": {kernelRand, 0, 1, false}},
		"Kernel":     {},
		"Process":    {"clock_gettime": {processClock, 1, 2, false}, "pid": {refused("Process.pid", ""), 0, 0, false}},
		"Encoding":   {"default_external": {encodingDefault, 0, 0, false}, "default_internal": {encodingDefault, 0, 0, false}},
		"Shellwords": {"escape": {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.str(shellEscape(m.toS(a[0]).s)) }, 1, 1, false}},
	}
	for _, name := range words("format sprintf Integer Float String Array rand raise") {
		t["Kernel"][name] = mainMethods()[name]
	}
	for name := range digests {
		t["Digest::"+name] = digestMethods(name)
	}
	for name := range superclass {
		if descends(name, "Exception") {
			t[name] = exceptionClassMethods()
		}
	}
	return t
}

func exceptionClassMethods() table {
	make := func(m *Env, self Value, a []Value, _ *Proc) Value {
		if class := self.(*Class); len(a) > 1 || class.name == "KeyError" && len(a) > 0 && isKeywords(a[len(a)-1]) {
			m.unsupported("so many arguments of "+class.name+".new", "")
		}
		return m.newException(self.(*Class), arg(a, 0))
	}
	return table{"new": {make, 0, -1, false}, "exception": {make, 0, -1, false}}
}

func isKeywords(v Value) bool {
	_, ok := v.(*Hash)
	return ok
}

func encodingDefault(*Env, Value, []Value, *Proc) Value { return encodingValue(binaryEnc) }

func socketHostname(m *Env, _ Value, _ []Value, _ *Proc) Value {
	return m.strEnc(m.Hostname, binaryEnc)
}

func hashNew(m *Env, _ Value, a []Value, blk *Proc) Value {
	h := m.newHash()
	if blk != nil && len(a) > 0 {
		m.wrongArgs(len(a), 0, 0, false)
	}
	h.def, h.defProc = arg(a, 0), blk
	return h
}

func hashMake(m *Env, _ Value, a []Value, _ *Proc) Value {
	h := m.newHash()
	if len(a) == 1 {
		switch v := a[0].(type) {
		case *Hash:
			h = m.copyHash(v)
			h.def, h.defProc = nil, nil
			return h
		case *Array:
			for i, pair := range v.v {
				p, ok := pair.(*Array)
				if !ok {
					m.raise("ArgumentError", "wrong element type %s at %d (expected array)", className(pair), i)
				}
				if len(p.v) != 1 && len(p.v) != 2 {
					m.raise("ArgumentError", "invalid number of elements (%d for 1..2)", len(p.v))
				}
				m.hashSet(h, p.v[0], arg(p.v, 1))
			}
			return h
		}
	}
	if len(a)%2 != 0 {
		m.raise("ArgumentError", "odd number of arguments for Hash")
	}
	for i := 0; i < len(a); i += 2 {
		m.hashSet(h, a[i], a[i+1])
	}
	return h
}

func arrayNew(m *Env, _ Value, a []Value, blk *Proc) Value {
	if len(a) == 0 {
		return m.array(nil)
	}
	if arr, ok := a[0].(*Array); ok && len(a) == 1 {
		return m.list(arr.v...)
	}
	n := m.int(a[0])
	if n < 0 {
		m.raise("ArgumentError", "negative array size")
	}
	m.room(16, n)
	out := make([]Value, n)
	for i := range out {
		if blk != nil {
			out[i] = m.yield1(blk, int64(i))
		} else {
			out[i] = arg(a, 1)
		}
	}
	return m.array(out)
}

func stringNew(m *Env, _ Value, a []Value, _ *Proc) Value {
	if len(a) == 0 {
		return m.strEnc("", binaryEnc)
	}
	return m.copyOf(m.text(a[0]))
}

func rangeNew(m *Env, _ Value, a []Value, _ *Proc) Value {
	return m.newRange(a[0], a[1], truthy(arg(a, 2)))
}

// processClock is the real time; the monotonic clock counts from anywhere.
func processClock(m *Env, _ Value, a []Value, _ *Proc) Value {
	now := m.now()
	unit := "float_second"
	if len(a) > 1 {
		unit = m.name(a[1])
	}
	switch unit {
	case "float_second":
		return float64(now.UnixNano()) / 1e9
	case "float_millisecond":
		return float64(now.UnixNano()) / 1e6
	case "float_microsecond":
		return float64(now.UnixNano()) / 1e3
	case "second":
		return now.Unix()
	case "millisecond":
		return now.UnixNano() / int64(time.Millisecond)
	case "microsecond":
		return now.UnixNano() / int64(time.Microsecond)
	case "nanosecond":
		return now.UnixNano()
	}
	m.raise("ArgumentError", "unexpected unit: %s", unit)
	return nil
}

// envMethods are those of ENV. Its values are in ASCII-8BIT, as in a worker.
func envMethods() table {
	get := func(m *Env, name Value) Value {
		v, ok := m.getenv(m.text(name).s)
		if !ok {
			return nil
		}
		s := m.strEnc(v, binaryEnc)
		s.frozen = true
		return s
	}
	has := func(m *Env, _ Value, a []Value, _ *Proc) Value { return get(m, a[0]) != nil }
	return table{
		"[]":    {func(m *Env, _ Value, a []Value, _ *Proc) Value { return get(m, a[0]) }, 1, 1, false},
		"fetch": {envFetch(get), 1, 2, false},
		"key?":  {has, 1, 1, false}, "has_key?": {has, 1, 1, false}, "include?": {has, 1, 1, false}, "member?": {has, 1, 1, false},
		"values_at": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			out := make([]Value, len(a))
			for i, v := range a {
				out[i] = get(m, v)
			}
			return m.array(out)
		}, 0, -1, false},
	}
}

func envFetch(get func(m *Env, name Value) Value) fn {
	return func(m *Env, _ Value, a []Value, blk *Proc) Value {
		if v := get(m, a[0]); v != nil {
			return v
		}
		switch {
		case blk != nil:
			return m.yield1(blk, a[0])
		case len(a) == 2:
			return a[1]
		}
		m.raise("KeyError", "key not found: %s", m.inspect(a[0]))
		return nil
	}
}

// fileMethods are the methods of File that only look at names. Nothing here
// touches a file.
func fileMethods() table {
	return table{
		"basename": {fileBasename, 1, 2, false},
		"dirname":  {fileDirname, 1, 1, false},
		"extname":  {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.like(extname(m.text(a[0]).s), m.text(a[0])) }, 1, 1, false},
		"join":     {fileJoin, 0, -1, false},
		"split": {func(m *Env, self Value, a []Value, _ *Proc) Value {
			return m.list(fileDirname(m, self, a, nil), fileBasename(m, self, a, nil))
		}, 1, 1, false},
	}
}

func fileBasename(m *Env, _ Value, a []Value, _ *Proc) Value {
	s := m.text(a[0])
	if s.s == "" {
		return m.like("", s)
	}
	base := path.Base(s.s)
	if len(a) > 1 {
		switch suffix := m.text(a[1]).s; {
		case suffix == ".*":
			base = strings.TrimSuffix(base, extname(base))
		case base != suffix:
			base = strings.TrimSuffix(base, suffix)
		}
	}
	return m.like(base, s)
}

func fileDirname(m *Env, _ Value, a []Value, _ *Proc) Value {
	s := m.text(a[0])
	text := strings.TrimRight(s.s, "/")
	if text == "" && s.s != "" {
		return m.like("/", s)
	}
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return m.like(".", s)
	}
	if dir := strings.TrimRight(text[:i], "/"); dir != "" {
		return m.like(dir, s)
	}
	return m.like("/", s)
}

func extname(s string) string {
	base := strings.TrimRight(s, "/")
	base = base[strings.LastIndexByte(base, '/')+1:]
	lead := strings.TrimLeft(base, ".")
	i := strings.LastIndexByte(lead, '.')
	if i < 0 || i == 0 && len(lead) == len(base) {
		return ""
	}
	return lead[i:]
}

func fileJoin(m *Env, _ Value, a []Value, _ *Proc) Value {
	out := ""
	flat, _ := m.flatten(nil, m.list(a...), -1, nil)
	for i, v := range flat {
		part := m.text(v).s
		switch {
		case i == 0:
			out = part
		case strings.HasPrefix(part, "/"):
			out = strings.TrimRight(out, "/") + part
		case strings.HasSuffix(out, "/"):
			out += part
		default:
			out += "/" + part
		}
	}
	return m.str(out)
}
