package ruby

import (
	"strings"
	"unicode/utf8"
)

// formatter is one run of format: the arguments and what was printed.
type formatter struct {
	m    *Env
	args []Value
	next int
	mode byte // 0, or how arguments are named: ',' in turn, '$' by number, '<' by name
	out  joiner
	enc  encoding
}

// directive is one %… as it was read.
type directive struct {
	minus, plus, space, zero, alt bool
	width, prec                   int // -1: none
	value                         Value
	has                           bool // value came with %<name>
}

// format is Kernel#format.
func (m *Env) format(layout *Str, args []Value) Value {
	f := &formatter{m: m, args: append([]Value(nil), args...), out: joiner{m: m, start: len(m.buf)}, enc: layout.enc}
	f.out.text("", layout.enc)
	for text := layout.s; text != ""; {
		i := strings.IndexByte(text, '%')
		if i < 0 {
			f.put(text)
			break
		}
		f.put(text[:i])
		text = f.directive(text[i+1:])
	}
	return f.out.done()
}

func (f *formatter) put(s string) { f.out.text(s, f.enc) }

// directive prints one directive and returns what follows it.
func (f *formatter) directive(text string) string {
	d := directive{width: -1, prec: -1}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ':
			d.space = true
		case c == '#':
			d.alt = true
		case c == '+':
			d.plus = true
		case c == '-':
			d.minus = true
		case c == '0':
			d.zero = true
		case '1' <= c && c <= '9':
			i = f.number(text, i, &d)
			continue
		case c == '*':
			f.starWidth(&d)
		case c == '.':
			i = f.precision(text, i+1, &d)
			continue
		case c == '<' || c == '{':
			end := strings.IndexByte(text[i:], map[byte]byte{'<': '>', '{': '}'}[c])
			if end < 0 {
				f.m.raise("ArgumentError", "malformed name - unmatched parenthesis")
			}
			f.named(text[i+1:i+end], &d, text[i:i+end+1])
			i += end + 1
			if c == '{' {
				s := f.m.toS(d.value)
				f.pad(&d, s.s, s.enc)
				return text[i:]
			}
			continue
		case c == '\n' || c == 0:
			f.put("%")
			return text[i:]
		default:
			return f.verb(c, &d, text[i+1:])
		}
		i++
	}
	f.m.raise("ArgumentError", "incomplete format specifier; use %%%% (double %%) instead")
	return ""
}

// number reads a width, or the number of an argument before a $.
func (f *formatter) number(text string, i int, d *directive) int {
	n := 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		if n = n*10 + int(text[i]-'0'); n > 1<<24 {
			f.m.raise("ArgumentError", "width too big")
		}
		i++
	}
	if i < len(text) && text[i] == '$' {
		f.useMode('$')
		if n > len(f.args) {
			f.m.raise("ArgumentError", "too few arguments")
		}
		d.value, d.has = f.args[n-1], true
		return i + 1
	}
	d.width = n
	return i
}

func (f *formatter) useMode(mode byte) {
	if f.mode != 0 && f.mode != mode {
		f.m.raise("ArgumentError", "numbered, named and unnumbered arguments cannot be mixed")
	}
	f.mode = mode
}

func (f *formatter) starWidth(d *directive) {
	n := f.m.int(f.take(&directive{}))
	if n < 0 {
		d.minus, n = true, -n
	}
	f.m.room(1, n)
	d.width = n
}

func (f *formatter) precision(text string, i int, d *directive) int {
	d.prec = 0
	if i < len(text) && text[i] == '*' {
		d.prec = f.m.int(f.take(&directive{}))
		if d.prec < 0 {
			d.prec = -1
		}
		return i + 1
	}
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		if d.prec = d.prec*10 + int(text[i]-'0'); d.prec > 1<<20 {
			f.m.raise("ArgumentError", "precision too big")
		}
		i++
	}
	return i
}

func (f *formatter) named(name string, d *directive, whole string) {
	f.useMode('<')
	var h *Hash
	if len(f.args) == 1 {
		h, _ = f.args[0].(*Hash)
	}
	if h == nil {
		f.m.raise("ArgumentError", "one hash required")
	}
	v, ok := h.get(Sym(name))
	if !ok {
		if h.defProc == nil && h.def == nil {
			f.m.raise("KeyError", "key%s not found", whole)
		}
		v = f.m.hashDefault(h, Sym(name))
	}
	d.value, d.has = v, true
}

func (f *formatter) take(d *directive) Value {
	if d.has {
		return d.value
	}
	f.useMode(',')
	if f.next >= len(f.args) {
		f.m.raise("ArgumentError", "too few arguments")
	}
	f.next++
	return f.args[f.next-1]
}

func (f *formatter) verb(c byte, d *directive, rest string) string {
	m := f.m
	switch c {
	case '%':
		if d.width >= 0 || d.prec >= 0 || d.minus || d.plus || d.space || d.zero || d.alt {
			m.raise("ArgumentError", "invalid format character - %%")
		}
		f.put("%")
	case 's', 'p':
		v := f.take(d)
		s := m.toS(v)
		if c == 'p' {
			s = m.inspectStr(v)
		}
		text := s.s
		if d.prec >= 0 {
			_, to, ok := m.spanBytes(s, 0, d.prec)
			if ok {
				text = text[:to]
			}
		}
		f.pad(d, text, s.enc)
	case 'c':
		f.char(d)
	case 'd', 'i', 'u':
		f.integer(d, m.toInteger(f.take(d)), 10, "", false)
	case 'x':
		f.integer(d, m.toInteger(f.take(d)), 16, "0x", false)
	case 'X':
		f.integer(d, m.toInteger(f.take(d)), 16, "0X", true)
	case 'o':
		f.integer(d, m.toInteger(f.take(d)), 8, "0", false)
	case 'b':
		f.integer(d, m.toInteger(f.take(d)), 2, "0b", false)
	case 'B':
		f.integer(d, m.toInteger(f.take(d)), 2, "0B", false)
	case 'f', 'e', 'E', 'g', 'G', 'a', 'A':
		f.float(d, c, f.take(d))
	default:
		m.raise("ArgumentError", "malformed format string - %%%s", string(rune(c)))
	}
	return rest
}

// pad writes text in its width.
func (f *formatter) pad(d *directive, text string, enc encoding) {
	n := utf8.RuneCountInString(text)
	if enc != utf8Enc {
		n = len(text)
	}
	gap := max(d.width-n, 0)
	f.m.room(1, gap)
	blank := strings.Repeat(" ", gap)
	if d.minus {
		f.out.text(text, enc)
		f.put(blank)
		return
	}
	f.put(blank)
	f.out.text(text, enc)
}

func (f *formatter) char(d *directive) {
	switch v := f.take(d).(type) {
	case *Str:
		if v.s == "" {
			f.m.raise("ArgumentError", "%%c requires a character")
		}
		_, to, _ := f.m.spanBytes(v, 0, 1)
		f.pad(d, v.s[:to], v.enc)
	default:
		n := f.m.int64(v)
		if n < 0 || n > utf8.MaxRune || f.enc != utf8Enc && n > 255 {
			f.m.raise("ArgumentError", "invalid character")
		}
		if f.enc != utf8Enc {
			f.pad(d, string([]byte{byte(n)}), f.enc)
			return
		}
		f.pad(d, string(rune(n)), f.enc)
	}
}
