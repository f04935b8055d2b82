package ruby

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/strftime"
)

// dateParts is what a text says of a time; -1 where it says nothing.
type dateParts struct {
	year, mon, day    int
	hour, minute, sec int
	frac              *big.Rat
	zone              string
	yday              int
}

const (
	reMonth = `(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?`
	reDay   = `(?:(?:sun|mon|tue|wed|thu|fri|sat)[a-z]*\.?,?\s+)?`
	reTime  = `(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?:\s*([ap])\.?m\.?\b)?`
	reZone  = `(?:\s*(z|utc|gmt|ut|[ecmp][sd]t|[-+]\d{2}(?::?\d{2})?))?`
)

// dateForms are the forms of a date that Time.parse reads here. The names of the
// groups say what they are.
var dateForms = func() []*regexp.Regexp {
	tail := `(?:(?:t|\s+|,\s*)` + reTime + reZone + `)?`
	var list []*regexp.Regexp
	for _, date := range []string{
		`(?P<year>-?\d{4})-(?P<mon>\d{1,2})-(?P<day>\d{1,2})`,
		`(?P<year>\d{4})/(?P<mon>\d{1,2})/(?P<day>\d{1,2})`,
		`(?P<year>\d{4})\.(?P<mon>\d{1,2})\.(?P<day>\d{1,2})`,
		`(?P<day>\d{1,2})[/.](?P<mon>\d{1,2})[/.](?P<year>\d{4})`,
		reDay + `(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s-]+(?P<month>` + reMonth + `),?[\s-]+(?P<year>\d{4})`,
		reDay + `(?P<month>` + reMonth + `)\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})`,
		reDay + `(?P<month>` + reMonth + `)\s+(?P<day>\d{1,2})`,
		`(?P<year>\d{4})-(?P<yday>\d{3})`,
	} {
		list = append(list, regexp.MustCompile(`(?i)^`+date+tail+`$`))
	}
	list = append(list,
		regexp.MustCompile(`(?i)^`+reDay+`(?P<month>`+reMonth+`)\s+(?P<day>\d{1,2})\s+`+reTime+reZone+`\s+(?P<year>\d{4})$`),
		regexp.MustCompile(`(?i)^(?P<year>\d{4})(?P<mon>\d{2})(?P<day>\d{2})(?:t?(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})(?:\.(?P<F>\d+))?`+reZone+`)?$`),
		regexp.MustCompile(`(?i)^`+reTime+reZone+`$`))
	return list
}()

// readDate reads a text by one of the forms.
func readDate(s string) (dateParts, bool) {
	p := dateParts{-1, -1, -1, -1, -1, -1, nil, "", -1}
	for _, re := range dateForms {
		g := re.FindStringSubmatch(s)
		if g == nil {
			continue
		}
		p.fill(re, g)
		return p, true
	}
	return p, false
}

func (p *dateParts) fill(re *regexp.Regexp, g []string) {
	names := re.SubexpNames()
	plain := 0
	isCompact := strings.Contains(re.String(), "?P<H>")
	isMonth := false
	for i := 1; i < len(g); i++ {
		if names[i] == "" && isMonth { // the short month within the month
			isMonth = false
			continue
		}
		isMonth = names[i] == "month"
		if names[i] != "" {
			p.set(names[i], g[i])
			continue
		}
		plain++
		if isCompact {
			p.zone = g[i]
			continue
		}
		p.set([]string{"", "H", "M", "S", "F", "ap", "zone"}[plain], g[i])
	}
}

func (p *dateParts) set(name, text string) {
	if text == "" {
		return
	}
	n, _ := strconv.Atoi(text)
	switch name {
	case "year":
		p.year = n
	case "mon":
		p.mon = n
	case "month":
		p.mon = months[strings.ToLower(text[:3])]
	case "day":
		p.day = n
	case "yday":
		p.yday = n
	case "H":
		p.hour = n
	case "M":
		p.minute = n
	case "S":
		p.sec = n
	case "F":
		num, _ := new(big.Int).SetString(text, 10)
		p.frac = new(big.Rat).SetFrac(num, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(text))), nil))
	case "ap":
		p.hour %= 12
		if text == "p" || text == "P" {
			p.hour += 12
		}
	case "zone":
		p.zone = text
	}
}

var zoneHours = map[string]int{"z": 0, "utc": 0, "ut": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}

