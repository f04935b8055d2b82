package tlsconf

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/metrics"
)

const plainPair = `
    cert_path {{CERTS}}/server.crt
    private_key_path {{CERTS}}/server.key
`

const mutual = `<transport tls>
    client_cert_auth true
    ca_path {{CERTS}}/ca.crt` + plainPair + `</transport>`

// What Fluentd answers to each client, recorded from it; TLS 1.3 by default is ours.
func TestHandshakes(t *testing.T) {
	for _, tc := range []struct {
		name, transport, client string
		min, max                uint16
		want                    string // reason of the refusal; "" lets the client in
	}{
		{"plain pair", "<transport tls>" + plainPair + "</transport>", "", 0, 0, ""},
		{"1.3 by default", "<transport tls>" + plainPair + "</transport>", "", tls.VersionTLS13, 0, ""},
		{"1.2 by default", "<transport tls>" + plainPair + "</transport>", "", 0, tls.VersionTLS12, ""},
		{"1.1 is not", "<transport tls>" + plainPair + "</transport>", "", tls.VersionTLS11, tls.VersionTLS11, "version"},
		{"version 1.2", "<transport tls>\n version TLSv1_2" + plainPair + "</transport>", "", tls.VersionTLS13, 0, "version"},
		{"min and max 1.3", "<transport tls>\n min_version TLSv1_3\n max_version TLSv1_3" + plainPair + "</transport>", "", 0, tls.VersionTLS12, "version"},
		{"range beats version", "<transport tls>\n version TLSv1_3\n min_version TLS1_2\n max_version TLSv1_3" + plainPair + "</transport>", "", 0, tls.VersionTLS12, ""},
		{"cipher", "<transport tls>\n version TLSv1_2\n ciphers ECDHE-RSA-AES256-GCM-SHA384" + plainPair + "</transport>", "", 0, 0, ""},
		{"cipher for another key", "<transport tls>\n version TLSv1_2\n ciphers ECDHE-ECDSA-AES256-GCM-SHA384" + plainPair + "</transport>", "", 0, 0, "cipher"},
		{"ec key", "<transport tls>\n cert_path {{CERTS}}/server-ec.crt\n private_key_path {{CERTS}}/server-ec.key\n</transport>", "", 0, 0, ""},
		{"encrypted, as upstream", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/server.enc-pkcs1.key\n private_key_passphrase s3cret\n</transport>", "", 0, 0, ""},
		{"encrypted, pkcs8", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/server.enc-pkcs8.key\n private_key_passphrase \"s3cret\"\n</transport>", "", 0, 0, ""},
		{"mutual", mutual, "client", 0, 0, ""},
		{"mutual, 1.2", mutual, "client", 0, tls.VersionTLS12, ""},
		{"no certificate", mutual, "", 0, 0, "no_certificate"},
		{"no certificate, 1.2", mutual, "", 0, tls.VersionTLS12, "no_certificate"},
		{"other authority", mutual, "clientbad", 0, 0, "unknown_authority"},
		{"expired", mutual, "clientexp", 0, 0, "expired"},
		{"serverAuth only", mutual, "clientserverauth", 0, 0, "wrong_usage"},
		{"two authorities in a file", strings.ReplaceAll(mutual, "/ca.crt", "/bothca.crt"), "clientbad", 0, 0, ""},
		{"client_cert_auth without ca_path", "<transport tls>\n client_cert_auth true" + plainPair + "</transport>", "client", 0, 0, "unknown_authority"},
		{"ca_path without client_cert_auth", "<transport tls>\n ca_path {{CERTS}}/ca.crt" + plainPair + "</transport>", "clientbad", 0, 0, ""},
		{"made from an authority", "<transport tls>\n ca_cert_path {{CERTS}}/ca.crt\n ca_private_key_path {{CERTS}}/ca.key\n</transport>", "", 0, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := serve(t, tc.transport)
			c := client(t, tc.client)
			c.MinVersion, c.MaxVersion = tc.min, tc.max
			conn, err := dial(e.addr, c)
			if err == nil {
				defer conn.Close()
			}
			if tc.want == "" {
				if err != nil {
					t.Fatalf("refused: %v; %q", err, e.log.all())
				}
				return
			}
			if err == nil {
				t.Fatal("was let in")
			}
			line := e.log.wait(t, "unexpected error before accepting TLS connection")
			if !strings.Contains(line, "reason="+tc.want) || !strings.Contains(line, "addr=127.0.0.1") || e.failures(tc.want) != 1 {
				t.Errorf("want reason %s: %s", tc.want, line)
			}
		})
	}
}

