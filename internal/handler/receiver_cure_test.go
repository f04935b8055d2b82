package handler

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/pki"
)

// twoSets are the files of two runs of `handler configure`.
func twoSets(t *testing.T) (ours, theirs string) {
	t.Helper()
	ours, theirs = t.TempDir(), t.TempDir()
	for _, dir := range []string{ours, theirs} {
		if err := pki.WriteTestSet(dir, pki.ECDSA); err != nil {
			t.Fatal(err)
		}
	}
	return ours, theirs
}

// mutual is a server that wants a client certificate of its own set.
func mutual(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// Certificates and schemes that do not fit are told with what to do about them.
func TestConnectionErrorsAreExplained(t *testing.T) {
	t.Parallel()
	ours, theirs := twoSets(t)
	secure := strings.Replace(mutual(t, ours).URL, "127.0.0.1", "localhost", 1)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	file := func(dir, name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		url, ca, client string
		want            string
	}{
		{secure, theirs, ours, "; forward.fluentd.ca must hold the authority"},
		{secure, ours, theirs, "; the receiver does not know who signed forward.fluentd.cert"},
		{secure, ours, "", "; the receiver wants to see a certificate"},
		{strings.Replace(plain.URL, "http:", "https:", 1), ours, ours, "; the receiver speaks no TLS there"},
		{strings.Replace(secure, "https:", "http:", 1), ours, ours, "; the receiver speaks TLS there: begin the URL with https://"},
		{strings.Replace(secure, "https:", "forward+tls:", 1), ours, theirs, "; the receiver does not know who signed"},
		{"http://localhost:1", ours, ours, "connection refused"},
	} {
		d := newTestDelivery(t, func(s *StartCmd) {
			s.FluentdCA = file(c.ca, "ca.crt")
			if c.client != "" {
				s.FluentdCert, s.FluentdKey = file(c.client, "client.crt"), file(c.client, "client.key")
			}
		}, c.url+"/test.log")
		err := d.sender.relays[0].post(t.Context(), "", []*Read{testEvent("a")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.url, err, c.want)
		}
	}
}

// A 400 that blames the connection costs no event; one that blames the event does.
func TestBadRequestOfTheConnection(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]bool{
		"<html><center>No required SSL certificate was sent</center>":       true,
		"<html><center>The plain HTTP request was sent to HTTPS port":       true,
		"Reason: You're speaking plain HTTP to an SSL-enabled server port.": true,
		"400 Bad Request\nno such field":                                    false,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, page, http.StatusBadRequest) }))
		d := newTestDelivery(t, nil, srv.URL+"/test.log")
		err := d.sender.relays[0].post(t.Context(), "", []*Read{testEvent("a")})
		if got := !errors.As(err, new(*refusal)); err == nil || got != want {
			t.Errorf("%s: %v", page, err)
		}
		srv.Close()
	}
}

// What crypto/x509 says is told with its cure, too.
func TestCertificateErrorsAreExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, "not for the name"},
		{x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, "renew the receiver's certificate"},
		{x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.TooManyIntermediates}, ""},
		{errors.New("else"), ""},
		{nil, ""},
	} {
		if got := connectionCure(c.err); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
