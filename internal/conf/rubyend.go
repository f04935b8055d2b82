package conf

import "strings"

// rubyEnd is the offset in s of the brace that closes embedded Ruby, -1 when none
// does. Braces nest; those in strings, in %-literals and in regular expressions do
// not count, but for embedded Ruby in them.
func rubyEnd(s string) int {
	depth, operand := 0, true // operand: a value may begin here, so / and % open a literal
	for i := 0; i < len(s); {
		c := s[i]
		n := 1
		switch {
		case c == '}':
			if depth == 0 {
				return i
			}
			depth--
			operand = false
		case c == '{':
			depth++
			operand = true
		case c == '"' || c == '\'' || c == '`':
			n = literalLen(s[i:], 1, c, c)
			operand = false
		case c == '/' && operand:
			n = literalLen(s[i:], 1, c, c)
			operand = false
		case c == '%' && operand && percentLen(s[i:]) > 0:
			head := percentLen(s[i:])
			n = literalLen(s[i:], head, s[i+head-1], closerOf(s[i+head-1]))
			operand = false
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		default:
			operand = strings.IndexByte("([,=~!&|<>+-*/%?:;", c) >= 0
		}
		i += n
	}
	return -1
}

// percentLen is the length of the head of %w[…], %q(…), %{…}: up to and with the
// opening sign; 0 when s begins with no such literal.
func percentLen(s string) int {
	n := 1
	if len(s) > 1 && strings.IndexByte("wWiIqQrs", s[1]) >= 0 {
		n = 2
	}
	if n < len(s) && strings.IndexByte("[({<|!/^", s[n]) >= 0 {
		return n + 1
	}
	return 0
}

func closerOf(open byte) byte {
	if i := strings.IndexByte("[({<", open); i >= 0 {
		return "])}>"[i]
	}
	return open
}

// literalLen is the length of the literal with which s begins, whose text starts
// at offset head; all of s when it is not closed.
func literalLen(s string, head int, open, closer byte) int {
	depth := 0
	for i := head; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '#' && i+1 < len(s) && s[i+1] == '{' && closer != '\'':
			n := rubyEnd(s[i+2:])
			if n < 0 {
				return len(s)
			}
			i += 2 + n
		case c == closer && depth == 0:
			return i + 1
		case c == closer:
			depth--
		case c == open:
			depth++
		}
	}
	return len(s)
}
