package teleport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gravitational/teleport/api/client"
	"github.com/gravitational/teleport/api/identityfile"
	"github.com/gravitational/teleport/api/utils/sshutils"
	"github.com/gravitational/trace"
	"golang.org/x/crypto/ssh"
)

// credentials are the module's, plus a second reading of the files.
type credentials interface {
	client.Credentials
	Reload() error
}

func loadCredentials(cfg Config) (credentials, error) {
	pair := cfg.Cert != "" || cfg.Key != "" || cfg.CA != ""
	switch {
	case cfg.Identity != "" && pair:
		return nil, errors.New("an identity file excludes cert, key and ca")
	case cfg.Identity != "":
		creds, err := newNamedIdentity(cfg.Identity)
		if err != nil {
			return nil, unusable(cfg.Identity, err)
		}
		return creds, nil
	case cfg.Cert == "" || cfg.Key == "" || cfg.CA == "":
		return nil, errors.New("neither an identity file nor all of cert, key and ca are configured")
	}
	creds := &pairCredentials{cert: cfg.Cert, key: cfg.Key, ca: cfg.CA}
	return creds, creds.Reload()
}

// unusable is what a file that is no identity is answered with.
func unusable(path string, err error) error {
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist) && statErr != nil:
		return fmt.Errorf("read identity file: %w", plain{err})
	case statErr == nil && info.Size() == 0:
		err = errors.New("it is empty")
	}
	return fmt.Errorf("read identity file %s: %w; it must be what `tctl auth sign --user=NAME --out=FILE` or tbot writes", path, plain{err})
}

// namedIdentity logs in over a proxy by a name that its certificate has. The module's
// own kind that reads its file again knows one name only, which is in every
// certificate of today's clusters and the same in all of them. Old identities have
// the names of logins alone: of those the first one.
type namedIdentity struct {
	*client.DynamicIdentityFileCreds
	user string // "": the module's
}

// joinPrincipal is the module's name.
const joinPrincipal = "-teleport-internal-join"

func newNamedIdentity(path string) (*namedIdentity, error) {
	id, err := identityfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cert, err := sshutils.ParseCertificate(id.Certs.SSH)
	if err != nil {
		return nil, err
	}
	creds, err := client.NewDynamicIdentityFileCreds(path)
	if err != nil {
		return nil, err
	}
	named := &namedIdentity{DynamicIdentityFileCreds: creds}
	if names := cert.ValidPrincipals; len(names) > 0 && !slices.Contains(names, joinPrincipal) {
		named.user = names[0]
	}
	return named, nil
}

// SSHClientConfig implements client.Credentials.
func (n *namedIdentity) SSHClientConfig() (*ssh.ClientConfig, error) {
	cfg, err := n.DynamicIdentityFileCreds.SSHClientConfig()
	if err == nil && n.user != "" {
		cfg.User = n.user
	}
	return cfg, err
}

// stampOf tells whether files have changed: what stat says of each.
func stampOf(paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && path != "" {
			fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}

// pairCredentials are certificate, key and CA from three files. They serve
// direct addresses only, since the way through a proxy needs SSH.
type pairCredentials struct {
	cert, key, ca string

	mu   sync.Mutex // guards what follows
	pair *tls.Certificate
	pool *x509.CertPool
}

func (p *pairCredentials) Reload() error {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("read certificate %s and key %s: %w", p.cert, p.key, err)
	}
	pem, err := os.ReadFile(p.ca)
	if err != nil {
		return fmt.Errorf("read ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("read ca %s: no certificate in it", p.ca)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pair, p.pool = &pair, pool
	return nil
}

func (p *pairCredentials) current() (*tls.Certificate, *x509.CertPool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pair, p.pool
}

// TLSConfig asks for certificate and roots at each handshake. The module's
// client presents a certificate whatever the server asks for, so does this.
func (p *pairCredentials) TLSConfig() (*tls.Config, error) {
	return &tls.Config{
		ServerName: authServerName,
		NextProtos: []string{"h2"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, _ := p.current()
			return pair, nil
		},
		// Roots may change between handshakes, so VerifyConnection does what the
		// standard check would do with the roots of that moment.
		InsecureSkipVerify: true,
		VerifyConnection:   p.verify,
	}, nil
}

func (p *pairCredentials) verify(state tls.ConnectionState) error {
	_, pool := p.current()
	opts := x509.VerifyOptions{DNSName: state.ServerName, Roots: pool, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(opts)
	return err
}

func (p *pairCredentials) SSHClientConfig() (*ssh.ClientConfig, error) {
	return nil, trace.NotImplemented("no ssh config")
}

func (p *pairCredentials) Expiry() (time.Time, bool) {
	pair, _ := p.current()
	if pair == nil || pair.Leaf == nil {
		return time.Time{}, false
	}
	return pair.Leaf.NotAfter, true
}

// authServerName is what every Auth service's certificate is issued for,
// whatever its address.
const authServerName = "teleport.cluster.local"

// checkValidity refuses credentials that are past their time.
func checkValidity(creds client.Credentials, now time.Time) error {
	if end, ok := creds.Expiry(); ok && now.After(end) {
		return &ExpiredError{End: end}
	}
	return nil
}
