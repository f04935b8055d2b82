package handler

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// alertCures are the ends of errors that tell what another side or a protocol said,
// and what to do about it. The first that fits counts.
var alertCures = []struct{ said, cure string }{
	{"tls: unknown certificate authority", "the receiver does not know who signed forward.fluentd.cert: its ca_path and that file must come from one `handler configure`"},
	{"tls: certificate required", "the receiver wants to see a certificate: name forward.fluentd.cert and key"},
	{"tls: expired certificate", "the receiver says that forward.fluentd.cert has ended: make a new one, it is taken without a restart"},
	{"tls: bad certificate", "the receiver does not take forward.fluentd.cert: its log says why"},
	{"server gave HTTP response to HTTPS client", "the receiver speaks no TLS there: begin the URL with http://, or write <transport tls> into its source"},
	{"first record does not look like a TLS handshake", "the receiver speaks no TLS there, or another protocol"},
	{"HTTP request to an HTTPS server", speaksTLS},
	{"plain HTTP request was sent to HTTPS port", speaksTLS},
	{"speaking plain HTTP to an SSL-enabled server port", speaksTLS},
	{"No required SSL certificate was sent", "the receiver wants to see a certificate: name forward.fluentd.cert and key"},
	{"The SSL certificate error", "the receiver does not take forward.fluentd.cert: its log says why"},
}

const speaksTLS = "the receiver speaks TLS there: begin the URL with https://"

// aboutConnection reports that a 400 blames the connection and not the event: from
// Go's server, nginx and Apache. Sent in another way the event is welcome.
func aboutConnection(text []byte) bool { return connectionWords(text) != "" }

// connectionWords are the words by which such an answer is known: some are pages.
func connectionWords(text []byte) string {
	for _, c := range alertCures {
		if strings.Contains(string(text), c.said) {
			return c.said
		}
	}
	return ""
}

// explained adds the cure to an error of a connection, where one is known.
func explained(err error) error {
	if cure := connectionCure(err); cure != "" {
		return fmt.Errorf("%w; %s", err, cure)
	}
	return err
}

func connectionCure(err error) string {
	if err == nil {
		return ""
	}
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "forward.fluentd.ca must hold the authority that signed the receiver's certificate"
	case errors.As(err, &name):
		return "the receiver's certificate is not for the name in the URL: use a name that it has, or make one with --dns-names or --ip of `handler configure`"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the receiver's certificate, or set the clock of this machine"
	}
	for _, c := range alertCures {
		if strings.Contains(err.Error(), c.said) {
			return c.cure
		}
	}
	return ""
}
