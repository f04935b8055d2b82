package tlsconf

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
)

// ClientFiles is a client's side of TLS: who signs the server's certificate, and
// the client's own pair. All may be empty: then the system's authorities count and
// no certificate is shown.
//
// The files are looked at again at handshakes, at most once a second. What is new
// and good is used by that handshake; what is broken leaves the old in place and
// is logged once. Nobody has to run anything for it.
type ClientFiles struct {
	CA, Cert, Key, Passphrase string
	ServerName                string // for Config: what the server's certificate must be for
	Insecure                  bool   // do not check the server's certificate

	Log     *slog.Logger      // may be nil
	Metrics *metrics.Registry // may be nil

	authorities     []string // files like CA
	anyName         bool     // the certificate may be for another name
	allowSelfSigned bool
	thumbprint      string // SHA-1 or SHA-256 of a certificate in the server's chain, hex
	versions        versions
	names           clientNames

	mu      sync.Mutex
	cache   tls.ClientSessionCache // emptied when the files change
	pair    *tls.Certificate
	pool    *x509.CertPool
	sum     [sha256.Size]byte // of the files in use
	broken  [sha256.Size]byte // files that were complained about
	unsure  [sha256.Size]byte // files that did not do once; the next look decides
	checked time.Time
	ends    []end
	warned  expiryWarner
}

// clientNames is what the parameters of the files are called, for errors.
type clientNames struct {
	ca   string
	pair pairNames
}

var plainNames = clientNames{"ca", pairNames{"cert", "key", ""}}

// checkInterval is how often handshakes look at the files at most.
const checkInterval = time.Second

// Config is [ClientFiles.Open] and a configuration for the server ServerName. With
// an empty ServerName it is good for any server, by whatever name a connection asks
// for; but then only the client's own pair is followed and the authorities are
// those of now, since TLS does not tell an address to whoever checks it in place of
// crypto/tls. Say the ServerName, or use [ClientFiles.ConfigFor], where you can.
func (f *ClientFiles) Config() (*tls.Config, error) {
	if err := f.Open(); err != nil {
		return nil, err
	}
	c := f.ConfigFor(f.ServerName)
	if f.ServerName == "" && !f.Insecure && !f.anyName {
		c.InsecureSkipVerify, c.VerifyConnection = false, nil
		_, c.RootCAs = f.current()
	}
	return c, nil
}

// Open reads the files; the error is about files that can not be used now.
func (f *ClientFiles) Open() error {
	if f.names == (clientNames{}) {
		f.names = plainNames
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked = time.Now()
	return f.load(take(f.paths()...))
}

// ConfigFor is a configuration for connections to one server: its DNS name or its
// address, without the port. It follows the files. Call it after Open.
func (f *ClientFiles) ConfigFor(server string) *tls.Config {
	// Our own check takes the place of the one of crypto/tls, which can not change
	// its authorities.
	c := &tls.Config{ServerName: server, ClientSessionCache: sessions{f}, InsecureSkipVerify: true} //nolint:gosec // see above
	f.versions.apply(c)
	if !f.Insecure {
		c.VerifyConnection = func(s tls.ConnectionState) error { return f.verify(s, server) }
	}
	if f.Cert != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, _ := f.current()
			return pair, nil
		}
	}
	return c
}

var errNoName = errors.New("the server is reached by its address, and nobody said which one to expect")

// verify checks the server's chain as crypto/tls would, with the authorities that
// the files hold now.
func (f *ClientFiles) verify(s tls.ConnectionState, server string) error {
	_, pool := f.current()
	if server == "" {
		server = s.ServerName
	}
	o := x509.VerifyOptions{Roots: pool, DNSName: server, Intermediates: x509.NewCertPool()}
	switch {
	case f.anyName:
		o.DNSName = ""
	case server == "":
		return errNoName
	}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	leaf := s.PeerCertificates[0]
	if f.allowSelfSigned && isSelfSigned(leaf) {
		o.Roots = x509.NewCertPool()
		o.Roots.AddCert(leaf)
	}
	if _, err := leaf.Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return f.checkThumbprint(s.PeerCertificates)
}

