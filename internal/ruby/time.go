package ruby

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Time is a point in time, with the zone that it is shown in. utc and localtime
// change it in place, as in Ruby.
type Time struct {
	t     time.Time
	sub   *big.Rat // what lies below a nanosecond, nil for nothing
	fixed bool     // an offset was given, not a zone
}

func (m *Env) newTime(t time.Time) *Time {
	m.charge(64)
	return &Time{t: t}
}

func (t *Time) isUTC() bool { return t.t.Location() == time.UTC }

// String is Time#to_s: 2020-09-13 12:26:40 UTC or +0900.
func (t *Time) String() string {
	if t.isUTC() {
		return yearText(t.t.Year()) + t.t.Format("-01-02 15:04:05 UTC")
	}
	return yearText(t.t.Year()) + t.t.Format("-01-02 15:04:05 ") + t.offset("")
}

func yearText(y int) string {
	if y < 0 {
		return fmt.Sprintf("-%04d", -y)
	}
	return fmt.Sprintf("%04d", y)
}

// offset is +0900, or +09:00 with ":" between.
func (t *Time) offset(colon string) string {
	_, off := t.t.Zone()
	sign := "+"
	if off < 0 {
		sign, off = "-", -off
	}
	return fmt.Sprintf("%s%02d%s%02d", sign, off/3600, colon, off/60%60)
}

// inspect shows the fraction too.
func (t *Time) inspect() string {
	s := t.String()
	if sec := offsetOf(t.t) % 60; sec != 0 {
		s += fmt.Sprintf("%02d", max(sec, -sec))
	}
	i := strings.LastIndexByte(s, ' ')
	frac := ""
	switch {
	case t.sub != nil:
		r := new(big.Rat).Add(big.NewRat(int64(t.t.Nanosecond()), 1e9), new(big.Rat).Mul(t.sub, big.NewRat(1, 1e9)))
		return s[:i] + " " + r.Num().String() + "/" + r.Denom().String() + s[i:]
	case t.t.Nanosecond() != 0:
		frac = strings.TrimRight(fmt.Sprintf(".%09d", t.t.Nanosecond()), "0")
	}
	return s[:i] + frac + s[i:]
}

func (t *Time) keyText() string {
	text := strconv.FormatInt(t.t.Unix(), 10) + "." + strconv.Itoa(t.t.Nanosecond())
	if t.sub != nil {
		text += "+" + t.sub.String()
	}
	return text
}

func (t *Time) cmp(o *Time) int {
	if n := t.t.Compare(o.t); n != 0 || t.sub == nil && o.sub == nil {
		return n
	}
	return ratOr0(t.sub).Cmp(ratOr0(o.sub))
}

func ratOr0(r *big.Rat) *big.Rat {
	if r == nil {
		return new(big.Rat)
	}
	return r
}

// rat is the time as exact seconds since 1970.
func (t *Time) rat() *big.Rat {
	n := new(big.Int).Mul(big.NewInt(t.t.Unix()), big.NewInt(1e9))
	r := new(big.Rat).SetInt(n.Add(n, big.NewInt(int64(t.t.Nanosecond()))))
	if t.sub != nil {
		r.Add(r, t.sub)
	}
	return r.Mul(r, big.NewRat(1, 1e9))
}

// float is to_f.
func (t *Time) float() float64 {
	if t.sub == nil && nearby(t.t) {
		return nanosFloat(t.t.Unix(), int64(t.t.Nanosecond()))
	}
	return secondsFloat(t.rat())
}

// nearby tells times whose nanoseconds since 1970 fit 63 bits, and so do the
// differences of two.
func nearby(t time.Time) bool { return absInt(t.Unix()) < 4e9 }

// nanosFloat is seconds and nanoseconds as a float, as secondsFloat reckons it.
func nanosFloat(sec, ns int64) float64 {
	if ns == 0 {
		return float64(sec)
	}
	return float64(sec*1e9+ns) / 1e9
}

// secondsFloat is exact seconds as a float, by way of nanoseconds as Ruby does it.
func secondsFloat(r *big.Rat) float64 {
	nanos := new(big.Rat).Mul(r, big.NewRat(1e9, 1))
	if r.IsInt() || !nanos.IsInt() {
		return divFloat(r.Num(), r.Denom())
	}
	f, _ := new(big.Float).SetInt(nanos.Num()).Float64()
	return f / 1e9
}

