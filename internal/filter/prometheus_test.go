package filter

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
)

// scrape is what Prometheus would see of the metrics whose names begin with test.
func scrape(h *harness) string {
	w := httptest.NewRecorder()
	h.env.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "test") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func startPrometheus(t *testing.T, h *harness, conf string) *prometheusFilter {
	t.Helper()
	f := NewPrometheus(h.env).(*prometheusFilter)
	if err := h.build(f, conf); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPrometheusFilter(t *testing.T) {
	h := newHarness()
	f := startPrometheus(t, h, `
		<labels>
			host ${hostname}
			who x
		</labels>
		<metric>
			name test_events_total
			type counter
			desc Events.
			<labels>
				tag ${tag}
				part ${tag_parts[-1]}-${tag_prefix[0]}-${tag_suffix[0]}
				who $.user.name
				event ${event}
				label ${user["name"]}
				unknown ${nope}
			</labels>
		</metric>
		<metric>
			name test_bytes_total
			type counter
			desc Bytes.
			key bytes
		</metric>
		<metric>
			name test_last
			type gauge
			desc Last.
			key $.user.n
		</metric>
		<metric>
			name test_seconds
			type histogram
			desc Seconds.
			key seconds
			buckets 0.5, 1
		</metric>`)
	for _, record := range []string{
		`{"event":"login","user":{"name":"alice","n":3},"bytes":10,"seconds":0.7}`,
		`{"event":"login","user":{"name":"alice","n":-1.5},"bytes":5}`,
	} {
		if got := run(t, f, "a.b.c", record); got != record {
			t.Errorf("passed on %s, want %s", got, record)
		}
	}
	want := `test_bytes_total{host="host1",who="x"} 15
test_events_total{event="login",host="host1",label="alice",part="c-a-c",tag="a.b.c",unknown="${nope}",who="alice"} 2
test_last{host="host1",who="x"} -1.5
test_seconds_bucket{host="host1",who="x",le="0.5"} 0
test_seconds_bucket{host="host1",who="x",le="1"} 1
test_seconds_bucket{host="host1",who="x",le="+Inf"} 1
test_seconds_sum{host="host1",who="x"} 0.7
test_seconds_count{host="host1",who="x"} 1`
	if got := scrape(h); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for record, text := range map[string]string{`{"bytes":"x"}`: "value must be a number", `{"bytes":-1}`: "increment must be a non-negative number"} {
		if got := run(t, f, "t", record); got != record+"\nerror: "+text {
			t.Errorf("%s: %s, want it passed on, and the error %s", record, got, text)
		}
	}
}

func TestPrometheusInitialized(t *testing.T) {
	h := newHarness()
	startPrometheus(t, h, `
		<metric>
			name test_a
			type counter
			desc A.
			initialized true
			<labels>
				host ${hostname}
				event $.event
			</labels>
			<initlabels>
				event login
			</initlabels>
			<initlabels>
				event logout
			</initlabels>
		</metric>`)
	if got, want := scrape(h), "test_a{event=\"login\",host=\"host1\"} 0\ntest_a{event=\"logout\",host=\"host1\"} 0"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPrometheusMaxSeries(t *testing.T) {
	h := newHarness()
	f := startPrometheus(t, h, "max_series_per_metric 2\n<metric>\nname test_a\ntype counter\ndesc A.\n<labels>\nk ${k}\n</labels>\n</metric>")
	for _, record := range []string{`{"k":"a"}`, `{"k":"b"}`, `{"k":"c"}`, `{"k":"d"}`, `{"k":"a"}`} {
		if got := run(t, f, "t", record); got != record {
			t.Errorf("passed on %s, want %s", got, record)
		}
	}
	if got, want := scrape(h), "test_a{k=\"a\"} 2\ntest_a{k=\"b\"} 1"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count(h.log.String(), "dropped a label set"); n != 1 {
		t.Errorf("%d warnings about dropped label sets, want 1", n)
	}
}

func TestPrometheusErrors(t *testing.T) {
	metric := func(lines string) string {
		return "<metric>\nname test_a\ntype counter\ndesc A.\n" + lines + "\n</metric>"
	}
	for conf, want := range map[string]string{
		metric("type gauge"):                                      "gauge metric requires 'key' option",
		metric("name 1a"):                                         `"1a" is no name of a metric`,
		metric("type nope"):                                       "valid options are counter,gauge,histogram,summary",
		metric("type histogram\nkey a\nbuckets 1,1"):              `bucket "1"`,
		metric("<labels>\n__a b\n</labels>"):                      `"__a" is no name of a label`,
		metric("initialized true\n<labels>\na ${tag}\n</labels>"): "label a has not been set in <initlabels>",
	} {
		h := newHarness()
		if err := h.build(NewPrometheus(h.env), conf); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", conf, err, want)
		}
	}
	h := newHarness()
	startPrometheus(t, h, metric(""))
	f := NewPrometheus(h.env).(*prometheusFilter)
	if err := h.build(f, metric("type gauge\nkey a")); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "register metric test_a") {
		t.Errorf("two metrics of one name: %v", err)
	}
}
