package tlsconf

import (
	"crypto/sha1" //nolint:gosec // a name for a certificate, written by Windows and by Fluentd's users
	"encoding/hex"
	"log/slog"

	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
)

// Client is the tls_* parameters of an output, in the words of Fluentd's outputs:
// declare them by [Client.ForwardParams] or by [Client.HTTPParams].
type Client struct {
	versions
	authorities          []string
	authority            string
	cert, key            string
	passphrase           string
	mode                 string
	insecure, selfSigned bool
	verifyName           bool
	thumbprint           string
	names                clientNames
}

// ForwardParams declares the parameters as out_forward has them.
func (c *Client) ForwardParams(p *param.Set) {
	c.names = clientNames{"tls_cert_path", pairNames{"tls_client_cert_path", "tls_client_private_key_path", "tls_client_private_key_passphrase"}}
	c.versionParams(p)
	p.Bool("tls_insecure_mode", &c.insecure, false, "Take whatever certificate the server shows.")
	p.Bool("tls_allow_self_signed_cert", &c.selfSigned, false, "Take a certificate that the server has signed itself.")
	p.Bool("tls_verify_hostname", &c.verifyName, true, "Take only a certificate for the server's name.")
	p.Strings("tls_cert_path", &c.authorities, nil, "Certificates of the authorities that sign the server's certificate, files or folders; the system's without it.")
	p.String("tls_cert_thumbprint", &c.thumbprint, "", "SHA-1 or SHA-256 thumbprint of a certificate that the server must show.")
	p.String("tls_client_cert_path", &c.cert, "", "Certificate to show to the server.")
	p.String("tls_client_private_key_path", &c.key, "", "Key of that certificate.")
	p.String("tls_client_private_key_passphrase", &c.passphrase, "", "Passphrase of that key.").Secret()
	for _, name := range []string{"tls_cert_logical_store_name", "tls_cert_use_enterprise_store"} {
		p.Ignore(name, "it names a Windows certificate store; write tls_cert_path")
	}
}

// HTTPParams declares the parameters as out_http has them.
func (c *Client) HTTPParams(p *param.Set) {
	c.names = clientNames{"tls_ca_cert_path", pairNames{"tls_client_cert_path", "tls_private_key_path", "tls_private_key_passphrase"}}
	c.versionParams(p)
	p.String("tls_ca_cert_path", &c.authority, "", "Certificates of the authorities that sign the server's certificate, a file or a folder; the system's without it.")
	p.String("tls_client_cert_path", &c.cert, "", "Certificate to show to the server.")
	p.String("tls_private_key_path", &c.key, "", "Key of that certificate.")
	p.String("tls_private_key_passphrase", &c.passphrase, "", "Passphrase of that key.").Secret()
	p.String("tls_verify_mode", &c.mode, "peer", "peer checks the server's certificate, none takes any.").Enum("peer", "none")
	c.verifyName = true
}

func (c *Client) versionParams(p *param.Set) {
	p.String("tls_version", &c.version, "", "The one TLS version that is spoken; 1.2 and 1.3 without it.").Enum(versionNames...)
	p.String("tls_ciphers", &c.ciphers, "", "Ciphers of TLS 1.2, in OpenSSL's words.")
}

// Check holds the rules between the parameters; it reads no files.
func (c *Client) Check() error {
	switch {
	case c.cert != "" && c.key == "":
		return param.Errorf(c.names.pair.cert, "add "+c.names.pair.key, "%s is required when %s is specified", c.names.pair.key, c.names.pair.cert)
	case c.cert == "" && c.key != "":
		return param.Errorf(c.names.pair.key, "add "+c.names.pair.cert, "%s is required when %s is specified", c.names.pair.cert, c.names.pair.key)
	}
	if _, _, err := cipherSuites(c.ciphers); err != nil {
		return param.Errorf("tls_ciphers", "leave the line out for a safe choice", "none of the ciphers is known or safe: %s", c.ciphers)
	}
	if n := len(bareHex(c.thumbprint)); n != 0 && n != 2*sha1.Size && n != 64 {
		return param.Errorf("tls_cert_thumbprint", "", "%q is no SHA-1 or SHA-256 thumbprint", c.thumbprint)
	}
	return nil
}

// Open reads the files; what can not work is an error made by param.Errorf. The
// result gives a configuration per server ([ClientFiles.ConfigFor]) and follows
// the files. log and m may be nil.
func (c *Client) Open(log *slog.Logger, m *metrics.Registry) (*ClientFiles, error) {
	f := &ClientFiles{
		CA: c.authority, Cert: c.cert, Key: c.key, Passphrase: c.passphrase, Insecure: c.insecure || c.mode == "none",
		Log: log, Metrics: m,
		authorities: c.authorities, anyName: !c.verifyName, allowSelfSigned: c.selfSigned, thumbprint: c.thumbprint,
		versions: c.versions, names: c.names,
	}
	return f, f.Open()
}

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
