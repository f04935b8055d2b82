package tlsconf

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// A client whose connections stay open warns as time goes by.
func TestClientFilesWarnOfEnds(t *testing.T) {
	dir := testSet(t)
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		f := &ClientFiles{Cert: join(dir, "client.crt"), Key: join(dir, "client.key"), Log: slog.New(j)}
		certPEM, err := os.ReadFile(f.Cert)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pki.ParseCertificates(certPEM)
		if err != nil {
			t.Fatal(err)
		}
		end := all[0].NotAfter
		time.Sleep(time.Until(end.Add(-40 * 24 * time.Hour))) // the clock of the bubble begins in 2000
		if err := f.Open(); err != nil {
			t.Fatal(err)
		}
		for range 41 {
			f.Look()
			f.Look()
			time.Sleep(24 * time.Hour)
		}
		f.Look()
		want := []string{"certificate ends in 30.0 days", "certificate ends in 7.0 days", "certificate ends in 1.0 days", "certificate ended"}
		lines := j.all()
		if len(lines) != len(want) {
			t.Fatalf("said %q", lines)
		}
		for i, w := range want {
			if !strings.HasPrefix(lines[i], "WARN "+w) {
				t.Errorf("got %s, want %s", lines[i], w)
			}
		}
		(*ClientFiles)(nil).Look()
	})
}
