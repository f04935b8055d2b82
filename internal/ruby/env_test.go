package ruby

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

func mustEval(t *testing.T, m *Env, src string) Value {
	t.Helper()
	p, err := Parse(src, RecordVars())
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	v, err := p.Eval(m)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return v
}

// Fluentd gives all expressions of a record one Time: utc changes it for all, and
// a ${time} that came before prints in UTC too, as it is turned into text last.
func TestTimeIsShared(t *testing.T) {
	m := testEnv(t)
	early := mustEval(t, m, `time`)
	if got := m.ToS(early); got != "2020-09-13 21:26:40 +0900" {
		t.Errorf("local time is %s", got)
	}
	mustEval(t, m, `time.utc.strftime("%F")`)
	if got := m.ToEvent(early); got != "2020-09-13 12:26:40 UTC" {
		t.Errorf("after time.utc it is %v", got)
	}
	m.Reset("a", event.Time{Sec: 1}, event.NewRecord())
	if got := m.ToS(mustEval(t, m, `time`)); got != "1970-01-01 09:00:01 +0900" {
		t.Errorf("the next record's time is %s", got)
	}
}

// A record that no expression looks at is not even split.
func TestRecordStaysLazy(t *testing.T) {
	raw := []byte(`{"a":{"b":1},"c":2}`)
	r := event.RawRecord(raw)
	m := &Env{}
	m.Reset("t", event.Time{}, r)
	mustEval(t, m, `time.utc.strftime("%Y-%m-%dT%H:%M:%SZ") + tag + tag_parts[0]`)
	if got, ok := r.Raw(); !ok || string(got) != string(raw) {
		t.Error("an expression about time read the record")
	}
	if got := m.ToEvent(mustEval(t, m, `record["c"]`)); got != int64(2) {
		t.Errorf("c is %v", got)
	}
	if _, ok := r.Raw(); !ok {
		t.Error("looking up a number split the record")
	}
}

// What expressions do to the record shows in later ones, never in the record
// itself; only values within it that were changed in place are reported.
func TestChanged(t *testing.T) {
	for _, c := range []struct {
		src  string
		want string
	}{
		{`record["k"] = "x"; record.delete("i"); record["new"] = 1`, ``},
		{`record["nest"]["in"] = 9`, `nest={"in"=>9, "b"=>"c"};k="kv";arr=[1, [2]]`},
		{`record["k"] << "!"`, `k="kv!"`},
		{`record["arr"][1] << 3`, `arr=[1, [2, 3]]`},
		{`record["arr"].map { |x| x }.push(1)`, ``},
		{`record["nest"].merge("z" => 1)`, ``},
		{`record.each { |k, v| v.upcase! if v.is_a?(String) }`, `k="KV"`},
		{`record["nest"]["b"].upcase`, ``},
		{`x = record["nest"].dup; x["q"] = 1`, ``},
		{`record["k"].dup << "x"`, ``},
	} {
		r := event.NewRecord("k", "kv", "i", 7, "nest", event.NewRecord("in", 1, "b", "c"), "arr", []any{int64(1), []any{int64(2)}})
		before := event.Inspect(r)
		m := &Env{}
		m.Reset("t", event.Time{}, r)
		mustEval(t, m, `record["nest"]; record["k"]; record["arr"]`)
		mustEval(t, m, c.src)
		var got []string
		for k, v := range m.Changed {
			got = append(got, k+"="+event.Inspect(v))
		}
		// The others may be reported too, as they were.
		for _, part := range strings.Split(c.want, ";") {
			if part != "" && !slices.Contains(got, part) {
				t.Errorf("%s: changed %v, want %s", c.src, got, part)
			}
		}
		if c.want == "" && len(got) > 0 {
			t.Errorf("%s: changed %v", c.src, got)
		}
		if after := event.Inspect(r); after != before {
			t.Errorf("%s changed the record itself: %s", c.src, after)
		}
		m.Reset("t", event.Time{}, r)
		if got := m.ToS(mustEval(t, m, `record`)); got != before {
			t.Errorf("%s is seen by the next event: %s", c.src, got)
		}
	}
}

