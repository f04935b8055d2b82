// Package tlsconf makes TLS configurations of what a user wrote, for servers
// ([Server], the <transport tls> section of a source) and for clients ([Client],
// the tls_* parameters of an output; [ClientFiles], for whoever has only paths).
//
// What can not work is refused at start, before anything listens, with the
// parameter that is at fault and the cure: a file that is missing, a key that
// does not fit, a passphrase that does not open it. From then on the files are
// followed: when they change they are read again, and new connections use what
// they hold, while those that are open stay. Files that are broken, or changed
// half, leave the old ones in use; that is said once.
//
// A server's handshakes run at a bounded number at one time (listener.go), since
// an RSA handshake is the dearest thing that a client can ask for, and what is
// established must not wait for a crowd at the door (gate.go). Who may come in is
// decided by the authorities of ca_path, by revocation lists (crl.go), by OCSP
// (ocsp.go) and by <client_cert> rules (allow.go), which may also bound the tags
// that a client sends (peer.go). What OCSP says about the server itself is shown to
// clients (staple.go). When that changes, clients that may not come in
// any more lose the connections that they have (guests.go).
package tlsconf

import (
	"context"
	"crypto/fips140"
	"log/slog"
	"net"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
)

// Server is the <transport> section of a source.
type Server struct {
	Kind      string   // tcp, tls or udp
	Protocols []string // what clients may choose by ALPN; nil: HTTP/1.1
	// ClientsOptional lets clients in that show no certificate although client_cert_auth
	// is on; the source has another way to know them. PeerOf is nil for them.
	ClientsOptional bool

	versions
	insecure, fips              bool
	caPath, certPath, keyPath   string
	passphrase                  string
	clientAuth                  bool
	crlPath                     string
	status                      statusRules
	staple                      stapleRules
	clients                     ClientCerts
	subjectKey                  string
	caCertPath, caKeyPath       string
	caPassphrase                string
	verifier                    string
	handshakes                  int
	generate                    generate
	certSet, keySet, caKeyIsSet bool

	live *live
}

// Section declares <transport>.
func (s *Server) Section(p *param.Set) {
	param.Section(p, "transport", s, func(p *param.Set, s *Server) { s.Params(p) }, "How connections are made: <transport tls>, or plain TCP.")
}

// SubjectParam declares the source's parameter that shows in each record who sent it.
func (s *Server) SubjectParam(p *param.Set) {
	p.String("add_client_cert_subject", &s.subjectKey, "", "Field that gets the subject of the client's certificate; its URI, such as a SPIFFE id, when it has none.")
}

// SubjectKey is the field that gets the subject of the client's certificate, or "".
func (s *Server) SubjectKey() string { return s.subjectKey }

// AsksClients reports whether clients must show a certificate.
func (s *Server) AsksClients() bool { return s.TLS() && s.clientAuth && !s.insecure }

// Params declares what stands in <transport>.
func (s *Server) Params(p *param.Set) {
	p.Arg(&s.Kind, "tcp", "tcp, or tls.").Enum("tcp", "tls", "udp")
	s.versions.params(p)
	p.Bool("insecure", &s.insecure, false, "Encrypt with a certificate that nobody can check, made at start, unless cert_path names one; clients are not checked either.")
	p.Bool("ensure_fips", &s.fips, false, "Refuse to start unless the cryptography runs in FIPS 140 mode.")
	p.String("ca_path", &s.caPath, "", "Certificates of the authorities that sign clients' certificates: a file of one or several, or a folder. Nothing is asked of clients without client_cert_auth.")
	p.String("cert_path", &s.certPath, "", "The server's certificate, and those between it and its authority.").Present(&s.certSet)
	p.String("private_key_path", &s.keyPath, "", "Key of the certificate.").Present(&s.keySet)
	p.String("private_key_passphrase", &s.passphrase, "", "Passphrase of the key.").Secret()
	p.Bool("client_cert_auth", &s.clientAuth, false, "Let only clients in that show a certificate of an authority in ca_path.")
	p.String("crl_path", &s.crlPath, "", "Lists of certificates that their authority has revoked: a file, PEM or DER, or a folder.")
	s.status.params(p)
	s.staple.params(p)
	param.Sections(p, "client_cert", (*[]ClientCert)(&s.clients), func(p *param.Set, c *ClientCert) { c.params(p) },
		"Clients that may come in, by what their certificate says; without such sections, all that the authorities vouch for.")
	p.String("ca_cert_path", &s.caCertPath, "", "Authority that signs a server certificate made at start.")
	p.String("ca_private_key_path", &s.caKeyPath, "", "Key of that authority.").Present(&s.caKeyIsSet)
	p.String("ca_private_key_passphrase", &s.caPassphrase, "", "Passphrase of that key.").Secret()
	p.String("cert_verifier", &s.verifier, "", "A Ruby file in Fluentd; <client_cert> sections take its place here.")
	p.Int("max_handshakes", &s.handshakes, 0, "Handshakes that compute at one time; more wait, so that they can not starve open connections. 0 is half of the processors.")
	s.generate.params(p)
	for _, name := range []string{"protocol", "linger_timeout", "send_keepalive_packet", "receive_buffer_size", "cert_logical_store_name", "cert_thumbprint", "cert_use_enterprise_store"} {
		p.Ignore(name, "the system's own settings hold")
	}
}

