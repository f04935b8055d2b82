package conf

import (
	"errors"
	"fmt"
	"strings"
)

const rubySpace = " \t\n\v\f\r"

// ParseArray reads an array parameter: a,b,c with blanks allowed around the commas
// (empty entries at the end fall away), or a JSON array, whose numbers, booleans
// and nested values are given as their text and null as "".
func ParseArray(text string) ([]string, error) {
	if !strings.HasPrefix(text, "[") {
		return splitComma(text), nil
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(v.([]any)))
	for i, e := range v.([]any) {
		list[i] = textOf(e)
	}
	return list, nil
}

// ParseHash reads a hash parameter, in its order: k:v,k:v with blanks allowed
// around the commas (those around the colon belong to key and value), or a JSON
// object. A key without a colon has the value nil.
func ParseHash(text string) ([]Pair, error) {
	if strings.HasPrefix(text, "{") {
		v, err := parseJSON(text)
		if err != nil {
			return nil, err
		}
		return v.([]Pair), nil
	}
	pairs := []Pair{}
	for _, entry := range splitComma(text) {
		key, value, found := strings.Cut(entry, ":")
		switch {
		case entry == "":
			return nil, fmt.Errorf("%q has an empty entry: write key:value,key:value or a JSON object", text)
		case found:
			pairs = setPair(pairs, key, value)
		default:
			pairs = setPair(pairs, key, nil)
		}
	}
	return pairs, nil
}

func setPair(pairs []Pair, key string, value any) []Pair {
	for i := range pairs {
		if pairs[i].Key == key {
			pairs[i].Value = value
			return pairs
		}
	}
	return append(pairs, Pair{key, value})
}

// ParseJSON reads JSON text, such as that of a Value with IsJSON. What it can give
// is listed at Pair.
func ParseJSON(text string) (any, error) { return parseJSON(text) }

func parseJSON(text string) (any, error) {
	r := jsonReader{text: text}
	v, err := r.value()
	if err == nil {
		if r.space(); r.pos < len(text) {
			err = errors.New("text follows after its end")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no JSON: %w", text, err)
	}
	return v, nil
}

// splitComma is Ruby's text.strip.split(/\s*,\s*/).
func splitComma(text string) []string {
	parts := strings.Split(strings.Trim(text, rubySpace+"\x00"), ",")
	for i := range parts {
		if i > 0 {
			parts[i] = strings.TrimLeft(parts[i], rubySpace)
		}
		if i < len(parts)-1 {
			parts[i] = strings.TrimRight(parts[i], rubySpace)
		}
	}
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// textOf is Ruby's to_s of a JSON value, but for arrays and hashes, which are
// given as JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return string(appendJSON(nil, v))
	}
}
