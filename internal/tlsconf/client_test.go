package tlsconf

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
)

// server accepts with a fixed pair and tells the common name of each client.
func plainServer(t *testing.T, pair string) (addr string) {
	t.Helper()
	loaded, err := tls.LoadX509KeyPair(pair+".crt", pair+".key")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{loaded}, ClientAuth: tls.RequestClientCert})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			// One after the other, so that nobody has to be waited for.
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			conn := c.(*tls.Conn)
			if conn.Handshake() == nil {
				name := "-"
				if certs := conn.ConnectionState().PeerCertificates; len(certs) > 0 {
					name = certs[0].Subject.CommonName
				}
				_, _ = conn.Write([]byte(name + "\n"))
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// greet connects and returns who the server thinks we are.
func greet(addr string, c *tls.Config) (string, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
	conn := tls.Client(raw, c)
	text, err := io.ReadAll(conn)
	return strings.TrimSpace(string(text)), err
}

func TestClientFiles(t *testing.T) {
	set := testSet(t)
	for _, tc := range []struct {
		name, server string
		files        *ClientFiles
		to           string // what the server is called
		want, refuse string
	}{
		{"by name", "server", &ClientFiles{CA: certs + "/ca.crt"}, "localhost", "-", ""},
		{"by address", "server", &ClientFiles{CA: certs + "/ca.crt"}, "127.0.0.1", "-", ""},
		{"shows its certificate", "server", &ClientFiles{CA: certs + "/ca.crt", Cert: certs + "/client.crt", Key: certs + "/client.key"}, "localhost", "client", ""},
		{"another name", "server", &ClientFiles{CA: certs + "/ca.crt"}, "relay.example.com", "", "not relay.example.com"},
		{"another address", "server", &ClientFiles{CA: certs + "/ca.crt"}, "10.0.0.5", "", "not 10.0.0.5"},
		{"address, and nobody said which", "server", &ClientFiles{CA: certs + "/ca.crt"}, "", "", errNoName.Error()},
		{"another authority", "server", &ClientFiles{CA: certs + "/otherca.crt"}, "localhost", "", "unknown authority"},
		{"the system's authorities", "server", &ClientFiles{}, "localhost", "", "unknown authority"},
		{"a client's certificate is no server's", "client", &ClientFiles{CA: certs + "/ca.crt"}, "localhost", "", "incompatible key usage"},
		{"insecure", "server", &ClientFiles{Insecure: true}, "", "-", ""},
		{"another set", "server", &ClientFiles{CA: join(set, "ca.crt")}, "localhost", "", "unknown authority"},
	} {
		if err := tc.files.Open(); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		for range 2 { // a resumed session is held to the same
			got, err := greet(plainServer(t, certs+"/"+tc.server), tc.files.ConfigFor(tc.to))
			switch {
			case tc.refuse == "" && (err != nil || got != tc.want):
				t.Errorf("%s: got %q, %v", tc.name, got, err)
			case tc.refuse != "" && (err == nil || !strings.Contains(err.Error(), tc.refuse)):
				t.Errorf("%s: got %q, %v; want %s", tc.name, got, err, tc.refuse)
			}
		}
	}
}

// http.Transport puts the name of each server into a copy of one configuration.
func TestClientConfigForAnyServer(t *testing.T) {
	c, err := (&ClientFiles{CA: certs + "/ca.crt", Cert: certs + "/client.crt", Key: certs + "/client.key"}).Config()
	if err != nil {
		t.Fatal(err)
	}
	addr := plainServer(t, certs+"/server")
	for name, want := range map[string]string{"localhost": "client", "127.0.0.1": "client", "10.0.0.5": "not 10.0.0.5", "relay.example.com": "not relay.example.com"} {
		one := c.Clone()
		one.ServerName = name
		got, err := greet(addr, one)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestClientFilesErrors(t *testing.T) {
	for _, tc := range []struct {
		files *ClientFiles
		say   string
	}{
		{&ClientFiles{CA: "/nope.crt"}, "authority of the server: ca: /nope.crt: no such file"},
		{&ClientFiles{CA: certs + "/ca.key"}, "holds no certificate"},
		{&ClientFiles{Cert: certs + "/client.crt", Key: "/nope.key"}, "client certificate: key: /nope.key: no such file"},
		{&ClientFiles{Cert: certs + "/client.crt", Key: certs + "/server.key"}, "does not belong"},
		{&ClientFiles{Cert: certs + "/server.crt", Key: certs + "/server.enc-pkcs1.key"}, "no passphrase is given\n  hint: take a key that is not encrypted: of the files of `handler configure`, client.key"},
	} {
		if _, err := tc.files.Config(); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "stat ", ""), tc.say) {
			t.Errorf("got %v, want %s", err, tc.say)
		}
	}
}

// The pair and the authority are followed by connections that are made later.
func TestClientFilesFollow(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, certs+"/client.crt", join(dir, "c.crt"))
	copyFile(t, certs+"/client.key", join(dir, "c.key"))
	copyFile(t, certs+"/ca.crt", join(dir, "ca.crt"))
	j, m := newJournal(), metrics.New()
	f := &ClientFiles{CA: join(dir, "ca.crt"), Cert: join(dir, "c.crt"), Key: join(dir, "c.key"), ServerName: "localhost", Log: slog.New(j), Metrics: m}
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	addr := plainServer(t, certs+"/server")
	meet := func(want string) {
		t.Helper()
		f.mu.Lock()
		f.checked = time.Time{} // a second has passed
		f.mu.Unlock()
		if got, err := greet(addr, c.Clone()); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	meet("client")
	copyFile(t, certs+"/clientexp.crt", join(dir, "c.crt"))
	meet("client") // half replaced: the old pair
	if len(j.all()) != 0 {
		t.Errorf("said %q", j.all())
	}
	copyFile(t, certs+"/clientexp.key", join(dir, "c.key"))
	meet("expired")
	if !strings.Contains(strings.Join(j.all(), "\n"), "WARN certificate ended") {
		t.Errorf("its end is not warned about: %q", j.all())
	}
	copyFile(t, certs+"/server.key", join(dir, "ca.crt"))
	for range 4 {
		meet("expired")
	}
	if n := strings.Count(strings.Join(j.all(), "\n"), "stays in use"); n != 1 {
		t.Errorf("said %d times: %q", n, j.all())
	}
	copyFile(t, certs+"/otherca.crt", join(dir, "ca.crt"))
	f.mu.Lock()
	f.checked = time.Time{}
	f.mu.Unlock()
	if _, err := greet(addr, c.Clone()); err == nil {
		t.Error("the new authority does not count")
	}
	if ok, bad := value(m, "relay_tls_reloads_total", "ok"), value(m, "relay_tls_reloads_total", "failed"); ok != 2 || bad != 1 {
		t.Errorf("%v reloads, %v failed", ok, bad)
	}
}

func decodeClient(t *testing.T, text string, declare func(*Client, *param.Set)) (*Client, error) {
	t.Helper()
	root, err := conf.Parse("fluent.conf", []byte("<match>\n"+strings.ReplaceAll(text, "{{CERTS}}", certs)+"\n</match>\n"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, problems := new(Client), &conf.Problems{}
	param.Decode(root.Children[0], "match", problems, func(p *param.Set) { declare(c, p) })
	if len(problems.Errors)+len(problems.Warnings) > 0 {
		t.Fatal(problems)
	}
	return c, c.Check()
}

func TestClientParams(t *testing.T) {
	forward, http := (*Client).ForwardParams, (*Client).HTTPParams
	for _, tc := range []struct {
		name, text string
		declare    func(*Client, *param.Set)
		server, to string
		want       string // the name the server gets, or the error
	}{
		{"forward", "tls_cert_path {{CERTS}}/otherca.crt,{{CERTS}}/ca.crt\n tls_client_cert_path {{CERTS}}/client.crt\n tls_client_private_key_path {{CERTS}}/client.key", forward, "server", "localhost", "client"},
		{"forward, name", "tls_cert_path {{CERTS}}/ca.crt", forward, "server", "x", "not x"},
		{"forward, any name", "tls_cert_path {{CERTS}}/ca.crt\n tls_verify_hostname false", forward, "server", "x", "-"},
		{"forward, any name of another authority", "tls_cert_path {{CERTS}}/otherca.crt\n tls_verify_hostname false", forward, "server", "x", "unknown authority"},
		{"forward, insecure", "tls_insecure_mode true", forward, "server", "x", "-"},
		{"forward, self-signed refused", "tls_cert_path {{CERTS}}/otherca.crt\n tls_verify_hostname false", forward, "ca", "x", "x509"},
		{"forward, self-signed", "tls_allow_self_signed_cert true\n tls_verify_hostname false", forward, "ca", "x", "-"},
		{"forward, self-signed allows no other", "tls_allow_self_signed_cert true\n tls_verify_hostname false", forward, "server", "x", "unknown authority"},
		{"forward, thumbprint", "tls_cert_path {{CERTS}}/ca.crt\n tls_cert_thumbprint " + strings.Repeat("00", 20), forward, "server", "localhost", "thumbprint"},
		{"http", "tls_ca_cert_path {{CERTS}}/ca.crt\n tls_client_cert_path {{CERTS}}/client.crt\n tls_private_key_path {{CERTS}}/client.key\n tls_version TLSv1_2", http, "server", "localhost", "client"},
		{"http, name", "tls_ca_cert_path {{CERTS}}/ca.crt", http, "server", "x", "not x"},
		{"http, none", "tls_verify_mode none", http, "server", "x", "-"},
	} {
		c, err := decodeClient(t, tc.text, tc.declare)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		files, err := c.Open(nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		got, err := greet(plainServer(t, certs+"/"+tc.server), files.ConfigFor(tc.to))
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestClientParamErrors(t *testing.T) {
	for text, want := range map[string]string{
		"tls_client_cert_path x":                                 "tls_client_cert_path",
		"tls_client_private_key_path x":                          "tls_client_private_key_path",
		"tls_ciphers NULL":                                       "tls_ciphers",
		"tls_cert_thumbprint abc":                                "tls_cert_thumbprint",
		"tls_cert_path /nope":                                    "tls_cert_path",
		"tls_client_cert_path x\n tls_client_private_key_path y": "tls_client_cert_path",
	} {
		c, err := decodeClient(t, text, (*Client).ForwardParams)
		if err == nil {
			_, err = c.Open(nil, nil)
		}
		var blamed *conf.Error
		if !errors.As(err, &blamed) || blamed.Param != want {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
