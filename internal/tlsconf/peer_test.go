package tlsconf

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/metrics"
)

func TestMaySend(t *testing.T) {
	s, err := decode(t, `<transport tls>
    client_cert_auth true
    ca_path {{CERTS}}/ca.crt`+plainPair+`
    <client_cert>
      name one
      cn a
      tag_prefix teleport, x.y
    </client_cert>
    <client_cert>
      cn a, b
      tag_prefix z
    </client_cert>
    <client_cert>
      cn free
    </client_cert>
</transport>`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		cn, rule string
		may, not []string
	}{
		{"a", "one", []string{"teleport", "teleport.x", "x.y.z", "z"}, []string{"", "teleportx", "x", "x.yy", "zz", "Teleport"}},
		{"b", "#2", []string{"z", "z.z"}, []string{"teleport"}},
		{"free", "#3", []string{"", "whatever.it.is"}, nil},
		{"stranger", "", nil, []string{"", "z"}},
	} {
		p := s.peerOf(&x509.Certificate{Subject: pkix.Name{CommonName: tc.cn}})
		if p.Rule != tc.rule || p.Subject != "CN="+tc.cn {
			t.Errorf("%s: got %+v", tc.cn, p)
		}
		for _, tag := range tc.may {
			if err := p.MaySend(tag); err != nil {
				t.Error(err)
			}
		}
		for _, tag := range tc.not {
			var refused *TagError
			if err := p.MaySend(tag); !errors.As(err, &refused) || refused.Tag != tag {
				t.Errorf("%s may send %q: %v", tc.cn, tag, err)
			}
		}
	}
	var nobody *Peer
	if err := nobody.MaySend("x"); err != nil {
		t.Error(err)
	}
}

func TestIdentity(t *testing.T) {
	id, _ := url.Parse("spiffe://example.com/ns/a/sa/b")
	for want, cert := range map[string]*x509.Certificate{
		"CN=c,O=o":                       {Subject: pkix.Name{CommonName: "c", Organization: []string{"o"}}, URIs: []*url.URL{id}},
		"spiffe://example.com/ns/a/sa/b": {URIs: []*url.URL{id}, DNSNames: []string{"d"}},
		"d":                              {DNSNames: []string{"d"}},
	} {
		if got := identity(cert); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whoever comes in is counted by name, and a resumed session is one of the same
// client.
func TestClientsAreCounted(t *testing.T) {
	e := serve(t, strings.Replace(mutual, "client_cert_auth true", "client_cert_auth true\n<client_cert>\nname r\ncn client\n</client_cert>", 1))
	for range 2 {
		conn, err := dial(e.addr, client(t, "client"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if got := value(e.metrics, "relay_tls_client_connections_total", "CN=client", "r"); got != 2 {
		t.Errorf("%v connections are counted", got)
	}
	if got := value(e.metrics, "relay_tls_handshakes_total", "full"); got != 2 {
		t.Errorf("%v handshakes are counted", got)
	}
	if got := value(e.metrics, "relay_tls_client_cert_expiry_seconds", "CN=client"); got <= 0 {
		t.Errorf("the client's certificate ends at %v", got)
	}
}

func TestClientNamesAreBounded(t *testing.T) {
	d := newDoorCounts(metrics.New())
	for i := range 2 * maxClientNames {
		d.label(strings.Repeat("x", i+1))
	}
	if got := d.label("x"); got != "x" {
		t.Errorf("a known name is %s", got)
	}
	if got := d.label("late"); got != "other" {
		t.Errorf("got %s", got)
	}
}
