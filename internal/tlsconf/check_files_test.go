package tlsconf

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What a check says of the files: as Open what does not fit, and what has ended;
// nothing of files that are elsewhere.
func TestCheckFiles(t *testing.T) {
	t.Parallel()
	const good = "cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/server.key\n"
	for name, c := range map[string]struct {
		lines string
		now   time.Time
		want  string
		ended bool
	}{
		"good":       {good, time.Now(), "", false},
		"ended":      {good, time.Now().AddDate(1000, 0, 0), "server.crt: the certificate has ended at", true},
		"misfit":     {"cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/client.key\n", time.Now(), "private_key_path", false},
		"elsewhere":  {"cert_path {{CERTS}}/server.crt\n private_key_path /elsewhere/server.key\n", time.Now(), "", false},
		"unreadable": {"client_cert_auth true\n ca_path {{CERTS}}/server.key\n " + good, time.Now(), "ca_path", false},
	} {
		s, err := decode(t, "<transport tls>\n "+c.lines+"</transport>")
		if err != nil {
			t.Fatal(err)
		}
		err = s.CheckFiles(c.now)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) || errors.Is(err, ErrEnded) != c.ended {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
