package ruby

import (
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/strftime"
)

// timeClassMethods are Time.now and its like.
func timeClassMethods() table {
	utc := func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.civil(a, time.UTC) }
	local := func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.civil(a, m.loc()) }
	return table{
		"now":       {timeNow, 0, 0, true},
		"at":        {timeAt, 1, 3, true},
		"new":       {timeNew, 0, 7, true},
		"utc":       {utc, 1, 10, false},
		"gm":        {utc, 1, 10, false},
		"local":     {local, 1, 10, false},
		"mktime":    {local, 1, 10, false},
		"parse":     {timeParse, 1, 2, false},
		"iso8601":   {timeParseISO, 1, 1, false},
		"xmlschema": {timeParseISO, 1, 1, false},
		"strptime":  {timeStrptime, 2, 3, false},
		"rfc2822":   {timeParseRFC, 1, 1, false},
		"httpdate":  {timeParseHTTP, 1, 1, false},
	}
}

// inZone takes the keyword in: off.
func (m *Env) inZone(args []Value) (rest []Value, loc *time.Location, fixed bool) {
	rest, kw := m.keywords(args, "in")
	if v, ok := kw.keyword("in"); ok && v != nil {
		return rest, m.zone(v), true
	}
	return rest, m.loc(), false
}

func timeNow(m *Env, _ Value, a []Value, _ *Proc) Value {
	_, loc, fixed := m.inZone(a)
	t := m.newTime(m.now().Round(0).In(loc))
	t.fixed = fixed
	return t
}

func timeAt(m *Env, _ Value, a []Value, _ *Proc) Value {
	rest, loc, fixed := m.inZone(a)
	var t *Time
	switch v := rest[0].(type) {
	case *Time:
		c := *v
		t = &c
		if fixed {
			t.t = t.t.In(loc)
		}
		fixed = fixed || v.fixed
	case eventTime:
		t = m.newTime(time.Unix(v.Sec, int64(v.Nsec)).In(loc))
	case int64:
		if absInt(v) > maxSeconds || v == math.MinInt64 {
			m.unsupported("a time that far away", "")
		}
		t = m.newTime(time.Unix(v, 0).In(loc))
	default:
		t = m.timeOf(m.seconds(v), loc)
	}
	if len(rest) > 1 {
		unit := "microsecond"
		if len(rest) > 2 {
			unit = m.name(rest[2])
		}
		scale, ok := map[string]int64{"microsecond": 1e6, "usec": 1e6, "millisecond": 1e3, "nanosecond": 1e9, "nsec": 1e9}[unit]
		if !ok {
			m.raise("ArgumentError", "unexpected unit: %s", unit)
		}
		t = m.shifted(t, new(big.Rat).Mul(m.seconds(rest[1]), big.NewRat(1, scale)))
	}
	t.fixed = fixed
	return t
}

func timeNew(m *Env, self Value, a []Value, _ *Proc) Value {
	rest, loc, fixed := m.inZone(a)
	if len(rest) == 0 {
		return timeNow(m, self, a, nil)
	}
	if len(rest) == 7 && rest[6] != nil {
		loc, fixed = m.zone(rest[6]), true
	}
	if len(rest) == 1 {
		if _, ok := rest[0].(*Str); ok && len(rest[0].(*Str).s) > 4 {
			m.unsupported("Time.new of a text", "use Time.parse")
		}
	}
	t := m.civil(rest[:min(len(rest), 6)], loc)
	t.fixed = fixed
	return t
}

