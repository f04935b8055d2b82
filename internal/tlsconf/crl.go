package tlsconf

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/param"
)

// revocations is the certificates that their authorities have taken back.
type revocations struct {
	serials map[revoked]time.Time // → when
	ends    []end                 // when each list should have been replaced
}

// revoked names a certificate: the authority's subject (DER) and the serial.
type revoked struct{ issuer, serial string }

var (
	errRevoked   = errors.New("certificate is revoked")
	errNotSigned = errors.New("not signed by an authority in ca_path")
)

func hintOfList(err error) string {
	if errors.Is(err, errNotSigned) {
		return "add the certificate of whoever signs the list to ca_path, also when it is one between the root and the clients"
	}
	if strings.Contains(err.Error(), "unsupported crl version") {
		return "write the list as version 2: `openssl ca -gencrl` does with crl_extensions (authorityKeyIdentifier) in its configuration"
	}
	return ""
}

// revocations reads the lists at a path, PEM or DER. Each must be signed by one of
// the authorities: a list that anybody can write could lock everybody out.
func (s *snapshot) revocations(path string, authorities []*x509.Certificate) (*revocations, error) {
	list, known := s.lists[path]
	if err := s.errs[path]; err != nil || !known {
		return nil, unreadable("crl_path", path, err)
	}
	r := &revocations{serials: map[revoked]time.Time{}}
	for _, file := range list {
		if err := s.errs[file]; err != nil {
			return nil, unreadable("crl_path", file, err)
		}
		ders := crlBlocks(s.files[file])
		if len(ders) == 0 && file == path {
			return nil, param.Errorf("crl_path", "", "%s holds no revocation list", file)
		}
		for _, der := range ders {
			if err := r.add(file, der, authorities); err != nil {
				return nil, param.Errorf("crl_path", hintOfList(err), "%s: %w", file, err)
			}
		}
	}
	return r, nil
}

// crlBlocks is the lists of a file; text without PEM is one DER list.
func crlBlocks(text []byte) [][]byte {
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		if len(text) == 0 {
			return nil
		}
		return [][]byte{text}
	}
	var ders [][]byte
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return ders
		}
		if block.Type == "X509 CRL" {
			ders = append(ders, block.Bytes)
		}
	}
}

func (r *revocations) add(file string, der []byte, authorities []*x509.Certificate) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("read revocation list: %w", err)
	}
	signed := false
	for _, a := range authorities {
		if bytes.Equal(a.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(a) == nil {
			signed = true
			break
		}
	}
	if !signed {
		return fmt.Errorf("revocation list of %q is %w", list.Issuer, errNotSigned)
	}
	for _, e := range list.RevokedCertificateEntries {
		if e.ReasonCode != 8 { // removeFromCRL: taken back into use
			r.serials[revoked{string(list.RawIssuer), serialKey(e.SerialNumber)}] = e.RevocationTime
		}
	}
	r.endOf(file, list.ThisUpdate, list.NextUpdate)
	return nil
}

// endOf keeps the earliest end of a file's lists.
func (r *revocations) endOf(file string, from, at time.Time) {
	if at.IsZero() {
		return
	}
	for i := range r.ends {
		if e := &r.ends[i]; e.file == file {
			if at.Before(e.at) {
				e.at, e.life = at, at.Sub(from)
			}
			return
		}
	}
	r.ends = append(r.ends, end{file: file, use: "crl", at: at, life: at.Sub(from)})
}

func serialKey(n *big.Int) string { return n.Text(16) }

// check looks at every certificate of a chain but the authority at its end.
func (r *revocations) check(chain []*x509.Certificate) error {
	if r == nil {
		return nil
	}
	for _, c := range chain {
		if at, found := r.serials[revoked{string(c.RawIssuer), serialKey(c.SerialNumber)}]; found {
			return fmt.Errorf("%w since %s: %s", errRevoked, at.UTC().Format(time.RFC3339), c.Subject)
		}
	}
	return nil
}
