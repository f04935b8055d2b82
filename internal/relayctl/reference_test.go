package relayctl

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/relay"
)

// TestReferencePages fails when docs/reference says something else than the
// declarations; `make docs` writes it anew. It also describes every plugin.
func TestReferencePages(t *testing.T) {
	o := relay.Options{Table: relay.Plugins(), Log: slog.New(slog.DiscardHandler), Metrics: metrics.New()}
	for name, want := range Reference(o.Table, relay.DescribeEnv(o)) {
		got, err := os.ReadFile(filepath.Join("../../docs/reference", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/reference/%s is stale: run make docs", name)
		}
	}
}