var months = map[string]int{"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}

// civil is the time of a year, month, day, hour, minute and second.
func (m *Env) civil(a []Value, loc *time.Location) *Time {
	if len(a) > 7 {
		m.unsupported("Time.local with ten arguments", "")
	}
	n := [5]int{0, 1, 1, 0, 0}
	for i := range n {
		if v := arg(a, i); v != nil {
			n[i] = m.timePart(v, i == 1)
		}
	}
	sec := new(big.Rat)
	if v := arg(a, 5); v != nil {
		if s, ok := v.(*Str); ok {
			v = m.parseInteger(s, 10)
		}
		sec = m.seconds(v)
	}
	if v := arg(a, 6); v != nil {
		sec = new(big.Rat).Add(sec, new(big.Rat).Mul(m.seconds(v), big.NewRat(1, 1e6)))
	}
	return m.dateTime(n[0], n[1], n[2], n[3], n[4], sec, loc)
}

func (m *Env) timePart(v Value, month bool) int {
	s, ok := v.(*Str)
	if !ok {
		return m.int(v)
	}
	if n, ok := months[strings.ToLower(s.s)]; ok && month {
		return n
	}
	return m.int(m.parseInteger(s, 10))
}

// dateTime makes a time of checked parts; 31 February is a day in March.
func (m *Env) dateTime(year, mon, day, hour, minute int, sec *big.Rat, loc *time.Location) *Time {
	whole, rest := floorDiv(sec.Num(), sec.Denom())
	switch {
	case mon < 1 || mon > 12:
		if mon >= 0 {
			m.raise("ArgumentError", "mon out of range")
		}
		m.raise("ArgumentError", "argument out of range")
	case day < 1 || day > 31, hour < 0 || hour > 24, minute < 0 || minute > 59, sec.Sign() < 0, whole.Cmp(big.NewInt(60)) > 0,
		hour == 24 && (minute > 0 || sec.Sign() > 0):
		m.raise("ArgumentError", "argument out of range")
	case year > 9999*10 || year < -9999*10:
		m.unsupported("a year that far away", "")
	}
	t := m.newTime(time.Date(year, time.Month(mon), day, hour, minute, int(whole.Int64()), 0, loc))
	if rest.Sign() == 0 {
		return t
	}
	return m.shifted(t, new(big.Rat).SetFrac(rest, sec.Denom()))
}

func timeStrptime(m *Env, _ Value, a []Value, _ *Proc) Value {
	s, layout := m.text(a[0]), m.text(a[1])
	if len(a) > 2 {
		m.unsupported("Time.strptime with a present time", "")
	}
	l, err := strftime.Compile(layout.s)
	if err != nil {
		m.unsupported("this format of Time.strptime", "")
	}
	t, hasZone, _, err := l.ParseRuby(s.s, m.loc())
	if err != nil {
		m.raise("ArgumentError", "invalid date or strptime format - `%s' `%s'", s.s, layout.s)
	}
	if !hasZone {
		return m.newTime(t)
	}
	return m.placed(t, zoneWord(s.s))
}

// zoneWord is the zone at the end of a text, "" when there is none to be seen.
func zoneWord(s string) string {
	s = strings.TrimRight(s, rubySpace)
	i := len(s)
	for i > 0 && (isAlnum(s[i-1]) || strings.IndexByte("+-:", s[i-1]) >= 0) {
		i--
	}
	if j := strings.LastIndexAny(s[i:], "+-"); j >= 0 {
		return s[i+j:]
	}
	for i < len(s) && isDigitByte(s[i]) {
		i++
	}
	return s[i:]
}

// utcWords are the zones that make a time UTC; others with offset 0 do not.
var utcWords = map[string]bool{"-00:00": true, "-0000": true, "-00": true, "utc": true, "z": true, "ut": true}

// placed shows a time that was read with a zone as Ruby does: in UTC when it said
// so, else in local time when that has the same offset, else in the offset.
func (m *Env) placed(t time.Time, word string) *Time {
	word = strings.ToLower(word)
	if i := len(word); utcWords[word] || i > 0 && word[i-1] == 'z' && (i == 1 || !isAlnum(word[i-2]) || isDigitByte(word[i-2])) {
		return m.newTime(t.UTC())
	}
	_, off := t.Zone()
	local := t.In(m.loc())
	if _, here := local.Zone(); here == off {
		return m.newTime(local)
	}
	out := m.newTime(t.In(time.FixedZone("", off)))
	out.fixed = true
	return out
}
