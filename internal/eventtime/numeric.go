package eventtime

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
)

// parseFloat takes seconds with a fraction, as a number or the number that a text
// begins with; other text is 0.
func parseFloat(v any) (event.Time, error) {
	switch v := v.(type) {
	case event.Time:
		return v, nil
	case int64:
		return event.Time{Sec: v}, nil
	case float64:
		return floatTime(v), nil
	case string:
		return floatText(v), nil
	}
	return event.Time{}, notNumeric(v)
}

// parseUnix takes whole seconds, likewise.
func parseUnix(v any) (event.Time, error) {
	t, err := parseFloat(v)
	return event.Time{Sec: t.Sec}, err
}

// notNumeric says with Fluentd's words what the value is instead.
func notNumeric(v any) error {
	class := "NilClass"
	switch v := v.(type) {
	case *big.Int:
		return private("invalid time format: value = %s, error_class = RangeError, error = bignum too big to convert into `long'", v)
	case bool:
		if class = "FalseClass"; v {
			class = "TrueClass"
		}
	case []any:
		class = "Array"
	case *event.Record:
		class = "Hash"
	case event.Binary:
		class = "String"
	}
	return private("value must be a string or a number: %s(%s)", event.Text(v), class)
}

// private is an error that shows a value.
func private(format string, args ...any) error {
	return &event.PrivateError{Err: fmt.Errorf(format, args...), Public: "the value of the time can not be read"}
}

// floatTime goes through the number's shortest text, as Fluentd does:
// 1500000000.123456 is a time of six digits, and not of the nine that the double
// nearest to it has.
func floatTime(f float64) event.Time {
	switch {
	case math.IsNaN(f), math.IsInf(f, 0):
		return event.Time{}
	case math.Abs(f) >= 1<<53: // no fraction, and no time either
		return event.Time{Sec: int64(max(min(f, math.MaxInt64/2), math.MinInt64/2))}
	}
	var buf [32]byte
	return floatText(string(strconv.AppendFloat(buf[:0], f, 'f', -1, 64)))
}

// floatText reads seconds and their fraction without going through a double, so
// that nine digits stay nine digits. The sign is that of the seconds: -1.5 is half
// a second before 1970, as in Fluentd.
func floatText(text string) event.Time {
	whole, fraction, _ := strings.Cut(text, ".")
	fraction, _, _ = strings.Cut(fraction, ".")
	nsec := int32(0)
	for i := range 9 {
		nsec *= 10
		if i < len(fraction) {
			c := fraction[i]
			if c < '0' || c > '9' {
				fraction = fraction[:i]
				continue
			}
			nsec += int32(c - '0')
		}
	}
	return event.Time{Sec: leadingInt(whole), Nsec: nsec}
}

// leadingInt is Ruby's String#to_i: blanks, a sign, digits with underscores between
// them, and anything behind.
func leadingInt(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	n := int64(0)
	for i := range len(s) {
		c := s[i]
		if c == '_' && i > 0 && s[i-1] != '_' {
			continue
		}
		if c < '0' || c > '9' || n > math.MaxInt64/100 {
			break
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		return -n
	}
	return n
}
