package strftime

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// oracle is a real Ruby that prints and reads times. One line asks, one answers;
// texts are in hexadecimal.
type oracle struct {
	in  io.WriteCloser
	out *bufio.Scanner
	gem bool // the strptime gem is there
}

const oracleScript = `
$stdout.sync = true
require 'time'
begin
  require 'strptime'
  puts 'gem'
rescue LoadError
  puts 'none'
end
unhex = ->(h) { [h].pack('H*').force_encoding('UTF-8') }
STDIN.each_line do |line|
  op, a, b, c, d = line.chomp.split(/ /, -1)
  begin
    answer = case op
    when 'print'
      t = Time.at(b.to_i, c.to_i, :nsec)
      t = d == 'UTC' ? t.utc : t.getlocal(d.to_i)
      't' + t.strftime(unhex[a]).unpack1('H*')
    when 'ruby', 'gem'
      t = op == 'gem' ? Strptime.new(unhex[a]).exec(unhex[b]) : Time.strptime(unhex[b], unhex[a])
      "#{t.to_i}.#{t.nsec}"
    when 'free', 'iso'
      t = op == 'iso' ? Time.iso8601(unhex[a]) : Time.parse(unhex[a], Time.at(b.to_i).utc)
      "#{t.to_i}.#{t.nsec}"
    when 'knows'
      begin Strptime.new(unhex[a]); 'yes' rescue 'no' end
    end
  rescue ArgumentError, Errno::ERANGE, RangeError => e
    answer = 'e' + e.message.unpack1('H*')
  end
  puts answer
end`

func newOracle(t *testing.T) *oracle {
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("ruby is not installed: nothing to compare with")
	}
	cmd := exec.Command(ruby, "-e", oracleScript)
	cmd.Env = append(cmd.Environ(), "TZ=UTC")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	o := &oracle{in: in, out: bufio.NewScanner(out)}
	o.gem = o.read(t) == "gem"
	return o
}

func (o *oracle) ask(t *testing.T, format string, args ...any) string {
	if _, err := fmt.Fprintf(o.in, format+"\n", args...); err != nil {
		t.Fatal(err)
	}
	return o.read(t)
}

func (o *oracle) read(t *testing.T) string {
	if !o.out.Scan() {
		t.Fatal("ruby has ended: ", o.out.Err())
	}
	return o.out.Text()
}

func toHex(s string) string { return hex.EncodeToString([]byte(s)) }

