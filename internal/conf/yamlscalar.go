package conf

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// What Ruby's YAML reader (Psych, YAML 1.1) takes a scalar without quotes for.
var (
	yamlNull   = regexp.MustCompile(`(?i)^(?:~|null)?$`)
	yamlTrue   = regexp.MustCompile(`(?i)^(?:yes|true|on)$`)
	yamlFalse  = regexp.MustCompile(`(?i)^(?:no|false|off)$`)
	yamlInt    = regexp.MustCompile(`^[-+]?(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*|0[0-7_,]+|0x[0-9a-fA-F_,]+|0b[01_,]+)$`)
	yamlFloat  = regexp.MustCompile(`^[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][-+][0-9]+)?$`)
	yamlClock  = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}(?:\.[0-9_]*)?$`)
	yamlInf    = regexp.MustCompile(`(?i)^[-+]?\.inf$`)
	yamlSymbol = regexp.MustCompile(`^:.`)
	yamlComma  = strings.NewReplacer("_", "", ",", "")
)

// isFalse says that Ruby takes the value for false: null or false.
func (n *yamlNode) isFalse() bool {
	if n.kind != yaml.ScalarNode || !n.plain {
		return false
	}
	v := plainScalar(n.text)
	return v == nil || v == false
}

// plainScalar is nil, bool, int64, *big.Int, float64 or string.
func plainScalar(s string) any {
	switch {
	case yamlNull.MatchString(s):
		return nil
	case yamlTrue.MatchString(s):
		return true
	case yamlFalse.MatchString(s):
		return false
	case strings.IndexByte("+-.:0123456789", s[0]) < 0:
		return s
	case yamlInt.MatchString(s):
		return plainInt(s)
	case yamlFloat.MatchString(s):
		f, err := strconv.ParseFloat(yamlComma.Replace(s), 64)
		if err != nil && !math.IsInf(f, 0) {
			return s // a point alone
		}
		return f
	case yamlClock.MatchString(s):
		return sexagesimal(s)
	case yamlInf.MatchString(s):
		if s[0] == '-' {
			return math.Inf(-1)
		}
		return math.Inf(1)
	case strings.EqualFold(s, ".nan"):
		return math.NaN()
	case yamlSymbol.MatchString(s):
		return strings.Trim(s[1:], `"'`)
	}
	return s
}

// plainInt knows the bases 2, 8 (a leading 0) and 16.
func plainInt(s string) any {
	digits := yamlComma.Replace(s)
	n, ok := new(big.Int).SetString(digits, 0)
	switch {
	case !ok:
		return s
	case n.IsInt64():
		return n.Int64()
	}
	return n
}

// sexagesimal reads 1:30 as hours and minutes and gives seconds, as 1:30:00.
func sexagesimal(s string) any {
	total, weight := 0.0, 3600.0
	for part := range strings.SplitSeq(strings.ReplaceAll(s, "_", ""), ":") {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return s
		}
		total += f * weight
		weight /= 60
	}
	switch {
	case strings.Contains(s, "."):
		return total
	case math.Abs(total) >= 1<<53:
		return s
	}
	return int64(total)
}
