package strftime

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseFree is Time.parse: it looks for a time of day, a zone and a date of any
// usual form anywhere in the text, takes what is missing from the present time,
// and passes over the rest. The error's text is Ruby's.
func ParseFree(s string, loc *time.Location) (sec int64, nsec int32, err error) {
	if len(s) > maxFree {
		return 0, 0, fmt.Errorf("string length (%d) exceeds the limit %d", len(s), maxFree)
	}
	if r := (reader{s: s}); len(s) > 10 && s[4] == '-' && s[0] != '-' && r.iso8601() && r.checkRanges() == nil {
		r.resolve(loc, true)              // most texts are of this form
		return r.unix, int32(r.nsec), nil //nolint:gosec // below 1e9
	}
	f := free{text: strings.Map(keepDateSign, s)}
	f.r.s = s
	f.dayName()
	f.timeOfDay()
	for _, form := range dateForms {
		if form(&f) {
			break
		}
	}
	f.loneNumber()
	if f.short && f.r.has&hasYear != 0 && f.r.year >= 0 && f.r.year <= 99 {
		if f.r.year += 2000; f.r.year >= 2069 {
			f.r.year -= 100
		}
	}
	return f.finish(loc)
}

// maxFree is Ruby's own limit.
const maxFree = 128

// keepDateSign makes blanks of what no date is written with.
func keepDateSign(r rune) rune {
	if isWord := r >= 0x80 || isAlpha(byte(r)) || isDigit(byte(r)); isWord || strings.ContainsRune("-+',./:@[]", r) {
		return r
	}
	return ' '
}

// free is a text of which what was understood has been taken out.
type free struct {
	text  string
	r     reader
	short bool // the year has two digits
}

func (f *free) finish(loc *time.Location) (int64, int32, error) {
	r := &f.r
	if r.has&(hasYear|hasYday|hasMonth|hasDay|hasHour|hasMinute|hasSecond|hasNsec) == 0 {
		return 0, 0, fmt.Errorf("no time information in %q", strings.Clone(r.s))
	}
	if r.has&hasYday != 0 {
		if err := r.dayOfYear(loc); err != nil {
			return 0, 0, err
		}
	}
	r.complete(loc)
	if err := r.checkRanges(); err != nil {
		return 0, 0, err
	}
	r.resolve(loc, true)
	return r.unix, int32(r.nsec), nil //nolint:gosec // below 1e9
}

// take finds a pattern, puts a blank in its place and returns the groups; nil
// when it is not there.
func (f *free) take(re *regexp.Regexp) []string {
	at := re.FindStringSubmatchIndex(f.text)
	if at == nil {
		return nil
	}
	groups := make([]string, len(at)/2)
	for i := range groups {
		if at[2*i] >= 0 {
			groups[i] = f.text[at[2*i]:at[2*i+1]]
		}
	}
	f.text = f.text[:at[0]] + " " + f.text[at[1]:]
	return groups
}

const monthRE = `(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)`

var (
	dayNameRE = regexp.MustCompile(`(?i)\b(sun|mon|tue|wed|thu|fri|sat)[^-/\d\s]*`)
	timeRE    = regexp.MustCompile(`(?i)((?:\d+\s*:\s*\d+(?:\s*:\s*\d+(?:[,.]\d*)?)?|\d+\s*h(?:\s*\d+m?(?:\s*\d+s?)?)?)(?:\s*[ap](?:m\b|\.m\.))?|\d+\s*[ap](?:m\b|\.m\.))` +
		`(?:\s*((?:gmt|utc?)?[-+]\d+(?:[,.:]\d+(?::\d+)?)?|[[:alpha:].\s]+(?:standard|daylight)\stime\b|[[:alpha:]]+(?:\sdst)?\b))?`)
	clockRE = regexp.MustCompile(`(?i)^(\d+)\s*h?(?:\s*:?\s*(\d+)m?(?:\s*:?\s*(\d+)(?:[,.](\d*))?s?)?)?(?:\s*([ap])(?:m\b|\.m\.))?`)
)

func (f *free) dayName() { f.take(dayNameRE) }

func (f *free) timeOfDay() {
	g := f.take(timeRE)
	if g == nil {
		return
	}
	c := clockRE.FindStringSubmatch(g[1])
	if c == nil {
		return
	}
	f.number(hasHour, &f.r.hour, c[1])
	f.number(hasMinute, &f.r.minute, c[2])
	f.number(hasSecond, &f.r.second, c[3])
	f.fraction(c[4])
	if c[5] != "" {
		if f.r.hour %= 12; strings.EqualFold(c[5], "p") {
			f.r.hour += 12
		}
	}
	f.zone(g[2])
}

func (f *free) number(bit field, dst *int, text string) {
	if text == "" {
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		n = 1 << 30 // far out of range
	}
	*dst = n
	f.r.has |= bit
}

func (f *free) fraction(digits string) {
	if digits == "" {
		return
	}
	digits = (digits + "000000000")[:9]
	f.r.nsec, _ = strconv.Atoi(digits)
	f.r.has |= hasNsec
}

func (f *free) zone(name string) {
	if name != "" {
		f.r.offset, f.r.hasOffset = zoneOffset(name)
	}
}
