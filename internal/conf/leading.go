package conf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errNoNumber says that Ruby's to_i or to_f would find no digit and take 0.
var errNoNumber = errors.New("no number")

// leadingInt is Ruby's String#to_i: white space, a sign, digits with single
// underscores between them; the rest is ignored.
func leadingInt(text string) (int64, error) {
	s := strings.TrimLeft(text, " \t\r\n\f\v")
	digits, _ := takeDigits(s, signLen(s))
	if digits == "" {
		return 0, errNoNumber
	}
	if s[0] == '-' {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q needs more than 64 bits", text)
	}
	return n, nil
}

// leadingFloat is Ruby's String#to_f; whole says that nothing was ignored. The
// point needs a digit after it, the exponent a digit, underscores stand between
// digits.
func leadingFloat(text string) (f float64, whole bool, err error) {
	s := strings.TrimLeft(text, " \t\r\n\f\v")
	end := signLen(s)
	digits, end := takeDigits(s, end)
	number := s[:signLen(s)] + digits
	if end < len(s) && s[end] == '.' {
		if fraction, e := takeDigits(s, end+1); fraction != "" {
			number, end, digits = number+"."+fraction, e, digits+fraction
		}
	}
	if digits == "" {
		return 0, false, errNoNumber
	}
	if end < len(s) && s[end]|0x20 == 'e' {
		sign := signLen(s[end+1:])
		if exponent, e := takeDigits(s, end+1+sign); exponent != "" {
			number, end = number+"e"+s[end+1:end+1+sign]+exponent, e
		}
	}
	f, err = strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false, fmt.Errorf("%q is out of range", text)
	}
	return f, end == len(text), nil
}

func signLen(s string) int {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return 1
	}
	return 0
}

// takeDigits returns the digits from s[i] on without the underscores between
// them, and where they end.
func takeDigits(s string, i int) (digits string, end int) {
	start := i
	for i < len(s) && (isDigit(s[i]) || s[i] == '_' && i > start && isDigit(s[i-1]) && i+1 < len(s) && isDigit(s[i+1])) {
		i++
	}
	return strings.ReplaceAll(s[start:i], "_", ""), i
}
