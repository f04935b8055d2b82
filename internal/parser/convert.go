package parser

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// converter makes a value of another type.
type converter func(v any) (any, error)

// convert applies null_value_pattern, null_empty_string and types to all fields.
func (b *base) convert(r *event.Record) error {
	if b.converters == nil && b.nullPattern == nil && !b.nullEmpty {
		return nil
	}
	for k, v := range r.All() {
		if v == nil {
			continue
		}
		if s, ok := v.(string); ok && (b.nullEmpty && s == "" || b.nullPattern != nil && b.nullPattern.MatchString(s)) {
			r.Set(k, nil)
			continue
		}
		if convert := b.converters[k]; convert != nil {
			converted, err := convert(v)
			if err != nil {
				return fmt.Errorf("field %s: %w", k, err)
			}
			r.Set(k, converted)
		}
	}
	return nil
}

// compileTypes makes converters of the parameter types.
func (b *base) compileTypes() (map[string]converter, error) {
	if len(b.types) == 0 {
		return nil, nil
	}
	out := make(map[string]converter, len(b.types))
	for _, p := range b.types {
		name, option, _ := strings.Cut(event.Text(p.Value), ":")
		convert, err := b.converter(name, option)
		if err != nil {
			return nil, err
		}
		if convert == nil {
			return nil, param.Errorf("types", "types are string, integer, float, bool, time and array",
				"unknown value conversion for key:'%s', type:'%s'", p.Key, name)
		}
		out[p.Key] = convert
	}
	return out, nil
}

func (b *base) converter(name, option string) (converter, error) {
	switch name {
	case "string":
		return func(v any) (any, error) { return event.Text(v), nil }, nil
	case "integer":
		return toInteger, nil
	case "float":
		return toFloat, nil
	case "bool":
		return func(v any) (any, error) {
			return slices.Contains([]string{"true", "yes", "1"}, strings.ToLower(event.Text(v))), nil
		}, nil
	case "time":
		return b.timeConverter(option)
	case "array":
		if option == "" {
			option = ","
		}
		return func(v any) (any, error) { return splitArray(event.Text(v), option), nil }, nil
	}
	return nil, nil
}

func (b *base) timeConverter(option string) (converter, error) {
	t := b.timing
	kind, format, _ := strings.Cut(option, ":")
	switch kind {
	case "unixtime", "float":
		t.Type, t.Format = kind, ""
	case "string":
		t.Type, t.Format = kind, format
	default:
		t.Type, t.Format = "string", option
	}
	clock, err := t.compile()
	if err != nil {
		return nil, err
	}
	return func(v any) (any, error) {
		if t.Type == "string" {
			v = event.Text(v)
		}
		return clock.Parse(v)
	}, nil
}

// splitArray is Ruby's split: empty parts at the end fall away.
func splitArray(s, delimiter string) []any {
	out := []any{}
	if s == "" {
		return out
	}
	for part := range strings.SplitSeq(s, delimiter) {
		out = append(out, part)
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// toInteger is Ruby's to_i.
func toInteger(v any) (any, error) {
	switch v := v.(type) {
	case int64, *big.Int:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%s is no integer", event.Text(v))
		}
		n, _ := big.NewFloat(v).Int(nil)
		if n.IsInt64() {
			return n.Int64(), nil
		}
		return n, nil
	case string:
		return leadingInteger(v), nil
	}
	return nil, fmt.Errorf("a value of type %s is no integer", kindOf(v))
}

// toFloat is Ruby's to_f.
func toFloat(v any) (any, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, nil
	case string:
		return leadingFloat(v), nil
	}
	return nil, fmt.Errorf("a value of type %s is no number", kindOf(v))
}

func kindOf(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case []any:
		return "array"
	case *event.Record:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

// maxDigits is how many digits of a text count: reading a number costs the
// square of its length.
const maxDigits = 4096

// leadingInteger is the integer that a text begins with; 0 when it begins with
// none. Single underscores between digits are allowed.
func leadingInteger(s string) any {
	sign, digits, _ := leadingDigits(strings.TrimLeft(s, " \t\n\v\f\r"))
	if digits == "" {
		return int64(0)
	}
	if n, err := strconv.ParseInt(sign+digits, 10, 64); err == nil {
		return n
	}
	n, ok := new(big.Int).SetString(sign+digits[:min(len(digits), maxDigits)], 10)
	if !ok {
		return int64(0)
	}
	return n
}

// leadingDigits cuts a sign and digits from the beginning of a text.
func leadingDigits(s string) (sign, digits, rest string) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	i := 0
	for i < len(s) && (isDigit(s[i]) || s[i] == '_' && i > 0 && s[i-1] != '_' && i+1 < len(s) && isDigit(s[i+1])) {
		i++
	}
	return sign, strings.ReplaceAll(s[:i], "_", ""), s[i:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// leadingFloat is the number that a text begins with; 0.0 when it begins with
// none.
func leadingFloat(s string) float64 {
	sign, whole, rest := leadingDigits(strings.TrimLeft(s, " \t\n\v\f\r"))
	if whole == "" && (len(rest) < 2 || rest[0] != '.' || !isDigit(rest[1])) {
		return 0
	}
	number := sign + whole
	if len(rest) > 1 && rest[0] == '.' && isDigit(rest[1]) {
		_, fraction, after := leadingDigits(rest[1:])
		number, rest = number+"."+fraction, after
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		if expSign, exponent, _ := leadingDigits(rest[1:]); exponent != "" {
			number += "e" + expSign + exponent
		}
	}
	f, _ := strconv.ParseFloat(number, 64) // out of range is Infinity
	return f
}
