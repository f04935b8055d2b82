package strftime

import (
	"regexp"
	"strconv"
	"strings"
)

// dateForms are tried one after another, in Ruby's order.
var dateForms = []func(*free) bool{
	(*free).european, (*free).american, (*free).isoDate, (*free).vmsDate, (*free).slashes, (*free).dots,
	(*free).ordinalDate, (*free).yearOnly, (*free).monthOnly, (*free).dayOnly, (*free).digits,
}

var (
	europeanRE  = regexp.MustCompile(`(?i)('?\d+)[^-\d\s]*\s*` + monthRE + `[^-\d\s']*(?:\s*('?-?\d+(?:(?:st|nd|rd|th)\b)?))?`)
	americanRE  = regexp.MustCompile(`(?i)\b` + monthRE + `[^-\d\s']*\s*('?\d+)[^-\d\s']*(?:\s*,?\s*('?-?\d+))?`)
	isoDateRE   = regexp.MustCompile(`('?[-+]?\d+)-(\d+)-('?-?\d+)`)
	vmsRE       = regexp.MustCompile(`(?i)('?-?\d+)-` + monthRE + `[^-/.]*-('?-?\d+)`)
	vmsMonthRE  = regexp.MustCompile(`(?i)\b` + monthRE + `[^-/.]*-('?-?\d+)(?:-('?-?\d+))?`)
	slashRE     = regexp.MustCompile(`('?-?\d+)/\s*('?\d+)(?:\D\s*('?-?\d+))?`)
	dotRE       = regexp.MustCompile(`('?-?\d+)\.\s*('?\d+)\.\s*('?-?\d+)`)
	ordinalRE   = regexp.MustCompile(`\b(\d{2}|\d{4})-(\d{3})\b`)
	yearRE      = regexp.MustCompile(`'(\d+)\b`)
	monthOnlyRE = regexp.MustCompile(`(?i)\b` + monthRE + `\S*`)
	dayRE       = regexp.MustCompile(`(?i)(\d+)(?:st|nd|rd|th)\b`)
	digitsRE    = regexp.MustCompile(`(?i)([-+]?)(\d{2,14})(?:\s*t?\s*(\d{2,6})?(?:[,.](\d*))?)?(z\b|[-+]\d{1,4}\b)?`)
)

func (f *free) european() bool {
	g := f.take(europeanRE)
	return g != nil && f.date(g[3], g[2], g[1])
}

func (f *free) american() bool {
	g := f.take(americanRE)
	return g != nil && f.date(g[3], g[1], g[2])
}

func (f *free) isoDate() bool {
	g := f.take(isoDateRE)
	return g != nil && f.date(g[1], g[2], g[3])
}

func (f *free) vmsDate() bool {
	if g := f.take(vmsRE); g != nil {
		return f.date(g[3], g[2], g[1])
	}
	g := f.take(vmsMonthRE)
	return g != nil && f.date(g[3], g[1], g[2])
}

func (f *free) slashes() bool {
	g := f.take(slashRE)
	return g != nil && f.date(g[1], g[2], g[3])
}

func (f *free) dots() bool {
	g := f.take(dotRE)
	return g != nil && f.date(g[1], g[2], g[3])
}

func (f *free) ordinalDate() bool {
	g := f.take(ordinalRE)
	if g == nil {
		return false
	}
	f.year(g[1])
	f.number(hasYday, &f.r.yday, g[2])
	return true
}

func (f *free) yearOnly() bool {
	g := f.take(yearRE)
	return g != nil && f.year(g[1])
}

func (f *free) monthOnly() bool {
	g := f.take(monthOnlyRE)
	return g != nil && f.month(g[1])
}

func (f *free) dayOnly() bool {
	g := f.take(dayRE)
	if g != nil {
		f.number(hasDay, &f.r.day, g[1])
	}
	return g != nil
}

