package ruby

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// integer writes a number in a base. Without a sign flag, negative numbers in
// bases other than ten are written as two's complement: "..f85".
func (f *formatter) integer(d *directive, v Value, base int, prefix string, upper bool) {
	n := bigOf(v)
	sign, fill := "", byte('0')
	var digits string
	complement := false
	switch {
	case n.Sign() >= 0 || base == 10 || d.plus || d.space:
		digits = new(big.Int).Abs(n).Text(base)
		switch {
		case n.Sign() < 0:
			sign = "-"
		case d.plus:
			sign = "+"
		case d.space:
			sign = " "
		}
	default:
		digits, fill = twosComplement(n, base)
		complement = true
	}
	if !d.alt || base != 8 && n.Sign() == 0 || base == 10 {
		prefix = ""
	}
	if base == 8 && prefix != "" && (digits == "0" || complement) {
		prefix = ""
		if complement && d.alt {
			prefix = "0"
		}
	}
	if upper {
		digits = strings.ToUpper(digits)
		if fill == 'f' {
			fill = 'F'
		}
	}
	f.digits(d, sign+prefix, digits, fill, complement)
}

// twosComplement is a negative number as digits with the endless digit in front,
// once.
func twosComplement(n *big.Int, base int) (string, byte) {
	bits := map[int]int{2: 1, 8: 3, 16: 4}[base]
	size := (n.BitLen()/bits + 2) * bits
	full := new(big.Int).Lsh(big.NewInt(1), uint(size))
	text := full.Add(full, n).Text(base)
	top := "1"
	switch base {
	case 8:
		top = "7"
	case 16:
		top = "f"
	}
	text = strings.TrimLeft(text, top)
	return top + text, top[0]
}

func (f *formatter) digits(d *directive, lead, digits string, fill byte, complement bool) {
	dots := ""
	if complement {
		dots = ".."
	}
	switch {
	case d.prec >= 0:
		if complement {
			dots = ""
			if d.prec < len(digits)+2 {
				dots = ".."
				if d.prec <= len(digits) {
					dots = ".."
				}
			}
		}
		if gap := d.prec - len(digits) - len(dots); gap > 0 {
			f.m.room(1, gap)
			digits = strings.Repeat(string(fill), gap) + digits
			dots = ""
		}
	case d.zero && !d.minus && d.width >= 0:
		if complement {
			dots = ""
		}
		if gap := d.width - len(lead) - len(digits); gap > 0 {
			f.m.room(1, gap)
			digits = strings.Repeat(string(fill), gap) + digits
		} else if complement {
			dots = ".."
		}
	}
	f.pad(d, lead+dots+digits, asciiEnc)
}

func (f *formatter) float(d *directive, verb byte, v Value) {
	x := f.m.toFloat(v)
	sign := ""
	switch {
	case math.Signbit(x) && !math.IsNaN(x):
		sign = "-"
	case d.plus:
		sign = "+"
	case d.space:
		sign = " "
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		text := "Inf"
		if math.IsNaN(x) {
			text = "NaN"
		}
		f.pad(d, sign+text, asciiEnc)
		return
	}
	var body string
	if n := bigOf(v); n != nil && verb == 'f' && n.BitLen() > 53 {
		body = new(big.Int).Abs(n).String() // Ruby prints integers exactly
		if p := precisionOr(d.prec, 6); p > 0 {
			body += "." + strings.Repeat("0", p)
		}
	} else {
		body = floatText(math.Abs(x), verb, d)
	}
	if d.zero && !d.minus {
		if gap := d.width - len(sign) - len(body); gap > 0 {
			f.m.room(1, gap)
			if verb == 'a' || verb == 'A' {
				body = body[:2] + strings.Repeat("0", gap) + body[2:]
			} else {
				body = strings.Repeat("0", gap) + body
			}
		}
	}
	f.pad(d, sign+body, asciiEnc)
}

func precisionOr(p, def int) int {
	if p < 0 {
		return def
	}
	return p
}

func floatText(x float64, verb byte, d *directive) string {
	switch verb {
	case 'a', 'A':
		return hexFloat(x, verb, d)
	case 'g', 'G':
		return generalFloat(x, verb, d)
	}
	prec := precisionOr(d.prec, 6)
	text := strconv.FormatFloat(x, verb, prec, 64)
	if d.alt && prec == 0 {
		if i := strings.IndexAny(text, "eE"); i >= 0 {
			return text[:i] + "." + text[i:]
		}
		return text + "."
	}
	return text
}

// generalFloat is C's %g: the exponent form when it is below -4 or not below the
// precision; zeros at the end go, unless # keeps them.
func generalFloat(x float64, verb byte, d *directive) string {
	prec := max(precisionOr(d.prec, 6), 1)
	exp := 0
	if x != 0 {
		text := strconv.FormatFloat(x, 'e', prec-1, 64)
		exp, _ = strconv.Atoi(text[strings.IndexByte(text, 'e')+1:])
	}
	var text, tail string
	if exp < -4 || exp >= prec {
		text = strconv.FormatFloat(x, 'e', prec-1, 64)
		i := strings.IndexByte(text, 'e')
		text, tail = text[:i], text[i:]
	} else {
		text = strconv.FormatFloat(x, 'f', prec-1-exp, 64)
	}
	switch {
	case d.alt && !strings.Contains(text, "."):
		text += "."
	case !d.alt && strings.Contains(text, "."):
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if verb == 'G' {
		tail = strings.ToUpper(tail)
	}
	return text + tail
}

func hexFloat(x float64, verb byte, d *directive) string {
	text := strconv.FormatFloat(x, 'x', d.prec, 64)
	if i := strings.IndexByte(text, 'p'); i >= 0 && i+2 < len(text) {
		// C writes the exponent without a leading zero.
		exp := strings.TrimLeft(text[i+2:], "0")
		if exp == "" {
			exp = "0"
		}
		text = text[:i+2] + exp
	}
	if verb == 'A' {
		text = strings.ToUpper(text)
	}
	return text
}
