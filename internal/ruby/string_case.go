package ruby

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// stringCaseMethods change case.
func stringCaseMethods() table {
	t := table{}
	for name, f := range map[string]func(s *Str) string{"upcase": upText, "downcase": downText, "capitalize": capitalText, "swapcase": swapText} {
		t[name] = method{caseMethod(f), 0, 1, false}
		t[name+"!"] = method{strBang(caseMethod(f)), 0, 1, false}
	}
	return t
}

func caseMethod(f func(s *Str) string) fn {
	return func(m *Env, self Value, a []Value, _ *Proc) Value {
		s := self.(*Str)
		m.walkable(s)
		if len(a) > 0 {
			if a[0] != Value(Sym("ascii")) {
				if _, ok := a[0].(Sym); !ok {
					m.raise("ArgumentError", "invalid option")
				}
				m.unsupported("the option "+m.inspect(a[0])+" of case methods", "leave it out")
			}
			return m.like(f(&Str{s: s.s, enc: binaryEnc}), s)
		}
		if s.enc == utf8Enc && !utf8.ValidString(s.s) {
			m.raise("ArgumentError", "input string invalid")
		}
		if s.enc > asciiEnc && !isASCII(s.s) {
			m.unsupported("changing case in "+s.enc.String(), "convert it first: encode(\"UTF-8\")")
		}
		return m.like(f(s), s)
	}
}

// strBang makes the changing form of a method: it returns nil when nothing
// changed.
func strBang(f fn) fn {
	return func(m *Env, self Value, a []Value, blk *Proc) Value {
		s := self.(*Str)
		m.changeable(s)
		out := f(m, self, a, blk).(*Str)
		if out.s == s.s {
			return nil
		}
		s.s, s.enc = out.s, out.enc
		return self
	}
}

// strSet makes a method that replaces the receiver's text by what f gives and
// returns the receiver.
func strSet(f fn) fn {
	return func(m *Env, self Value, a []Value, blk *Proc) Value {
		s := self.(*Str)
		m.changeable(s)
		out := f(m, self, a, blk).(*Str)
		s.s, s.enc = out.s, out.enc
		return self
	}
}

func mapASCII(s string, f func(c byte) byte) string {
	out := []byte(s)
	for i, c := range out {
		out[i] = f(c)
	}
	return string(out)
}

func upASCII(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 32
	}
	return c
}

func downASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 32
	}
	return c
}

func upText(s *Str) string {
	if s.enc != utf8Enc || isASCII(s.s) {
		return mapASCII(s.s, upASCII)
	}
	return cases.Upper(language.Und).String(s.s)
}

func downText(s *Str) string {
	if s.enc != utf8Enc || isASCII(s.s) {
		return mapASCII(s.s, downASCII)
	}
	// Ruby does not know the final sigma, which Unicode's own rules have.
	return strings.Map(func(r rune) rune {
		if r == 'İ' {
			return -2
		}
		return unicode.ToLower(r)
	}, strings.ReplaceAll(s.s, "İ", "i̇"))
}

func capitalText(s *Str) string {
	if s.s == "" {
		return ""
	}
	if s.enc != utf8Enc || isASCII(s.s) {
		return string(upASCII(s.s[0])) + mapASCII(s.s[1:], downASCII)
	}
	n := charLen(s.s)
	return cases.Title(language.Und, cases.NoLower).String(s.s[:n]) + downText(&Str{s: s.s[n:]})
}

func swapText(s *Str) string {
	if s.enc != utf8Enc || isASCII(s.s) {
		return mapASCII(s.s, func(c byte) byte {
			if up := upASCII(c); up != c {
				return up
			}
			return downASCII(c)
		})
	}
	var b strings.Builder
	for _, r := range s.s {
		switch {
		case unicode.IsUpper(r) || unicode.IsTitle(r):
			b.WriteString(downText(&Str{s: string(r)}))
		default:
			b.WriteString(upText(&Str{s: string(r)}))
		}
	}
	return b.String()
}

func foldText(s *Str) string {
	if s.enc != utf8Enc || isASCII(s.s) {
		return mapASCII(s.s, downASCII)
	}
	return cases.Fold().String(s.s)
}