// zoneOffset is the offset that a zone in a text means.
func zoneOffset(zone string) int {
	if h, ok := zoneHours[strings.ToLower(zone)]; ok {
		return h * 3600
	}
	digits := strings.ReplaceAll(zone[1:], ":", "")
	if len(digits) == 2 {
		digits += "00"
	}
	n, _ := strconv.Atoi(digits)
	off := n/100*3600 + n%100*60
	if zone[0] == '-' {
		return -off
	}
	return off
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

func timeParse(m *Env, _ Value, a []Value, _ *Proc) Value {
	s := m.text(a[0])
	now := m.now().In(m.loc())
	if len(a) > 1 && a[1] != nil {
		t, ok := a[1].(*Time)
		if !ok {
			m.unsupported("Time.parse with anything but a Time as the present", "")
		}
		now = t.t.In(m.loc())
	}
	p, ok := readDate(strings.TrimSpace(s.s))
	if !ok {
		if !hasDigit(s.s) {
			m.raise("ArgumentError", "no time information in %s", m.inspect(s))
		}
		return m.parseFree(s)
	}
	if p.zone != "" && (p.hour > 23 || p.minute > 59 || p.sec > 59) {
		m.unsupported("Time.parse of an hour, minute or second that is too large, with a zone", "")
	}
	return m.assemble(p, now)
}

// manyDigits are more digits than a date has, such as a year of ten.
var manyDigits = regexp.MustCompile(`\d{9}`)

// parseFree reads any other form. Only the moment is known then, not the zone that
// the text named, so one that named a zone is refused. It shows in the moment
// depending on where we are, or not.
func (m *Env) parseFree(s *Str) Value {
	here, nsec, err := strftime.ParseFree(s.s, m.loc())
	if err != nil && strings.Contains(err.Error(), "no time information") {
		m.raise("ArgumentError", "%s", err)
	}
	utc, _, err1 := strftime.ParseFree(s.s, time.UTC)
	east, _, err2 := strftime.ParseFree(s.s, time.FixedZone("", 3600))
	if err != nil || err1 != nil || err2 != nil || manyDigits.MatchString(s.s) || utc-east != 3600 {
		m.unsupported("Time.parse of a text in this form", "use Time.strptime with the format")
	}
	return m.newTime(time.Unix(here, int64(nsec)).In(m.loc()))
}

// assemble makes a time of what was read; what is missing above comes from the
// present, below it is the least.
func (m *Env) assemble(p dateParts, now time.Time) *Time {
	loc := m.loc()
	if p.zone != "" {
		loc = time.FixedZone("", zoneOffset(p.zone))
		now = now.In(loc)
	}
	if p.year < 0 && p.mon < 0 && p.day < 0 {
		p.mon, p.day = int(now.Month()), now.Day()
	}
	if p.year < 0 {
		p.year = now.Year()
	}
	if p.yday >= 0 {
		if p.sec > 59 {
			m.unsupported("Time.parse of a leap second in a year's day", "")
		}
		if p.yday < 1 || p.yday > 366 {
			m.raise("ArgumentError", "yday %d out of range", p.yday)
		}
		day := time.Date(p.year, 1, p.yday, 0, 0, 0, 0, time.UTC)
		p.mon, p.day = int(day.Month()), day.Day()
	}
	sec := new(big.Rat).SetInt64(int64(max(p.sec, 0)))
	if p.frac != nil {
		sec.Add(sec, p.frac)
	}
	t := m.dateTime(p.year, max(p.mon, 1*boolInt(p.mon < 0)), max(p.day, 1*boolInt(p.day < 0)), max(p.hour, 0), max(p.minute, 0), sec, loc)
	if p.zone == "" {
		return t
	}
	out := m.placed(t.t, p.zone)
	out.sub = t.sub
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

var reXML = regexp.MustCompile(`(?i)^\s*(-?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?\s*$`)

func timeParseISO(m *Env, _ Value, a []Value, _ *Proc) Value {
	s := m.text(a[0])
	g := reXML.FindStringSubmatch(s.s)
	if g == nil {
		if reXMLDate.MatchString(s.s) {
			m.unsupported("Time.iso8601 of a date", "use Time.parse")
		}
		m.raise("ArgumentError", "invalid xmlschema format: %s", m.inspect(s))
	}
	p := dateParts{yday: -1}
	for i, name := range []string{"year", "mon", "day", "H", "M", "S", "F", "zone"} {
		p.set(name, g[i+1])
	}
	return m.assemble(p, m.now())
}

var reXMLDate = regexp.MustCompile(`(?i)^\s*-?\d+-\d\d-\d\d(Z|[+-]\d\d(:?\d\d)?)?\s*$`)

var reRFC = regexp.MustCompile(`(?i)^\s*(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s*,\s*)?(\d{1,2})\s+(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+(\d{4,})\s+(\d{2})\s*:\s*(\d{2})(?:\s*:\s*(\d\d))?\s+([+-]\d{4}|UT|GMT|EST|EDT|CST|CDT|MST|MDT|PST|PDT|Z)`)

func (m *Env) readRFC(s *Str, what string) *Time {
	g := reRFC.FindStringSubmatch(s.s)
	if g == nil {
		if hasDigit(s.s) {
			m.unsupported("a time in this form", "use Time.strptime with the format")
		}
		m.raise("ArgumentError", "not RFC %s compliant date: %s", what, m.inspect(s))
	}
	p := dateParts{yday: -1}
	for i, name := range []string{"day", "month", "year", "H", "M", "S", "zone"} {
		p.set(name, g[i+1])
	}
	return m.assemble(p, m.now())
}

func timeParseRFC(m *Env, _ Value, a []Value, _ *Proc) Value { return m.readRFC(m.text(a[0]), "2822") }

var reHTTP = regexp.MustCompile(`(?i)^\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d GMT\s*$`)

func timeParseHTTP(m *Env, _ Value, a []Value, _ *Proc) Value {
	s := m.text(a[0])
	if !reHTTP.MatchString(s.s) {
		if strings.Count(s.s, ":") == 2 {
			m.unsupported("Time.httpdate of a text in this form", "use Time.strptime with the format")
		}
		m.raise("ArgumentError", "not RFC 2616 compliant date: %s", m.inspect(s))
	}
	t := m.readRFC(s, "2616")
	t.t, t.fixed = t.t.UTC(), false
	return t
}

func eventTimeMethods() table {
	std := func(m *Env, v Value) *Time { return m.newTime(v.(eventTime).Std().In(m.loc())) }
	return table{
		"sec":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(eventTime).Sec }, 0, 0, false},
		"to_i":    {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(eventTime).Sec }, 0, 0, false},
		"to_int":  {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(eventTime).Sec }, 0, 0, false},
		"nsec":    {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return int64(self.(eventTime).Nsec) }, 0, 0, false},
		"to_f":    {func(m *Env, self Value, _ []Value, _ *Proc) Value { return std(m, self).float() }, 0, 0, false},
		"to_time": {func(m *Env, self Value, _ []Value, _ *Proc) Value { return std(m, self) }, 0, 0, false},
	}
}
