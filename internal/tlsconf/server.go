// Package tlsconf makes TLS configurations of what a user wrote, for servers and
// clients: versions, ciphers, certificates and keys, authorities. What can not
// work is refused at start with the file that is at fault. Files are read again
// when they change, without a connection being dropped; a new pair that is broken
// leaves the old one in place, and says so.
package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
)

// Server is the <transport> section of a source.
type Server struct {
	Kind                      string // tcp or tls
	version, minimum, maximum string
	ciphers                   string
	insecure, fips            bool
	caPath, certPath, keyPath string
	passphrase                string
	clientAuth                bool
	caCertPath, caKeyPath     string
	caPassphrase              string
	verifier                  string
	handshakes                int
	generate                  generate

	live *live
}

// Section declares <transport>.
func (s *Server) Section(p *param.Set) {
	param.Section(p, "transport", s, func(p *param.Set, s *Server) { s.params(p) }, "How connections are made: <transport tls>, or plain TCP.")
}

func (s *Server) params(p *param.Set) {
	p.Arg(&s.Kind, "tcp", "tcp, or tls.").Enum("tcp", "tls", "udp")
	p.String("version", &s.version, "", "The one TLS version that is spoken.").Enum(versionNames...)
	p.String("min_version", &s.minimum, "", "Lowest TLS version; needs max_version.").Enum(versionNames...)
	p.String("max_version", &s.maximum, "", "Highest TLS version; needs min_version.").Enum(versionNames...)
	p.String("ciphers", &s.ciphers, "", "Ciphers of TLS 1.2, in OpenSSL's words, such as ECDHE-RSA-AES256-GCM-SHA384.")
	p.Bool("insecure", &s.insecure, false, "Take connections without TLS, whatever else is written here.")
	p.Bool("ensure_fips", &s.fips, false, "Refuse to start unless the cryptography is FIPS 140 validated.")
	p.String("ca_path", &s.caPath, "", "Certificates, one file or a folder, that sign clients' certificates.")
	p.String("cert_path", &s.certPath, "", "The server's certificate, with its chain.")
	p.String("private_key_path", &s.keyPath, "", "Key of the certificate.")
	p.String("private_key_passphrase", &s.passphrase, "", "Passphrase of the key.").Secret()
	p.Bool("client_cert_auth", &s.clientAuth, false, "Let only clients with a certificate in.")
	p.String("ca_cert_path", &s.caCertPath, "", "Authority that signs a certificate made at start.")
	p.String("ca_private_key_path", &s.caKeyPath, "", "Key of that authority.")
	p.String("ca_private_key_passphrase", &s.caPassphrase, "", "Passphrase of that key.").Secret()
	p.String("cert_verifier", &s.verifier, "", "A Ruby file in Fluentd; not supported.")
	p.Int("max_handshakes", &s.handshakes, 16, "Handshakes under way at one time; more wait, so that they can not starve open connections.")
	s.generate.params(p)
	for _, name := range []string{"protocol", "linger_timeout", "receive_buffer_size"} {
		p.Ignore(name, "the system's own settings hold")
	}
}

var versionNames = []string{"TLSv1_1", "TLSv1_2", "TLSv1_3", "TLS1_1", "TLS1_2", "TLS1_3"}

func versionOf(name string) uint16 {
	switch strings.TrimPrefix(strings.TrimPrefix(name, "TLSv"), "TLS") {
	case "1_1":
		return tls.VersionTLS11
	case "1_2":
		return tls.VersionTLS12
	case "1_3":
		return tls.VersionTLS13
	}
	return 0
}

// TLS reports whether connections are encrypted.
func (s *Server) TLS() bool { return s.Kind == "tls" && !s.insecure }

// Check holds the rules between the parameters; it reads no files.
func (s *Server) Check() error {
	if !s.TLS() {
		return nil
	}
	switch {
	case s.verifier != "":
		return param.Errorf("cert_verifier", "name the clients that may connect in <client_cert> sections", "a Ruby verifier can not run here")
	case (s.minimum == "") != (s.maximum == ""):
		return param.Errorf("min_version", "write both min_version and max_version", "When you set max_version or min_version, must set min_version and max_version together") //nolint:staticcheck // Fluentd's own words
	case s.minimum != "" && versionOf(s.minimum) > versionOf(s.maximum):
		return param.Errorf("min_version", "", "min_version is above max_version")
	case s.certPath != "" && s.keyPath == "":
		return param.Errorf("cert_path", "add private_key_path", "cert_path without private_key_path")
	case s.certPath == "" && s.caCertPath == "" && !s.insecure:
		return param.Errorf("cert_path", "write cert_path and private_key_path; handler configure makes both", "cert_path or ca_cert_path is required for <transport tls>")
	}
	if _, err := cipherSuites(s.ciphers); err != nil {
		return err
	}
	return nil
}

// cipherSuites reads OpenSSL's list of names; "ALL" and exclusions mean Go's own
// choice.
func cipherSuites(list string) ([]uint16, error) {
	if list == "" {
		return nil, nil
	}
	var suites []uint16
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		if id, ok := openSSLNames[name]; ok {
			suites = append(suites, id)
			continue
		}
		if strings.HasPrefix(name, "!") || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "@") || slices.Contains([]string{"ALL", "DEFAULT", "HIGH"}, name) || strings.HasPrefix(name, "TLS_") {
			continue
		}
		return nil, param.Errorf("ciphers", "leave the line out for a safe choice", "cipher %s is not known, or not safe", name)
	}
	return suites, nil
}

var openSSLNames = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	"AES128-SHA256":                 tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
}

// Open reads the files. A pair that does not fit, a wrong passphrase, or a file
// that is missing is an error here, before anything listens.
func (s *Server) Open(log *slog.Logger, m *metrics.Registry) error {
	if !s.TLS() {
		return nil
	}
	if s.fips && !fipsEnabled() {
		return param.Errorf("ensure_fips", "start with GODEBUG=fips140=on", "Cannot enable FIPS compliant mode") //nolint:staticcheck // Fluentd's own words
	}
	var err error
	s.live, err = newLive(s, log, m)
	return err
}

// Listen wraps a listener in TLS; a plain one comes back as it is.
func (s *Server) Listen(ln net.Listener) net.Listener {
	if !s.TLS() {
		return ln
	}
	return s.live.listen(ln, s.handshakes)
}

// config makes the configuration of the files as they are now.
func (s *Server) config(pair *tls.Certificate, clients *x509.CertPool) (*tls.Config, error) {
	suites, err := cipherSuites(s.ciphers)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: suites, Certificates: []tls.Certificate{*pair},
		NextProtos: []string{"http/1.1"},
	}
	if s.version != "" {
		c.MinVersion, c.MaxVersion = versionOf(s.version), versionOf(s.version)
	}
	if s.minimum != "" {
		c.MinVersion, c.MaxVersion = versionOf(s.minimum), versionOf(s.maximum)
	}
	if s.clientAuth {
		// Without ca_path the system's authorities decide, as in Fluentd: hardly any
		// client has a certificate of those, and so none gets in.
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	return c, nil
}