// insecure encrypts with what nobody can check, and asks nothing, as in Fluentd.
func TestInsecureStillEncrypts(t *testing.T) {
	e := serve(t, "<transport tls>\n insecure true\n</transport>")
	if _, err := dial(e.addr, client(t, "")); err == nil {
		t.Error("the self-made certificate was taken for a real one")
	}
	conn, err := dial(e.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	e = serve(t, strings.Replace(mutual, "client_cert_auth true", "client_cert_auth true\n insecure true", 1))
	if conn, err = dial(e.addr, client(t, "")); err != nil {
		t.Fatalf("insecure asks for a client certificate: %v", err)
	}
	_ = conn.Close()
}

func TestPlainTransport(t *testing.T) {
	for _, text := range []string{"", "<transport tcp>\n</transport>", "<transport>\n</transport>"} {
		s, err := decode(t, text)
		if err != nil || s.TLS() || s.Open(slog.New(slog.DiscardHandler), metrics.New()) != nil || s.Listen(nil) != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// All that can not work is refused with the place and the cure.
func TestRefusedAtStart(t *testing.T) {
	open := func(t *testing.T, text string) error {
		s, err := decode(t, text)
		if err != nil {
			return err
		}
		return s.Open(slog.New(slog.DiscardHandler), metrics.New())
	}
	dir := t.TempDir()
	if err := os.WriteFile(join(dir, "cut.crt"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, transport, param, say, hint string }{
		{"no certificate", "<transport tls>\n</transport>", "cert_path", "no valid cert options configured", "handler configure"},
		{"no key", "<transport tls>\n cert_path x\n</transport>", "cert_path", "private_key_path is required when cert_path is specified", "add private_key_path"},
		{"no authority's key", "<transport tls>\n ca_cert_path x\n</transport>", "ca_cert_path", "ca_private_key_path is required", ""},
		{"missing certificate", "<transport tls>\n cert_path /nope.crt\n private_key_path /nope.key\n</transport>", "cert_path", "/nope.crt: no such file", "working folder"},
		{"missing key", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path /nope.key\n</transport>", "private_key_path", "/nope.key: no such file", ""},
		{"missing ca", "<transport tls>\n client_cert_auth true\n ca_path /nope.crt" + plainPair + "</transport>", "ca_path", "/nope.crt: no such file", ""},
		{"key mismatch", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/client.key\n</transport>", "private_key_path", "private key does not belong to the certificate", "from one set"},
		{"wrong passphrase", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/server.enc-pkcs1.key\n private_key_passphrase wrong\n</transport>", "private_key_passphrase", "passphrase does not open the private key", "one run"},
		{"no passphrase", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/server.enc-pkcs8.key\n</transport>", "private_key_path", "no passphrase is given", "private_key_passphrase"},
		{"key in place of certificate", "<transport tls>\n cert_path {{CERTS}}/server.key\n private_key_path {{CERTS}}/server.key\n</transport>", "cert_path", "holds no certificate", "BEGIN CERTIFICATE"},
		{"certificate in place of key", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}/server.crt\n</transport>", "private_key_path", "holds no private key (it holds a certificate)", ""},
		{"folder in place of key", "<transport tls>\n cert_path {{CERTS}}/server.crt\n private_key_path {{CERTS}}\n</transport>", "private_key_path", "it is a folder", ""},
		{"device", "<transport tls>\n cert_path /dev/zero\n private_key_path x\n</transport>", "cert_path", "is no file of certificates", ""},
		{"broken certificate", "<transport tls>\n cert_path " + join(dir, "cut.crt") + "\n private_key_path {{CERTS}}/server.key\n</transport>", "cert_path", "parse certificate 1", ""},
		{"version", "<transport tls>\n version TLSv1_9" + plainPair + "</transport>", "version", "valid options are TLSv1_1,TLSv1_2,TLSv1_3,TLS1_1,TLS1_2,TLS1_3 but got", ""},
		{"min only", "<transport tls>\n min_version TLSv1_2" + plainPair + "</transport>", "min_version", "must set max_version together", "add max_version"},
		{"max only", "<transport tls>\n max_version TLSv1_2" + plainPair + "</transport>", "max_version", "must set min_version together", ""},
		{"min above max", "<transport tls>\n min_version TLSv1_3\n max_version TLSv1_2" + plainPair + "</transport>", "min_version", "is above max_version", ""},
		{"ciphers", "<transport tls>\n ciphers NULL-MD5" + plainPair + "</transport>", "ciphers", "none of the ciphers is known or safe: NULL-MD5", "leave the line out"},
		{"ruby verifier", "<transport tls>\n cert_verifier /x.rb" + plainPair + "</transport>", "cert_verifier", "Ruby", "<client_cert>"},
		{"fips", "<transport tls>\n ensure_fips true" + plainPair + "</transport>", "ensure_fips", "Cannot enable FIPS compliant mode", "GODEBUG"},
		{"rules without certificates", "<transport tls>\n <client_cert>\n cn x\n </client_cert>" + plainPair + "</transport>", "client_cert", "no effect", "client_cert_auth true"},
		{"crl without ca", "<transport tls>\n client_cert_auth true\n crl_path x" + plainPair + "</transport>", "crl_path", "needs ca_path", ""},
		{"length", "<transport tls>\n insecure true\n generate_private_key_length 1000\n</transport>", "generate_private_key_length", "1000", ""},
	} {
		err := open(t, tc.transport)
		var blamed *conf.Error
		if !errors.As(err, &blamed) || blamed.Param != tc.param || !strings.Contains(blamed.Err.Error(), tc.say) || !strings.Contains(blamed.Hint, tc.hint) {
			t.Errorf("%s: got %v", tc.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "wrong") && tc.name == "wrong passphrase" && strings.Contains(err.Error(), " wrong") {
			t.Errorf("the passphrase is in the message: %v", err)
		}
	}
}

func TestCiphersPassOver(t *testing.T) {
	s, err := decode(t, "<transport tls>\n ciphers ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-SHA:!aNULL"+plainPair+"</transport>")
	if err != nil {
		t.Fatal(err)
	}
	e := serveWith(t, s)
	if line := e.log.wait(t, "left out"); !strings.Contains(line, "DHE-RSA-AES128-SHA") {
		t.Errorf("got %s", line)
	}
	for _, list := range []string{"", "ALL:!aNULL:!eNULL:!SSLv2", "HIGH:!MD5", "ECDHE+AESGCM:ECDHE-RSA-AES128-SHA", "TLS_AES_128_GCM_SHA256"} {
		if suites, skipped, err := cipherSuites(list); suites != nil || skipped != nil || err != nil {
			t.Errorf("%q: got %v, %v, %v; want Go's own choice", list, suites, skipped, err)
		}
	}
}

func TestSessionsAreResumed(t *testing.T) {
	e := serve(t, mutual)
	c := client(t, "client")
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		conn, err := dial(e.addr, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().DidResume; got != (i == 1) {
			t.Errorf("connection %d: resumed %v", i, got)
		}
		if p := conn.ConnectionState().NegotiatedProtocol; p != "" {
			t.Errorf("protocol %q although none was offered", p)
		}
		_ = conn.Close()
	}
}

func TestALPN(t *testing.T) {
	e := serve(t, "<transport tls>"+plainPair+"</transport>")
	c := client(t, "")
	c.NextProtos = []string{"h2", "http/1.1"}
	conn, err := dial(e.addr, c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("got %s", got)
	}
}
