package conf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The numbers of a configuration mean what Fluentd 1.19 makes of them: a size or a
// time is found by searching digits with a unit anywhere in the text, what has no
// unit is read as far as it is a number. Where that differs from what a reader
// would think, the functions return a hint for a warning.

type unit struct {
	letter byte
	factor int64
}

// The order is the order of the search: 1h30m is 30 minutes.
var (
	sizeUnits = []unit{{'k', 1 << 10}, {'m', 1 << 20}, {'g', 1 << 30}, {'t', 1 << 40}}
	timeUnits = []unit{{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}}
)

// ParseSize reads a number of bytes: 10, 8k, 10m, 1g, 1t in either case. The hint
// says how a surprising text is read ("is read as 5 KiB: …" for 0.5k). Text without a
// number is an error, where Fluentd takes 0.
func ParseSize(text string) (n int64, hint string, err error) {
	digits, u, found := findUnit(text, sizeUnits, true)
	if !found {
		if n, err = leadingInt(text); err != nil {
			return 0, "", fmt.Errorf("%q is no size: write a number of bytes, or one with k, m, g or t (8m)", text)
		}
		if strconv.FormatInt(n, 10) != text {
			hint = fmt.Sprintf("is read as %s: write digits and one of k, m, g, t, without a blank", sizeWords(n))
		}
		return n, hint, nil
	}
	if n, err = multiply(digits, u.factor); err != nil {
		return 0, "", fmt.Errorf("%q is more than 8 EiB", text)
	}
	if len(text) != len(digits)+1 && !strings.EqualFold(text, digits+string(u.letter)+"b") {
		hint = fmt.Sprintf("is read as %s: only the digits directly before the unit count", sizeWords(n))
	}
	return n, hint, nil
}

// ParseTime reads a duration: 10 and 0.5 are seconds; 30s, 10m, 1h, 1d. The hint
// says how a surprising text is read ("is read as 1 minute: …" for 1ms). Text without
// a number is an error, where Fluentd takes 0.
func ParseTime(text string) (d time.Duration, hint string, err error) {
	digits, u, found := findUnit(text, timeUnits, false)
	if found {
		n, err := multiply(digits, u.factor)
		if err != nil || n > math.MaxInt64/int64(time.Second) {
			return 0, "", fmt.Errorf("%q is more than 292 years", text)
		}
		d = time.Duration(n) * time.Second
		if len(text) != len(digits)+1 {
			hint = fmt.Sprintf("is read as %s: only the digits directly before the unit (s, m, h, d) count; a fraction is written in seconds (0.5)", timeWords(d))
		}
		return d, hint, nil
	}
	f, whole, err := leadingFloat(text)
	switch seconds := f * float64(time.Second); {
	case err != nil:
		return 0, "", fmt.Errorf("%q is no time: write seconds (0.5), or a number with s, m, h or d (10m)", text)
	case math.Abs(seconds) >= math.MaxInt64:
		return 0, "", fmt.Errorf("%q is more than 292 years", text)
	default:
		d = time.Duration(math.Round(seconds))
	}
	if !whole {
		hint = fmt.Sprintf("is read as %s: the units are s, m, h and d, in lower case and without a blank", timeWords(d))
	}
	return d, hint, nil
}

// ParseBool reads true, yes and empty text as true, false and no as false. A
// comment in the place of a value ("flag # on") is empty text, as in Fluentd.
func ParseBool(text string) (bool, error) {
	switch {
	case text == "true" || text == "yes" || text == "" || text[0] == '#':
		return true, nil
	case text == "false" || text == "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false: write true, yes, false or no", text)
}

// ParseInt reads a whole number as far as the text is one: 10abc is 10 and abc is
// 0, both with a hint. The error is a number that needs more than 64 bits.
func ParseInt(text string) (n int64, hint string, err error) {
	n, err = leadingInt(text)
	switch {
	case err == errNoNumber:
		return 0, "is no number and counts as 0", nil
	case err != nil:
		return 0, "", err
	case strconv.FormatInt(n, 10) != strings.TrimPrefix(text, "+"):
		hint = fmt.Sprintf("is read as %d", n)
	}
	return n, hint, nil
}

// ParseFloat reads a number as far as the text is one, as ParseInt does.
func ParseFloat(text string) (f float64, hint string, err error) {
	f, whole, err := leadingFloat(text)
	switch {
	case err == errNoNumber:
		return 0, "is no number and counts as 0", nil
	case err != nil:
		return 0, "", err
	case !whole:
		hint = fmt.Sprintf("is read as %v", f)
	}
	return f, hint, nil
}

// findUnit searches, unit after unit, the first run of digits followed by it.
func findUnit(text string, units []unit, anyCase bool) (digits string, u unit, found bool) {
	for _, u := range units {
		for i := 1; i < len(text); i++ {
			c := text[i]
			if anyCase && c < 0x80 {
				c |= 0x20
			}
			if c != u.letter || !isDigit(text[i-1]) {
				continue
			}
			start := i
			for start > 0 && isDigit(text[start-1]) {
				start--
			}
			return text[start:i], u, true
		}
	}
	return "", unit{}, false
}

// multiply fails when the product needs more than 63 bits.
func multiply(digits string, factor int64) (int64, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/factor {
		return 0, strconv.ErrRange
	}
	return n * factor, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func sizeWords(n int64) string {
	for i := len(sizeUnits) - 1; i >= 0; i-- {
		if f := sizeUnits[i].factor; n != 0 && n%f == 0 {
			return fmt.Sprintf("%d %ciB", n/f, sizeUnits[i].letter-0x20)
		}
	}
	return plural(n, "byte")
}

func timeWords(d time.Duration) string {
	for i := len(timeUnits) - 1; i >= 0; i-- {
		f := time.Duration(timeUnits[i].factor) * time.Second
		if d%f == 0 && (d != 0 || i == 0) {
			return plural(int64(d/f), [...]string{"second", "minute", "hour", "day"}[i])
		}
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " seconds"
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
