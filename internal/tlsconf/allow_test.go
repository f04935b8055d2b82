package tlsconf

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
)

func TestAllowed(t *testing.T) {
	spiffe, _ := url.Parse("spiffe://example.com/ns/audit/sa/event-handler")
	cert := &x509.Certificate{
		Raw: []byte("the certificate"), Subject: pkix.Name{CommonName: "Client"},
		DNSNames: []string{"Handler.Example.com"}, URIs: []*url.URL{spiffe},
	}
	sum := sha256.Sum256(cert.Raw)
	print := hex.EncodeToString(sum[:])
	var colons []string
	for i := 0; i < len(print); i += 2 {
		colons = append(colons, strings.ToUpper(print[i:i+2]))
	}
	for _, tc := range []struct {
		name  string
		rules ClientCerts
		rule  string
		ok    bool
	}{
		{"no rules", nil, "", true},
		{"cn", ClientCerts{{CN: []string{"Client"}}}, "#1", true},
		{"cn in another case", ClientCerts{{CN: []string{"client"}}}, "", false},
		{"cn is a part", ClientCerts{{CN: []string{"Clien"}}}, "", false},
		{"cn star", ClientCerts{{CN: []string{"Cl*t"}}}, "#1", true},
		{"dot is no wildcard", ClientCerts{{CN: []string{"C.ien*"}}}, "", false},
		{"dns in any case", ClientCerts{{DNS: []string{"handler.example.COM"}}}, "#1", true},
		{"dns star is one part", ClientCerts{{DNS: []string{"*.example.com"}}}, "#1", true},
		{"dns star is not two parts", ClientCerts{{DNS: []string{"*.com"}}}, "", false},
		{"dns two stars", ClientCerts{{DNS: []string{"**.com"}}}, "#1", true},
		{"dns does not look at cn", ClientCerts{{DNS: []string{"Client"}}}, "", false},
		{"uri", ClientCerts{{URI: []string{"spiffe://example.com/ns/*/sa/event-handler"}}}, "#1", true},
		{"uri star is one part", ClientCerts{{URI: []string{"spiffe://example.com/*"}}}, "", false},
		{"uri two stars", ClientCerts{{URI: []string{"spiffe://example.com/**"}}}, "#1", true},
		{"uri of another domain", ClientCerts{{URI: []string{"spiffe://example.org/**"}}}, "", false},
		{"fingerprint", ClientCerts{{Fingerprints: []string{print}}}, "#1", true},
		{"fingerprint as openssl prints it", ClientCerts{{Fingerprints: []string{"sha256 Fingerprint=" + strings.Join(colons, ":")}}}, "#1", true},
		{"one of several values", ClientCerts{{CN: []string{"a", "Client"}}}, "#1", true},
		{"every kind must fit", ClientCerts{{CN: []string{"Client"}, DNS: []string{"other"}}}, "", false},
		{"any rule", ClientCerts{{CN: []string{"x"}}, {Name: "handlers", CN: []string{"Client"}}}, "handlers", true},
		{"none", ClientCerts{{CN: []string{"x"}}, {DNS: []string{"y"}}}, "", false},
	} {
		if rule, ok := tc.rules.Allowed(cert); rule != tc.rule || ok != tc.ok {
			t.Errorf("%s: got %q %v, want %q %v", tc.name, rule, ok, tc.rule, tc.ok)
		}
	}
	if _, ok := (ClientCerts{{CN: []string{"*"}}}).Allowed(&x509.Certificate{}); ok {
		t.Error("a certificate without a name fits a name")
	}
}

func TestClientCertSections(t *testing.T) {
	with := func(rule string) string {
		return strings.Replace(mutual, "<transport tls>", "<transport tls>\n <client_cert>\n"+rule+"\n </client_cert>", 1)
	}
	e := serve(t, with("name ours\n cn clients,client\n dns localhost"))
	conn, err := dial(e.addr, client(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	e = serve(t, with("cn somebody"))
	if _, err := dial(e.addr, client(t, "client")); err == nil {
		t.Error("was let in")
	}
	if line := e.log.wait(t, "accepting"); !strings.Contains(line, "no <client_cert> rule fits") || !strings.Contains(line, "CN=client, DNS localhost") || e.failures("not_allowed") != 1 {
		t.Errorf("got %s", line)
	}
	for rule, say := range map[string]string{"name x": "fits every certificate", "fingerprint abcd": "no SHA-256 fingerprint"} {
		if _, err := decode(t, with(rule)); err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), "fluent.conf:") {
			t.Errorf("%s: got %v", rule, err)
		}
	}
}