func TestConfigVariables(t *testing.T) {
	m := &Env{Hostname: "web1", WorkerID: "0", Getenv: func(n string) (string, bool) { return "v:" + n, n == "X" }}
	for src, want := range map[string]string{
		`hostname`: "web1", `worker_id`: "0", `ENV["X"]`: "v:X", `ENV["Y"]`: "", `ENV.fetch("Y", "d")`: "d", `Socket.gethostname`: "web1",
		`ENV["Y"] || "z"`: "z", `"#{hostname}-#{worker_id}"`: "web1-0", `Time.at(0).utc.year`: "1970", `[1,2,3].map { |x| x * 2 }.join(',')`: "2,4,6",
	} {
		p, err := Parse(src, ConfigVars())
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		v, err := p.Eval(m)
		if got := m.ToS(v); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", src, got, err, want)
		}
	}
	for src, want := range map[string]error{
		`use_nil`: ErrUseNil, `use_default`: ErrUseDefault, `ENV["Y"] || use_default`: ErrUseDefault, `use_nil rescue 1`: ErrUseNil,
		`begin; use_nil; ensure; 1; end`: ErrUseNil,
	} {
		p, err := Parse(src, ConfigVars())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Eval(m); !errors.Is(err, want) {
			t.Errorf("%s: %v", src, err)
		}
	}
	if _, err := Parse(`record["x"]`, ConfigVars()); err == nil {
		t.Error("a configuration has no record")
	}
}

func TestTagParts(t *testing.T) {
	for tag, want := range map[string]string{
		"a.b.c": `[["a", "b", "c"], ["a", "a.b", "a.b.c"], ["a.b.c", "b.c", "c"]]`,
		"solo":  `[["solo"], ["solo"], ["solo"]]`,
		"":      `[[], [], []]`,
		"a..b":  `[["a", "", "b"], ["a", "a.", "a..b"], ["a..b", ".b", "b"]]`,
		"a.b..": `[["a", "b"], ["a", "a.b"], ["a.b", "b"]]`,
		".a":    `[["", "a"], ["", ".a"], [".a", "a"]]`,
		"..":    `[[], [], []]`,
	} {
		m := &Env{}
		m.Reset("other", event.Time{}, event.NewRecord())
		mustEval(t, m, `tag_suffix`)
		m.Reset(tag, event.Time{}, event.NewRecord())
		if got := m.inspect(mustEval(t, m, `[tag_parts, tag_prefix, tag_suffix]`)); got != want {
			t.Errorf("%q: %s, want %s", tag, got, want)
		}
	}
}

// What an expression does to tag_parts is over with the event.
func TestTagPartsAreRenewed(t *testing.T) {
	m := testEnv(t)
	mustEval(t, m, `tag_parts.shift; tag_prefix[0] << "!"; hostname << "?"`)
	m.Reset("a.b.c", event.Time{}, event.NewRecord())
	if got := m.inspect(mustEval(t, m, `[tag_parts, tag_prefix[0], hostname]`)); got != `[["a", "b", "c"], "a", "host"]` {
		t.Errorf("the next event has %s", got)
	}
}

func TestUses(t *testing.T) {
	p, err := Parse(`x = time; [1].map { |t| ENV["A"] + tag }`, RecordVars())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"time": true, "tag": true, "ENV": true, "record": false, "x": false, "Time": false} {
		if p.Uses(name) != want {
			t.Errorf("Uses(%s) is not %v", name, want)
		}
	}
}

// A variable that is given from outside can be assigned to, for this expression
// only.
func TestAssignOutsideVariable(t *testing.T) {
	m := testEnv(t)
	if got := m.ToS(mustEval(t, m, `tag = tag + "!"; [1].map { tag + "?" }.first`)); got != "a.b.c!?" {
		t.Errorf("it is %s", got)
	}
	if got := m.ToS(mustEval(t, m, `tag`)); got != "a.b.c" {
		t.Errorf("afterwards it is %s", got)
	}
}

// One Program runs in many Envs at once.
func TestProgramsAreShared(t *testing.T) {
	p, err := Parse(`record["log"].gsub(/(\d+)/) { "<#{$1}>" }.start_with?(/<1/) && $~[0] + record["arr"].map { |x| x * 2 }.sort_by { -_1 }.join`, RecordVars())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		m := testEnv(t)
		wg.Go(func() {
			for range 200 {
				v, err := p.Eval(m)
				if got := m.ToS(v); err != nil || got != "<1642" {
					t.Errorf("%q, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNow(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 0, 0, 500, time.UTC)
	m := &Env{Now: func() time.Time { return at }, Location: time.UTC}
	m.Reset("t", event.Time{}, event.NewRecord())
	if got := m.ToS(mustEval(t, m, `Time.now.utc.iso8601(9) + Date.today.to_s`)); got != "2026-11-24T08:00:00.000000500Z2026-11-24" {
		t.Errorf("now is %s", got)
	}
}