func (f *free) year(text string) bool {
	digits := strings.TrimPrefix(text, "'")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > maxYear || n < -maxYear {
		return false
	}
	f.r.year, f.r.has = n, f.r.has|hasYear
	// Two digits without a sign are of this century or the last.
	f.short = len(digits) <= 2 && isDigit(digits[0])
	return true
}

func (f *free) month(text string) bool {
	for i, name := range months {
		if strings.EqualFold(name[:3], text) {
			f.r.month, f.r.has = i+1, f.r.has|hasMonth
			return true
		}
	}
	f.number(hasMonth, &f.r.month, strings.TrimPrefix(text, "'"))
	return true
}

// date puts year, month and day into their order: what has an apostrophe or more
// than two digits is the year, wherever it stands.
func (f *free) date(y, m, d string) bool {
	isYear := func(s string) bool { return strings.HasPrefix(s, "'") || len(s) > 2 && isNumber(s) }
	if y != "" && m != "" && d == "" {
		y, m, d = "", y, m
	}
	if y == "" && d != "" && isYear(d) {
		y, d = d, ""
	}
	if y != "" && !isNumber(y) { // 3rd
		y, d = d, leadingNumber(y)
	}
	if m != "" && isYear(m) {
		y, m, d = m, d, y
	}
	if d != "" && isYear(d) {
		y, d = d, y
	}
	if y != "" {
		f.year(y)
	}
	if m != "" {
		f.month(m)
	}
	if d != "" {
		f.number(hasDay, &f.r.day, strings.TrimLeft(leadingNumber(d), "-+'"))
	}
	return true
}

func isNumber(s string) bool { return s != "" && leadingNumber(s) == s }

// leadingNumber is the number at the start, with apostrophe and sign.
func leadingNumber(s string) string {
	i := 0
	for i < len(s) && (isDigit(s[i]) || strings.IndexByte("'-+", s[i]) >= 0) {
		i++
	}
	return s[:i]
}

var loneRE = regexp.MustCompile(`^\s*(\d{1,2})\s*$`)

// loneNumber takes a number that is all that is left for the day, or for the hour.
func (f *free) loneNumber() {
	m := loneRE.FindStringSubmatch(f.text)
	if m == nil {
		return
	}
	n, _ := strconv.Atoi(m[1])
	switch has := f.r.has & (hasHour | hasDay); {
	case has == hasHour && n >= 1 && n <= 31:
		f.number(hasDay, &f.r.day, m[1])
	case has == hasDay && n <= 24:
		f.number(hasHour, &f.r.hour, m[1])
	}
}

// digits reads a run of digits by its length: 20200102, 20200102T030405Z.
func (f *free) digits() bool {
	g := f.take(digitsRE)
	if g == nil {
		return false
	}
	run, clock, fraction := g[2], g[3], g[4]
	take := func(n int) string {
		part := run[:min(n, len(run))]
		run = run[len(part):]
		return part
	}
	switch n := len(run); n {
	case 2:
		f.number(hasDay, &f.r.day, take(2))
	case 3:
		f.number(hasYday, &f.r.yday, take(3))
	case 4:
		f.number(hasMonth, &f.r.month, take(2))
		f.number(hasDay, &f.r.day, take(2))
	case 5, 7:
		f.year(g[1] + take(n-3))
		f.number(hasYday, &f.r.yday, take(3))
	case 6, 8, 10, 12, 14:
		f.year(g[1] + take(2+2*min(n/8, 1)))
		f.number(hasMonth, &f.r.month, take(2))
		f.number(hasDay, &f.r.day, take(2))
		f.number(hasHour, &f.r.hour, take(2))
		f.number(hasMinute, &f.r.minute, take(2))
		f.number(hasSecond, &f.r.second, take(2))
	}
	if run = clock; run != "" {
		f.number(hasHour, &f.r.hour, take(2))
		f.number(hasMinute, &f.r.minute, take(2))
		f.number(hasSecond, &f.r.second, take(2))
	}
	f.fraction(fraction)
	f.zone(g[5])
	return true
}
