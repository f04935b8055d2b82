package event

import (
	"fmt"
	"math"
	"math/big"
)

// canonicalValue turns Go's other number types into the ones that a Record
// holds, so that callers may Set(k, 5). What no record can hold becomes text.
func canonicalValue(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, *Record, []any, *big.Int, Binary, Time:
		return v
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case uint32:
		return int64(v)
	case uint:
		return unsigned(uint64(v))
	case uint64:
		return unsigned(v)
	case float32:
		return float64(v)
	case []byte:
		return Binary(v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = s
		}
		return out
	}
	return fmt.Sprint(v)
}

// unsigned is the smallest fitting form of a number without sign.
func unsigned(u uint64) any {
	if u <= math.MaxInt64 {
		return int64(u)
	}
	return new(big.Int).SetUint64(u)
}

// cloneValue copies what could change later. Numbers and text cannot.
func cloneValue(v any) any {
	switch v := v.(type) {
	case *Record:
		return v.Clone()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	case Binary:
		return append(Binary{}, v...)
	}
	return v
}
