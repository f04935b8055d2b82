package ingest

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// timeOfQuery is ?time= as Fluentd reads it: the leading number of the text as a
// double; 0 or no number is now. The double is then printed, and the digits on both
// sides of the point are seconds and nanoseconds: so what a double can not hold is
// cut off, and of one that is printed with an exponent only the first digits count.
func timeOfQuery(text string, now time.Time) event.Time {
	seconds := rubyToF(text)
	if seconds == 0 || math.IsInf(seconds, 0) {
		return event.TimeOf(now)
	}
	whole, fraction, _ := strings.Cut(rubyFloat(seconds), ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return event.TimeOf(now)
	}
	fraction = (fraction + "000000000")[:9]
	if i := strings.IndexFunc(fraction, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		fraction = fraction[:i]
	}
	nsec, _ := strconv.ParseInt(fraction, 10, 32)
	return event.Time{Sec: sec, Nsec: int32(nsec)}
}

// rubyFloat is Ruby's Float#to_s.
func rubyFloat(f float64) string {
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		text := strconv.FormatFloat(f, 'e', -1, 64)
		if mantissa, exponent, ok := strings.Cut(text, "e"); ok && !strings.Contains(mantissa, ".") {
			text = mantissa + ".0e" + exponent
		}
		return text
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// timeOfNumber is the time that a record carries as a number.
func timeOfNumber(v any) (event.Time, error) {
	switch v := v.(type) {
	case nil:
		return event.NoTime(), nil
	case int64:
		return event.Time{Sec: v}, nil
	case float64:
		return floatTime(v)
	case *big.Int:
		return event.Time{}, &event.PrivateError{Err: fmt.Errorf("time %s is out of range", v), Public: "a time is out of range"}
	default:
		return event.Time{}, errTimeText
	}
}

// floatTime cuts at 100 ns: a double holds no more of today's times.
func floatTime(seconds float64) (event.Time, error) {
	whole := math.Floor(seconds)
	if !(math.Abs(whole) < 1<<62) { // false for NaN too
		return event.Time{}, fmt.Errorf("time %g is out of range", seconds)
	}
	nanos := int64((seconds-whole)*1e7) * 100
	return event.Time{Sec: int64(whole), Nsec: int32(nanos)}, nil
}