func isSelfSigned(c *x509.Certificate) bool {
	return string(c.RawSubject) == string(c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func (f *ClientFiles) checkThumbprint(chain []*x509.Certificate) error {
	if f.thumbprint == "" {
		return nil
	}
	want := bareHex(f.thumbprint)
	if slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return slices.Contains(thumbprints(c.Raw), want) }) {
		return nil
	}
	return errors.New("no certificate of the server has the thumbprint that is asked for")
}

// current is what the files hold, looked at again when that is due.
func (f *ClientFiles) current() (*tls.Certificate, *x509.CertPool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.checked) >= checkInterval {
		f.checked = now
		if files := take(f.paths()...); files.sum != f.sum && files.sum != f.broken {
			f.reload(files)
		}
		f.warn()
	}
	return f.pair, f.pool
}

// reload takes files that have changed. A pair that does not fit together may be
// half written, so the complaint waits for the next look.
func (f *ClientFiles) reload(files *snapshot) {
	err := f.load(files)
	if err != nil && f.unsure != files.sum {
		f.unsure = files.sum
		return
	}
	log := f.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	result := "ok"
	if err == nil {
		log.Info("certificates were read again", "certificate", f.Cert, "authority", f.CA)
	} else {
		result = "failed"
		f.broken = files.sum
		log.Error("certificate files changed and can not be used; what they held before stays in use", "error", err)
	}
	if f.Metrics != nil {
		newFileCounts(f.Metrics).reloads.WithLabelValues(result).Inc()
	}
}

func (f *ClientFiles) paths() []string {
	return append([]string{f.CA, f.Cert, f.Key}, f.authorities...)
}

// load replaces what is in use, wholly or not at all. The caller holds mu.
func (f *ClientFiles) load(files *snapshot) error {
	var pair *tls.Certificate
	var all []*x509.Certificate
	var ends []end
	var err error
	if f.Cert != "" {
		if pair, err = files.pair(f.Cert, f.Key, f.Passphrase, f.names.pair); err != nil {
			return fmt.Errorf("client certificate: %w", err)
		}
		ends = append(ends, firstEnd(f.Cert, "client", []*x509.Certificate{pair.Leaf}))
	}
	for _, path := range append([]string{f.CA}, f.authorities...) {
		if path == "" {
			continue
		}
		certs, err := files.authorities(path, f.names.ca)
		if err != nil {
			return fmt.Errorf("authority of the server: %w", err)
		}
		all = append(all, certs...)
		ends = append(ends, firstEnd(path, "ca", certs))
	}
	f.pair, f.pool, f.sum = pair, poolOf(all), files.sum
	f.cache = tls.NewLRUClientSessionCache(64)
	f.show(ends)
	return nil
}

// show sets the metric of the ends, and warns of one that is near.
func (f *ClientFiles) show(ends []end) {
	f.ends, f.warned = ends, expiryWarner{}
	f.warn()
	if f.Metrics == nil {
		return
	}
	for _, e := range ends {
		newFileCounts(f.Metrics).expiry.WithLabelValues(e.file, e.use).Set(float64(e.at.Unix()))
	}
}

func (f *ClientFiles) warn() {
	if f.Log != nil {
		f.warned.look(f.Log, f.ends, time.Now())
	}
}

// Look looks at the files, at most once a second, and warns of what ends soon.
// Whoever keeps connections open for days calls it now and then; handshakes do it
// anyway. nil has no files.
func (f *ClientFiles) Look() {
	if f != nil {
		f.current()
	}
}

// sessions is the cache of a ClientFiles. A handshake asks it before anything else,
// so that is when the files are looked at: a session from before they changed would
// go on under the old certificate. (A ticket that an older connection receives
// after the change is the exception; the server ends it with the old certificate.)
type sessions struct{ files *ClientFiles }

// Get implements tls.ClientSessionCache.
func (s sessions) Get(key string) (*tls.ClientSessionState, bool) {
	s.files.current()
	return s.inner().Get(key)
}

// Put implements tls.ClientSessionCache.
func (s sessions) Put(key string, session *tls.ClientSessionState) { s.inner().Put(key, session) }

func (s sessions) inner() tls.ClientSessionCache {
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	return s.files.cache
}

// thumbprints are the forms in which people write a certificate's hash.
func thumbprints(der []byte) []string {
	long := sha256.Sum256(der)
	return []string{hex.EncodeToString(long[:]), sha1Hex(der)}
}