// TLS reports whether connections are encrypted.
func (s *Server) TLS() bool { return s.Kind == "tls" }

// Check holds the rules between the parameters; it reads no files.
func (s *Server) Check() error {
	if !s.TLS() {
		if s.subjectKey != "" {
			return param.Errorf("add_client_cert_subject", "write <transport tls> with client_cert_auth true", "clients show no certificate")
		}
		return nil
	}
	if err := s.versions.check(); err != nil {
		return err
	}
	if err := s.checkCertificate(); err != nil {
		return err
	}
	if err := s.staple.check(s.certPath); err != nil {
		return err
	}
	return s.checkClients()
}

func (s *Server) checkCertificate() error {
	switch {
	case s.certSet && !s.keySet:
		return param.Errorf("cert_path", "add private_key_path", "private_key_path is required when cert_path is specified")
	case s.caCertPath != "" && !s.caKeyIsSet:
		return param.Errorf("ca_cert_path", "add ca_private_key_path", "ca_private_key_path is required when ca_cert_path is specified")
	case s.certPath == "" && s.caCertPath == "" && !s.insecure:
		return param.Errorf("cert_path", "add cert_path and private_key_path; `handler configure` makes both",
			"no valid cert options configured. specify either 'ca_cert_path', 'cert_path' or 'insecure'") // Fluentd's own words
	}
	return nil
}

func (s *Server) checkClients() error {
	switch {
	case s.verifier != "":
		return param.Errorf("cert_verifier", "name the clients that may come in by <client_cert> sections: cn, dns, uri, fingerprint", "a Ruby verifier can not run here")
	case len(s.clients) > 0 && (!s.clientAuth || s.insecure):
		return param.Errorf("client_cert", "add client_cert_auth true (and no insecure)", "<client_cert> has no effect when clients show no certificate")
	case s.crlPath != "" && (!s.clientAuth || s.insecure):
		return param.Errorf("crl_path", "add client_cert_auth true (and no insecure)", "crl_path has no effect when clients show no certificate")
	case s.status.mode != "off" && (!s.clientAuth || s.insecure):
		return param.Errorf("ocsp", "add client_cert_auth true (and no insecure)", "ocsp has no effect when clients show no certificate")
	case s.subjectKey != "" && (!s.clientAuth || s.insecure):
		return param.Errorf("add_client_cert_subject", "add client_cert_auth true (and no insecure) to <transport tls>", "clients show no certificate")
	case s.crlPath != "" && s.caPath == "":
		return param.Errorf("crl_path", "add ca_path with the authority that signed the list", "crl_path needs ca_path")
	}
	return s.clients.check()
}

// Open reads the files. A pair that does not fit, a wrong passphrase, or a file
// that is missing is an error here, made by param.Errorf, before anything listens.
// A server without TLS opens nothing.
func (s *Server) Open(log *slog.Logger, m *metrics.Registry) error {
	if !s.TLS() {
		return nil
	}
	if s.fips && !fips140.Enabled() {
		return param.Errorf("ensure_fips", "start with GODEBUG=fips140=on in the environment", "Cannot enable FIPS compliant mode") //nolint:staticcheck // Fluentd's own words
	}
	l := newLive(s, log, m)
	if err := l.open(time.Now()); err != nil {
		return err
	}
	s.live = l
	return nil
}

// Listen wraps a listener in TLS; without TLS it comes back as it is. The
// connections run their handshake at their first Read or Write, on the goroutine
// that calls it.
func (s *Server) Listen(ln net.Listener) net.Listener {
	if s.live == nil {
		return ln
	}
	return newListener(ln, s.live, s.handshakes)
}

// Watch follows the files until ctx ends. It returns nil.
func (s *Server) Watch(ctx context.Context) error {
	if s.live == nil {
		<-ctx.Done()
		return nil
	}
	s.live.watch(ctx)
	return nil
}
