package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/sluicelog/sluice/internal/pki"
)

// door is the relay of TestClientCertificates: four sources with the same rules.
type door struct {
	*daemon
	ca                              *pki.CA
	http, forward, tcp, syslog, see string // ports
}

func openDoor(t *testing.T) *door {
	t.Helper()
	dir := t.TempDir()
	d := &door{ca: newAuthority(t, "ca"), http: freePort(t), forward: freePort(t), tcp: freePort(t), syslog: freePort(t), see: freePort(t)}
	writePair(t, dir, issue(t, d.ca, "server", x509.ExtKeyUsageServerAuth))
	writeFile(t, filepath.Join(dir, "ca.crt"), pki.EncodeCertificates(d.ca.Cert))
	tls := strings.ReplaceAll(`
  bind 127.0.0.1
  add_client_cert_subject who
  <transport tls>
    cert_path DIR/tls.crt
    private_key_path DIR/tls.key
    ca_path DIR/ca.crt
    client_cert_auth true
    <client_cert>
      name fleet
      cn agent-*
      tag_prefix fleet, log.mail.info
    </client_cert>
  </transport>`, "DIR", dir)
	d.daemon = startRelay(t, dir, `
<source>
  @type http
  port `+d.http+tls+`
</source>
<source>
  @type forward
  port `+d.forward+tls+`
</source>
<source>
  @type tcp
  tag none
  port `+d.tcp+tls+`
  <parse>
    @type json
  </parse>
  <extract>
    tag_key tag
  </extract>
</source>
<source>
  @type syslog
  tag log
  port `+d.syslog+strings.Replace(tls, "<transport tls>", "<parse>\n @type none\n</parse>\n<transport tls>", 1)+`
</source>
<source>
  @type prometheus
  bind 127.0.0.1
  port `+d.see+`
</source>
<label @FLUENT_LOG>
  <match **>
    @type null
  </match>
</label>
<match **>
  @type stdout
</match>
`)
	return d
}

func (d *door) post(t *testing.T, pair *tls.Certificate, tag, name string) (status int, err error) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: trusting(d.ca, pair)}
	defer tr.CloseIdleConnections()
	got, err := (&http.Client{Transport: tr}).Post("https://127.0.0.1:"+d.http+"/"+tag, "application/json", strings.NewReader(`{"from":"`+name+`"}`))
	if err != nil {
		return 0, err
	}
	defer got.Body.Close()
	return got.StatusCode, nil
}

// send writes text to a source and returns what comes back until n bytes are there
// or the connection ends.
func (d *door) send(t *testing.T, port string, pair *tls.Certificate, text string, n int) (string, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, trusting(d.ca, pair))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	got := make([]byte, n)
	m, err := io.ReadFull(conn, got)
	return string(got[:m]), err
}

// message is ["tag", [[1, {"from": "forward"}]], {"chunk": "c"}].
func message(tag string) string {
	b := msgp.AppendString(msgp.AppendArrayHeader(nil, 3), tag)
	b = msgp.AppendInt(msgp.AppendArrayHeader(msgp.AppendArrayHeader(b, 1), 2), 1)
	b = msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(b, 1), "from"), "forward")
	return string(msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(b, 1), "chunk"), "c"))
}

const ackLength = 7 // {"ack": "c"}

// Who shows a certificate that a rule fits comes in at every source, is named in the
// records and in the metrics, and sends no tags but its own.
func TestClientCertificates(t *testing.T) {
	d := openDoor(t)
	agent := issue(t, d.ca, "agent-7", x509.ExtKeyUsageClientAuth)
	for tag, want := range map[string]int{"fleet.a": 200, "fleet": 200, "fleets": 403} {
		if got, err := d.post(t, agent, tag, "http"); got != want || err != nil {
			t.Errorf("http, tag %s: got %d, %v", tag, got, err)
		}
	}
	if line := d.wait(t, `"from":"http"`); !strings.Contains(line, `"who":"CN=agent-7"`) {
		t.Errorf("got %s", line)
	}
	if got, err := d.send(t, d.forward, agent, message("fleet.b"), ackLength); err != nil {
		t.Errorf("forward: got %q, %v", got, err)
	}
	if line := d.wait(t, `"from":"forward"`); !strings.Contains(line, `fleet.b: {"from":"forward","who":"CN=agent-7"}`) {
		t.Errorf("got %s", line)
	}
	if got, _ := d.send(t, d.forward, agent, message("other"), ackLength); got != "" {
		t.Errorf("forward acknowledges a tag that is not the client's: %q", got)
	}
	d.wait(t, `may not send tag \"other\"`)
	_, _ = d.send(t, d.tcp, agent, "{\"tag\":\"fleet.c\",\"from\":\"tcp\"}\n{\"tag\":\"else\"}\n", 0)
	if line := d.wait(t, `"from":"tcp"`); !strings.Contains(line, `fleet.c: {"from":"tcp","who":"CN=agent-7"}`) {
		t.Errorf("got %s", line)
	}
	d.wait(t, `may not send tag \"else\"`)
	_, _ = d.send(t, d.syslog, agent, "<22>hello\n<14>hallo\n", 0) // mail.info, user.info
	if line := d.wait(t, "log.mail.info"); !strings.Contains(line, `"who":"CN=agent-7"`) {
		t.Errorf("got %s", line)
	}
	d.wait(t, `may not send tag \"log.user.info\"`)
	awaitMetric(t, d.see, `relay_tls_client_connections_total{client="CN=agent-7",rule="fleet"}`, "7")
}

// Nobody else comes in, at any source.
func TestClientsWithoutARule(t *testing.T) {
	d := openDoor(t)
	for name, pair := range map[string]*tls.Certificate{
		"none":         nil,
		"no rule":      issue(t, d.ca, "somebody", x509.ExtKeyUsageClientAuth),
		"no authority": issue(t, newAuthority(t, "other"), "agent-1", x509.ExtKeyUsageClientAuth),
		"a server":     issue(t, d.ca, "agent-1", x509.ExtKeyUsageServerAuth),
	} {
		if got, err := d.post(t, pair, "fleet", "http"); err == nil {
			t.Errorf("%s: http answers %d", name, got)
		}
		for _, port := range []string{d.forward, d.tcp, d.syslog} {
			if got, err := d.send(t, port, pair, message("fleet"), ackLength); err == nil {
				t.Errorf("%s: port %s answers %q", name, port, got)
			}
		}
	}
	for _, reason := range []string{"no_certificate", "not_allowed", "unknown_authority", "wrong_usage"} {
		awaitMetric(t, d.see, `relay_tls_handshake_errors_total{reason="`+reason+`"}`, "4")
	}
}
