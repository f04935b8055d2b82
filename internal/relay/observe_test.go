package relay

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/status"
)

// built loads a configuration that must have no errors.
func built(t *testing.T, text string) *Relay {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fluent.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := Load(Source{Path: path}, Options{Table: Plugins(), Log: slog.New(slog.DiscardHandler), Metrics: metrics.New()})
	if err := l.Problems.Err(); err != nil {
		t.Fatal(err)
	}
	return l.Relay
}

const observed = `
<source>
  @type prometheus_output_monitor
  <labels>
    host ${hostname}-x
  </labels>
</source>
<source>
  @type monitor_agent
  @id mon
</source>
<match a.*>
  @type http
  @id web
  endpoint http://localhost/
  <auth>
    password hush
  </auth>
  <buffer>
    @type memory
  </buffer>
</match>
<match b>
  @type copy
  @id both
  <store>
    @type null
    @id nothing
  </store>
</match>
`

func TestOutputOfATag(t *testing.T) {
	r := built(t, observed)
	for tag, want := range map[string]string{"a.b": "web", "b": "both", "c": "", "a": ""} {
		if id, ok := r.outputOf(tag); id != want || ok != (want != "") {
			t.Errorf("%s: got %q %v, want %q", tag, id, ok, want)
		}
	}
}

func TestBoardShowsParameters(t *testing.T) {
	shown := map[string]map[string]string{}
	for _, p := range built(t, observed).Board.Plugins() {
		shown[p.ID] = p.Config
	}
	if got := shown["web"]["endpoint"]; got != "http://localhost/" {
		t.Errorf("endpoint is %q", got)
	}
	if _, there := shown["nothing"]; !there {
		t.Error("the store of the copy is not on the board")
	}
}

// The labels of a monitor are on the metrics that it stands for, and on no others.
func TestMonitorLabels(t *testing.T) {
	r := built(t, observed)
	m := metrics.New()
	m.Collect(status.NewCollectorFunc(func() *status.Board { return r.Board }))
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	host, _ := os.Hostname()
	for _, want := range []string{
		`fluentd_output_status_buffer_queue_length{host="` + host + `-x",plugin_id="web",type="http"} 0`,
		`fluentd_status_buffer_queue_length{plugin_category="output",plugin_id="web",type="http"} 0`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
}

func TestMonitorRefusesLabels(t *testing.T) {
	for _, name := range []string{"type", "plugin_id", "a-b", "1x"} {
		path := filepath.Join(t.TempDir(), "fluent.conf")
		text := "<source>\n@type prometheus_output_monitor\n<labels>\n" + name + " x\n</labels>\n</source>\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l := Load(Source{Path: path}, Options{Table: Plugins(), Log: slog.New(slog.DiscardHandler), Metrics: metrics.New()})
		if err := l.Problems.Err(); err == nil || !strings.Contains(err.Error(), "can not be a label") {
			t.Errorf("label %s: got %v", name, err)
		}
	}
}
