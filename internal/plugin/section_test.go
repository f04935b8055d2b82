package plugin

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// decode reads the lines of a section into what declares it.
func decode(t *testing.T, section, lines string, d param.Declarer) error {
	t.Helper()
	tree, err := conf.Parse("test.conf", []byte("<match **>\n<"+section+">\n"+lines+"\n</"+section+">\n</match>"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var problems conf.Problems
	param.DecodePlugin(tree.Children[0], "match **", &problems, d)
	return problems.Err()
}

// Results are those of Fluentd, in America/New_York.
func TestInject(t *testing.T) {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	old := time.Local
	time.Local = loc
	t.Cleanup(func() { time.Local = old })
	for lines, want := range map[string]string{
		"": `{"a":1,"b":{"c":2}}`,
		"time_key tm\ntag_key tg\nhostname_key hn\nhostname h1\nworker_id_key w": `{"a":1,"b":{"c":2},"hn":"h1","w":0,"tg":"a.b","tm":1600000000.123456}`,
		"tag_key a":                                           `{"a":"a.b","b":{"c":2}}`,
		"time_key tm\ntime_type string":                       `{"a":1,"b":{"c":2},"tm":"2020-09-13T08:26:40-04:00"}`,
		"time_key tm\ntime_type string\nutc true":             `{"a":1,"b":{"c":2},"tm":"2020-09-13T12:26:40Z"}`,
		"time_key tm\ntime_type string\ntime_format %iso8601": `{"a":1,"b":{"c":2},"tm":"%iso8601"}`,
		"time_key tm\ntime_type string\ntime_format %Y-%m-%dT%H:%M:%S.%NZ\nutc true": `{"a":1,"b":{"c":2},"tm":"2020-09-13T12:26:40.123456700Z"}`,
		"time_key tm\ntime_type string\ntimezone +09:00":                             `{"a":1,"b":{"c":2},"tm":"2020-09-13T21:26:40+09:00"}`,
		"time_key tm\ntime_type unixtime":                                            `{"a":1,"b":{"c":2},"tm":1600000000}`,
		"time_key tm\ntime_type unixtime_millis":                                     `{"a":1,"b":{"c":2},"tm":1600000000123}`,
		"time_key tm\ntime_type unixtime_micros":                                     `{"a":1,"b":{"c":2},"tm":1600000000123456}`,
		"time_key tm\ntime_type unixtime_nanos":                                      `{"a":1,"b":{"c":2},"tm":1600000000123456700}`,
	} {
		var i Inject
		if err := decode(t, "inject", lines, &i); err != nil {
			t.Fatal(err)
		}
		const text = `{"a":1,"b":{"c":2}}`
		for _, r := range []*event.Record{event.RawRecord([]byte(text)), event.NewRecord("a", 1, "b", event.NewRecord("c", 2))} {
			e := i.Apply("a.b", event.Event{Time: event.Time{Sec: 1600000000, Nsec: 123456700}, Record: r})
			if got := string(e.Record.AppendJSON(nil)); got != want {
				t.Errorf("%q: %s, want %s", lines, got, want)
			}
			if got := string(r.AppendJSON(nil)); got != text {
				t.Errorf("%q changed the event itself: %s", lines, got)
			}
		}
	}
}

func TestInjectErrors(t *testing.T) {
	for _, lines := range []string{"time_key t\ntime_type string\ntimezone Nowhere/Land", "time_type mixed", "utc true\nlocaltime true"} {
		if err := decode(t, "inject", lines, new(Inject)); err == nil {
			t.Errorf("%q is no error", lines)
		}
	}
}

func TestExtract(t *testing.T) {
	for _, c := range []struct{ lines, record, tag, time, left string }{
		{"", `{"tg":"x","tm":5}`, "", "", `{"tg":"x","tm":5}`},
		{"tag_key tg\ntime_key tm", `{"tg":"x","tm":5.5,"n":1}`, "x", "5.500000000", `{"n":1}`},
		{"tag_key tg\nkeep_tag_key true\ntime_key tm\nkeep_time_key true", `{"tg":7,"tm":"5"}`, "7", "5.000000000", `{"tg":7,"tm":"5"}`},
		{"time_key tm\ntime_type unixtime", `{"tm":5.5}`, "", "5.000000000", `{}`},
		{"time_key tm\ntime_type string\ntime_format %Y-%m-%d %H\ntimezone +09:00", `{"tm":"2020-01-02 09"}`, "", "1577923200.000000000", `{}`},
		{"time_key tm\ntime_type string\ntime_format %Y-%m-%d", `{"tm":"x"}`, "", "error", `{}`},
		{"tag_key tg\ntime_key tm", `{"n":1}`, "", "", `{"n":1}`},
	} {
		var x Extract
		if err := decode(t, "extract", c.lines, &x); err != nil {
			t.Fatal(err)
		}
		r, err := event.ParseRecord([]byte(c.record))
		if err != nil {
			t.Fatal(err)
		}
		tag, _ := x.Tag(r)
		at, ok, err := x.Time(r)
		text := ""
		switch {
		case err != nil:
			text = "error"
		case ok:
			text = fmt.Sprintf("%d.%09d", at.Sec, at.Nsec)
		}
		if left := string(r.AppendJSON(nil)); tag != c.tag || text != c.time || left != c.left {
			t.Errorf("%q on %s: tag %q, time %s, left %s; want %q, %s, %s", c.lines, c.record, tag, text, left, c.tag, c.time, c.left)
		}
	}
}
