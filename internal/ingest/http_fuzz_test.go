package ingest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// read makes events of a body as a request would.
func read(contentType, query string, body []byte) (*request, error) {
	m := newMemory(1<<22, 0)
	q := &request{body: append([]byte(nil), body...), loan: loan{memory: m}}
	r := &http.Request{Header: http.Header{"Content-Type": {contentType}}, URL: &url.URL{RawQuery: query}}
	q.begin(r, time.Unix(1_600_000_000, 0))
	err := decoder{times: &byType{timeKey: "time"}}.events(r, q)
	return q, err
}

// check holds what is true of every body: each event prints as a JSON object that
// reads back as itself, and whatever went wrong has an answer.
func check(t *testing.T, q *request, err error) {
	t.Helper()
	if err != nil {
		if status, text := statusOf(err); status < 400 || status == 503 && !isMemory(err) || text == "" {
			t.Fatalf("%v is answered %d %q", err, status, text)
		}
		return
	}
	for _, e := range q.events {
		if e.Time.Nsec < 0 || e.Time.Nsec >= 1e9 {
			t.Fatalf("%d nanoseconds", e.Time.Nsec)
		}
		text := e.Record.AppendJSON(nil)
		back, err := event.ParseRecord(text)
		if errors.Is(err, event.ErrTooDeep) {
			continue
		}
		if err != nil {
			t.Fatalf("%q does not read back: %v", text, err)
		}
		if again := back.AppendJSON(nil); string(again) != string(text) {
			t.Fatalf("%q reads back as %q", text, again)
		}
	}
}

func FuzzFormBody(f *testing.F) {
	for _, s := range []string{`json={"a":1}`, "json=%7B%22a%22%3A1%7D&time=5", "ndjson={}%0a{}", "msgpack=%81%a1a%01", "a=b&&=;json", "json=%zz", "time=1e300&json=[]", "json=[{}]&json=5"} {
		f.Add([]byte(s), "time=7&msgpack=%80")
	}
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		q, err := read("application/x-www-form-urlencoded", query, body)
		check(t, q, err)
	})
}

func FuzzMultipartBody(f *testing.F) {
	f.Add("b", []byte("--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"a\":1}\r\n--b--\r\n"))
	f.Add("", []byte("----\r\n\r\n"))
	f.Add("b", []byte("--b\r\nContent-Disposition: form-data; name=\"msgpack\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=81=\r\n--b--"))
	f.Fuzz(func(t *testing.T, boundary string, body []byte) {
		q, err := read("multipart/form-data; boundary="+boundary, "", body)
		check(t, q, err)
	})
}

func FuzzMsgpackBody(f *testing.F) {
	for _, s := range []string{"\x80", "\x81\xa1a\x01\x80", "\x91\x80", "\xdf\xff\xff\xff\xff", "\x81\xa4time\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "\x81\x01\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02", "\xc1", "\x81\xa4time\xcf\xff\xff\xff\xff\xff\xff\xff\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := read("application/msgpack", "", body)
		if err == nil {
			for _, e := range q.events { // what msgpack holds need be no JSON, but must print
				e.Record.AppendJSON(nil)
			}
			return
		}
		check(t, q, err)
	})
}

// FuzzJSONBody holds the fast paths, which leave the text as it is, to the general
// one.
func FuzzJSONBody(f *testing.F) {
	for _, s := range []string{`{}`, `[{},{"a":[1,{"b":null}]}]`, `[{"a":1},2]`, ` [ { "a" : 1e2 } ] `, `[{"time":5},{"time":1.5}]`, `[{"a":1,"a":2}]`, `[{"\u0041":"\ud800"}]`, "[{\"a\":\"\xff\"},{}", `[]`, `[{"a":-0}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := read("application/json", "", body)
		check(t, q, err)
		slow := &request{times: &byType{timeKey: "time"}, now: q.now, loan: loan{memory: newMemory(1<<22, 0)}}
		v, parseErr := event.ParseJSON(body)
		if parseErr == nil {
			parseErr = slow.addValue(v)
		}
		if isMemory(err) {
			return
		}
		if (err == nil) != (parseErr == nil) {
			t.Fatalf("fast: %v, general: %v", err, parseErr)
		}
		if err == nil && printed(q.events) != printed(slow.events) {
			t.Fatalf("fast: %s\ngeneral: %s", printed(q.events), printed(slow.events))
		}
	})
}

func printed(es event.Stream) string {
	var b strings.Builder
	for _, e := range es {
		b.WriteString(stamp(e.Time) + " " + string(e.Record.AppendJSON(nil)) + "\n")
	}
	return b.String()
}

func TestTimeOfQuery(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for text, want := range map[string]string{
		"1600000000":           "1600000000.000000000",
		"1600000000.123456789": "1600000000.123456700",
		"1600000000.5x":        "1600000000.500000000",
		" 12 ":                 "12.000000000",
		"1_000":                "1000.000000000",
		"2020-01-01":           "2020.000000000",
		"0":                    "1700000000.000000000",
		"":                     "1700000000.000000000",
		"x":                    "1700000000.000000000",
		"NaN":                  "1700000000.000000000",
		"1e300":                "1.000000000",
		"1e16":                 "1.000000000",
		"1e400":                "1700000000.000000000",
		"1e15":                 "1000000000000000.000000000",
		"0.00001":              "1.000000000",
		"-1.5":                 "-1.500000000",
		"4294967296":           "4294967296.000000000",
	} {
		if got := timeOfQuery(text, now); stampOf(got) != want {
			t.Errorf("%q: %s, want %s", text, stampOf(got), want)
		}
	}
}

func FuzzQueryTime(f *testing.F) {
	for _, s := range []string{"1600000000.123456789", "1e300", "-1e-300", "1_0", "0x10", ".5", "1.", "+5", "9223372036854775807", "1e308"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := timeOfQuery(text, time.Unix(5, 7))
		if got.Nsec < 0 || got.Nsec >= 1e9 {
			t.Fatalf("%q: %s", text, stampOf(got))
		}
	})
}