// maxSeconds bounds times to years that Go's clock can show.
const maxSeconds = 1 << 38

// timeOf is the time that many seconds after 1970, in a zone.
func (m *Env) timeOf(seconds *big.Rat, loc *time.Location) *Time {
	if f, _ := seconds.Float64(); math.Abs(f) > maxSeconds {
		m.unsupported("a time that far away", "")
	}
	nanos := new(big.Rat).Mul(seconds, big.NewRat(1e9, 1))
	whole, rest := floorDiv(nanos.Num(), nanos.Denom())
	sec, ns := floorDiv(whole, big.NewInt(1e9))
	t := m.newTime(time.Unix(sec.Int64(), ns.Int64()).In(loc))
	if rest.Sign() != 0 {
		t.sub = new(big.Rat).SetFrac(rest, nanos.Denom())
	}
	return t
}

// seconds is a number as exact seconds.
func (m *Env) seconds(v Value) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case *big.Int:
		return new(big.Rat).SetInt(v)
	case float64:
		r := new(big.Rat)
		if r.SetFloat64(v) == nil {
			m.raise("FloatDomainError", "%s", formatFloat(v))
		}
		return r
	}
	m.raise("TypeError", "can't convert %s into an exact number", className(v))
	return nil
}

// timeMethods are the plain ones of Time.
func timeMethods() table {
	return table{
		"+":           {timePlus, 1, 1, false},
		"-":           {timeMinus, 1, 1, false},
		"to_i":        {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Time).t.Unix() }, 0, 0, false},
		"tv_sec":      {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Time).t.Unix() }, 0, 0, false},
		"to_f":        {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self.(*Time).float() }, 0, 0, false},
		"to_r":        {refused("Time#to_r", "use to_f, or to_i and nsec"), 0, 0, false},
		"to_s":        {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.ascii(self.(*Time).String()) }, 0, 0, false},
		"inspect":     {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.ascii(self.(*Time).inspect()) }, 0, 0, false},
		"strftime":    {timeStrftime, 1, 1, false},
		"iso8601":     {timeISO8601, 0, 1, false},
		"xmlschema":   {timeISO8601, 0, 1, false},
		"rfc2822":     {timeRFC2822, 0, 0, false},
		"rfc822":      {timeRFC2822, 0, 0, false},
		"httpdate":    {timeHTTPDate, 0, 0, false},
		"ctime":       {timeCtime, 0, 0, false},
		"asctime":     {timeCtime, 0, 0, false},
		"to_a":        {timeToA, 0, 0, false},
		"to_time":     {func(_ *Env, self Value, _ []Value, _ *Proc) Value { return self }, 0, 0, false},
		"to_date":     {timeToDate, 0, 0, false},
		"to_datetime": {timeToDateTime, 0, 0, false},
		"round":       {timeRound, 0, 1, false},
		"floor":       {timeFloor, 0, 1, false},
		"ceil":        {timeCeil, 0, 1, false},
		"eql?":        {func(m *Env, self Value, a []Value, _ *Proc) Value { return m.eq(self, a[0]) }, 1, 1, false},
	}
}

func timePlus(m *Env, self Value, a []Value, _ *Proc) Value {
	t := self.(*Time)
	if _, ok := a[0].(*Time); ok {
		m.raise("TypeError", "time + time?")
	}
	if n, ok := a[0].(int64); ok {
		return m.shiftedInt(t, n)
	}
	return m.shifted(t, m.seconds(a[0]))
}

// shiftedInt is shifted for whole seconds.
func (m *Env) shiftedInt(t *Time, by int64) *Time {
	if absInt(by) > maxSeconds || absInt(t.t.Unix()+by) > maxSeconds {
		m.unsupported("a time that far away", "")
	}
	out := m.newTime(time.Unix(t.t.Unix()+by, int64(t.t.Nanosecond())).In(t.t.Location()))
	out.sub, out.fixed = t.sub, t.fixed
	return out
}

func (m *Env) shifted(t *Time, by *big.Rat) *Time {
	out := m.timeOf(new(big.Rat).Add(t.rat(), by), t.t.Location())
	out.fixed = t.fixed
	return out
}