func fromHex(t *testing.T, s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomLayout strings directives together, most of them sound.
func randomLayout(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(5) {
		b.WriteString(pick(r, "", "-", " ", "T", "x", "é", ":"))
		b.WriteByte('%')
		for range r.IntN(3) {
			b.WriteString(pick(r, "", "-", "_", "0", "^", "#"))
		}
		if r.IntN(4) == 0 {
			fmt.Fprint(&b, r.IntN(14))
		}
		b.WriteString(pick(r, "", "", "", "", ":", "::", ":::", "E", "O"))
		b.WriteByte(pick(r, []byte("AaBbCcDdeFGgHhIjkLlMmNnPpRrSsTtUuVvWwXxYyZz%qJ1")...))
	}
	return b.String()
}

func TestPrintsAsRuby(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 6000 {
		layout := randomLayout(r)
		unix, nsec := r.Int64N(1<<35)-1<<33, r.IntN(1e9)
		if r.IntN(8) == 0 {
			unix *= 50
		}
		zone, loc := "UTC", time.UTC
		if r.IntN(2) == 0 {
			offset := r.IntN(2*86000) - 86000
			zone, loc = fmt.Sprint(offset), time.FixedZone("", offset)
		}
		want := o.ask(t, "print %s %d %d %s", toHex(layout), unix, nsec, zone)
		l, err := Compile(layout)
		if (err != nil) != (want[0] == 'e') {
			t.Errorf("Compile(%q): %v, Ruby says %q", layout, err, want)
		}
		if err != nil || want[0] == 'e' {
			continue
		}
		got := string(l.Append(nil, time.Unix(unix, int64(nsec)).In(loc)))
		if want := fromHex(t, want[1:]); got != want {
			t.Errorf("strftime(%q) of %d.%09d in %s = %q, Ruby says %q", layout, unix, nsec, zone, got, want)
		}
	}
}

// sample prints a time by a layout and then damages the text a little.
func sample(r *rand.Rand, layout string) string {
	t := time.Unix(r.Int64N(1<<32), int64(r.IntN(1e9))).In(pick(r, time.UTC, time.FixedZone("", 3600*9), time.FixedZone("", -12600)))
	s := string(Format(nil, layout, t))
	if r.IntN(2) == 0 {
		s += pick(r, "x", " ", "Z", ".123", "5", "+0900", "tail")
	}
	if r.IntN(3) > 0 || s == "" {
		return s
	}
	b := []byte(s)
	i := r.IntN(len(b))
	switch r.IntN(3) {
	case 0:
		b[i] = pick(r, []byte("0129 :-+zZaP.")...)
	case 1:
		b = append(b[:i], b[i+1:]...)
	default:
		b = b[:i]
	}
	return string(b)
}

func readLayout(r *rand.Rand, verbs string) string {
	var b strings.Builder
	// With a year first the present time does not matter.
	b.WriteString(pick(r, "%Y", "%Y-", "%Y %m/", "%Y%m%d", "%y ", "%Y-%m-%dT"))
	for range r.IntN(6) {
		b.WriteString(pick(r, "", "-", " ", "T", ":", ".", "%%"))
		b.WriteByte('%')
		b.WriteByte(verbs[r.IntN(len(verbs))])
	}
	return b.String()
}

func TestReadsAsRuby(t *testing.T) {
	o := newOracle(t)
	for _, reader := range []struct{ name, verbs string }{
		{"gem", "BbdehHMmNnSYyz"},
		{"ruby", "AaBbCDdeFHhIjkLlMmNnPpRrSsTtXxYyZz%3cv"},
	} {
		t.Run(reader.name, func(t *testing.T) {
			if reader.name == "gem" && !o.gem {
				t.Skip("the strptime gem is not installed: nothing to compare with")
			}
			r := rand.New(rand.NewPCG(3, 4))
			for range 6000 {
				layout := readLayout(r, reader.verbs)
				s := sample(r, layout)
				compareRead(t, o, reader.name, layout, s)
			}
		})
	}
}

func compareRead(t *testing.T, o *oracle, reader, layout, s string) {
	if strings.Contains(layout, "%j") && strings.ContainsAny(layout, "zZ") {
		return // Ruby counts a day wrong when the zone moves a day of the year over a month's end
	}
	l, err := Compile(layout)
	if err != nil {
		return // it can not be printed, which is held to Ruby above
	}
	parse := l.ParseRuby
	if reader == "gem" {
		parse = l.Parse
		if !l.gem {
			return
		}
	}
	want := o.ask(t, "%s %s %s", reader, toHex(layout), toHex(s))
	at, _, _, err := parse(s, time.UTC)
	got := fmt.Sprintf("%d.%d", at.Unix(), at.Nanosecond())
	if err != nil {
		got = "error: " + err.Error()
	}
	if strings.HasPrefix(want, "e") {
		want = "error: " + fromHex(t, want[1:])
	}
	if got != want {
		t.Errorf("%s: %q by %q = %s, Ruby says %s", reader, s, layout, got, want)
	}
}

// A layout goes to the gem exactly when the gem knows all of its directives.
func TestChoosesReaderAsFluentd(t *testing.T) {
	o := newOracle(t)
	if !o.gem {
		t.Skip("the strptime gem is not installed: nothing to compare with")
	}
	for c := byte(' '); c < 0x7f; c++ {
		layout := "%Y-%" + string(c)
		l, err := Compile(layout)
		if err != nil {
			continue
		}
		if want := o.ask(t, "knows %s", toHex(layout)) == "yes"; l.gem != want {
			t.Errorf("the gem knows %q: %v, want %v", layout, l.gem, want)
		}
	}
}

func TestReadsISO8601AsRuby(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 2000 {
		s := pick(r, "2020-01-02T03:04:05", "2021-06-11T12:13:14", "12020-12-31T23:59:60", " 0001-01-31T24:00:00") + pick(r, "", ".1", ".123456789", ".1234567891") + pick(r, "", "Z", "z", "+09:00", "-0030", "+09", " ")
		if i%2 == 0 {
			b := []byte(s)
			b[r.IntN(len(b))] = pick(r, []byte("0129-:.TtZ+ x")...)
			s = string(b)
		}
		if strings.Contains(s, "T24:") && strings.ContainsAny(s[5:], "+") || strings.Contains(s, "-00") {
			continue // Ruby applies the offset before it looks at the hour
		}
		sec, nsec, err := ParseISO8601(s)
		compareTime(t, fmt.Sprintf("ParseISO8601(%q)", s), o.ask(t, "iso %s", toHex(s)), sec, nsec, err)
	}
}

// compareTime takes one refusal of a time out of range for another.
func compareTime(t *testing.T, what, want string, sec int64, nsec int32, err error) {
	got := fmt.Sprintf("%d.%d", sec, nsec)
	if err != nil {
		got = "error: " + err.Error()
	}
	if strings.HasPrefix(want, "e") {
		want = "error: " + fromHex(t, want[1:])
	}
	if got != want && !(strings.Contains(got, "out of range") && strings.Contains(want, "out of range")) {
		t.Errorf("%s = %s, Ruby says %s", what, got, want)
	}
}

// The forms that people write, and the order of day, month and year in each.
func TestReadsFreeFormAsRuby(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(9, 10))
	dates := []string{
		"2020-01-02", "2020-1-2", "20-1-2", "2020/01/02", "01/02/2020", "1/2", "1/2/20", "2020.01.02", "02.01.2020", "20200102", "200102", "2020002", "20002",
		"2 Jan 2020", "2 January 2020", "2nd Jan 2020", "2-Jan-2020", "02/Jan/2020", "Jan 2 2020", "January 2nd, 2020", "Jan 2", "2 Jan", "Jan", "Thu, 02 Jan 2020", "Thursday Jan 2 2020",
		"Thu Jan  2", "2020-002", "'20 Jan 2", "-2020-01-02", "+2020-01-02", "2020-13-02", "2020-01-32", "2020-02-30", "3rd", "15", "0102", "2020", "", "x", "12345678901234", "1577934245",
	}
	times := []string{"", "03:04", "03:04:05", "3:4:5", "03:04:05.5", "03:04:05,123456789012", "3 pm", "3:04 p.m.", "12:04 am", "3h4m5s", "3h", "25:00", "03:61", "24:00:00"}
	zones := []string{"", "Z", " Z", " UTC", "+09:00", " +0900", "-0030", " EST", " PDT", " GMT+3", " JST", " Eastern Standard Time"}
	for _, date := range dates {
		for _, clock := range times {
			for i, zone := range zones {
				if i > 0 && r.IntN(2) == 0 {
					continue // half of them are enough
				}
				if i > 0 && (clock == "" || strings.Contains("25:00 03:61 24:00:00", clock) || strings.Contains("2020-01-32 2020-02-30", date)) {
					continue // Ruby applies an offset before it looks at what is out of range
				}
				for _, between := range []string{" ", "T", ":"} {
					if between == ":" && date != "02/Jan/2020" {
						continue // only web servers write so
					}
					compareFree(t, o, strings.Trim(date+between+clock+zone, " "))
				}
				compareFree(t, o, strings.Trim(clock+zone+" "+date, " "))
			}
		}
	}
}

// absurd are texts of which Ruby makes something that nobody means.
var absurd = regexp.MustCompile(`^25:00 [^2]|24:00:00 20(20)?-?002|^20(20)?002.24:00|-002|^3h (1234|02)|2020:03:04 `)

func compareFree(t *testing.T, o *oracle, s string) {
	if absurd.MatchString(s) {
		return
	}
	now := time.Now().Truncate(time.Second)
	want := o.ask(t, "free %s %d", toHex(s), now.Unix())
	sec, nsec, err := ParseFree(s, time.UTC)
	compareTime(t, fmt.Sprintf("ParseFree(%q)", s), want, sec, nsec, err)
}
