package param

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/onig"
)

// into makes a decoder of a function from text to value.
func into[T any](dst *T, parse func(string) (T, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		v, err := parse(text)
		if err == nil {
			*dst = v
		}
		return "", err
	}
}

var leadingInt = regexp.MustCompile(`^\s*[+-]?[0-9][0-9_]*`)

func decodeInt(dst *int, text string) (string, error) {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		*dst = n
		return "", nil
	}
	digits := strings.ReplaceAll(strings.TrimSpace(leadingInt.FindString(text)), "_", "")
	n, err := strconv.Atoi(digits)
	if errors.Is(err, strconv.ErrRange) {
		return "", fmt.Errorf("%q does not fit in 64 bits", text)
	}
	*dst = n
	return fmt.Sprintf("is no whole number and counts as %d", n), nil
}

var leadingFloat = regexp.MustCompile(`^\s*[+-]?[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]+)?`)

func decodeFloat(dst *float64, text string) (string, error) {
	if f, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		*dst = f
		return "", nil
	}
	f, _ := strconv.ParseFloat(strings.TrimSpace(leadingFloat.FindString(text)), 64)
	*dst = f
	return fmt.Sprintf("is no number and counts as %v", f), nil
}

func decodeSize(dst *int64, text string) (string, error) {
	n, hint, err := conf.ParseSize(text)
	if err == nil {
		*dst = n
	}
	return hint, err
}

func decodeTime(dst *time.Duration, text string) (string, error) {
	n, hint, err := conf.ParseTime(text)
	if err == nil {
		*dst = n
	}
	return hint, err
}

func compileRegexp(text string) (*onig.Regexp, error) { return onig.ParseLiteral(text) }

func parseHash(text string) ([]Pair, error) {
	entries, err := conf.ParseHash(text)
	if err != nil {
		return nil, err
	}
	pairs := make([]Pair, len(entries))
	for i, e := range entries {
		pairs[i] = Pair{e.Key, e.Value}
	}
	return pairs, nil
}

func joinComma(list []string) string { return strings.Join(list, ",") }

// sizeText and timeText print a default as a configuration would write it.
func sizeText(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 40, "t"}, {1 << 30, "g"}, {1 << 20, "m"}, {1 << 10, "k"}} {
		if n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func timeText(d time.Duration) string {
	if d != 0 {
		for _, unit := range []struct {
			span time.Duration
			name string
		}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
			if d%unit.span == 0 {
				return strconv.FormatInt(int64(d/unit.span), 10) + unit.name
			}
		}
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}