func timeMinus(m *Env, self Value, a []Value, _ *Proc) Value {
	t := self.(*Time)
	if n, ok := a[0].(int64); ok && n != math.MinInt64 {
		return m.shiftedInt(t, -n)
	}
	if o, ok := a[0].(*Time); ok {
		if t.sub == nil && o.sub == nil && nearby(t.t) && nearby(o.t) {
			d := t.t.Sub(o.t)
			return nanosFloat(int64(d/time.Second), int64(d%time.Second))
		}
		return secondsFloat(new(big.Rat).Sub(t.rat(), o.rat()))
	}
	return m.shifted(t, new(big.Rat).Neg(m.seconds(a[0])))
}

func timeStrftime(m *Env, self Value, a []Value, _ *Proc) Value {
	s := m.text(a[0])
	return m.strEnc(m.strftime(self.(*Time), s.s), s.enc)
}

func timeISO8601(m *Env, self Value, a []Value, _ *Proc) Value {
	t := self.(*Time)
	text := yearText(t.t.Year()) + t.t.Format("-01-02T15:04:05")
	if len(a) > 0 {
		text += m.fraction(t, m.int(m.send(a[0], "to_i")))
	}
	if t.isUTC() {
		return m.str(text + "Z")
	}
	return m.str(text + t.offset(":"))
}

// fraction is the digits behind the point, cut.
func (m *Env) fraction(t *Time, digits int) string {
	if digits <= 0 {
		return ""
	}
	m.room(1, digits)
	text := fmt.Sprintf("%09d", t.t.Nanosecond())
	if digits <= 9 {
		return "." + text[:digits]
	}
	if t.sub == nil {
		return "." + text + strings.Repeat("0", digits-9)
	}
	if digits > 1000 {
		m.unsupported("so many digits of a time", "")
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits-9)), nil)
	n := new(big.Int).Mul(t.sub.Num(), scale)
	n.Quo(n, t.sub.Denom())
	rest := n.String()
	return "." + text + strings.Repeat("0", digits-9-len(rest)) + rest
}

func timeRFC2822(m *Env, self Value, _ []Value, _ *Proc) Value {
	t := self.(*Time)
	if t.isUTC() {
		return m.ascii(t.t.Format("Mon, 02 Jan 2006 15:04:05 -0000"))
	}
	return m.ascii(t.t.Format("Mon, 02 Jan 2006 15:04:05 ") + t.offset(""))
}

func timeHTTPDate(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.ascii(self.(*Time).t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
}

func timeCtime(m *Env, self Value, _ []Value, _ *Proc) Value {
	return m.ascii(self.(*Time).t.Format("Mon Jan _2 15:04:05 2006"))
}

func timeToA(m *Env, self Value, _ []Value, _ *Proc) Value {
	t := self.(*Time).t
	return m.list(int64(t.Second()), int64(t.Minute()), int64(t.Hour()), int64(t.Day()), int64(t.Month()), int64(t.Year()),
		int64(t.Weekday()), int64(t.YearDay()), t.IsDST(), timeZone(m, self, nil, nil))
}

func (m *Env) roundTime(self Value, a []Value, mode roundMode) Value {
	t := self.(*Time)
	if len(a) > 0 && a[0] == nil {
		a = nil
	}
	digits := m.digitsArg(a)
	if digits < 0 {
		m.raise("ArgumentError", "negative ndigits given")
	}
	if digits > 100 {
		return self
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	r := new(big.Rat).Mul(t.rat(), scale)
	q, rest := floorDiv(r.Num(), r.Denom())
	half := new(big.Int).Lsh(rest, 1).Cmp(r.Denom())
	if mode == up && rest.Sign() > 0 || mode == halfUp && half >= 0 {
		q.Add(q, big.NewInt(1))
	}
	out := m.timeOf(new(big.Rat).Quo(new(big.Rat).SetInt(q), scale), t.t.Location())
	out.fixed = t.fixed
	return out
}

func timeRound(m *Env, self Value, a []Value, _ *Proc) Value { return m.roundTime(self, a, halfUp) }

func timeFloor(m *Env, self Value, a []Value, _ *Proc) Value { return m.roundTime(self, a, down) }

func timeCeil(m *Env, self Value, a []Value, _ *Proc) Value { return m.roundTime(self, a, up) }
