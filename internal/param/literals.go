package param

import (
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

func decodeInt(dst *int, text string) (string, error) {
	n, hint, err := conf.ParseInt(text)
	if err == nil {
		*dst = int(n)
	}
	return hint, err
}

func decodeFloat(dst *float64, text string) (string, error) {
	f, hint, err := conf.ParseFloat(text)
	if err == nil {
		*dst = f
	}
	return hint, err
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
