package tlsconf

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/sluicelog/sluice/internal/param"
)

// versions is which TLS versions and ciphers are spoken. Without a word: 1.2 and
// 1.3 (Fluentd: 1.2 only), and the ciphers that Go holds to be safe.
type versions struct {
	version, minimum, maximum string
	ciphers                   string
}

var versionNames = []string{"TLSv1_1", "TLSv1_2", "TLSv1_3", "TLS1_1", "TLS1_2", "TLS1_3"}

func (v *versions) params(p *param.Set) {
	p.String("version", &v.version, "", "The one TLS version that is spoken.").Enum(versionNames...)
	p.String("min_version", &v.minimum, "", "Lowest TLS version; needs max_version.").Enum(versionNames...)
	p.String("max_version", &v.maximum, "", "Highest TLS version; needs min_version.").Enum(versionNames...)
	p.String("ciphers", &v.ciphers, "", "Ciphers of TLS 1.2, in OpenSSL's words, such as ECDHE-RSA-AES256-GCM-SHA384; those of 1.3 are not to choose.")
}

func (v *versions) check() error {
	switch {
	case v.minimum != "" && v.maximum == "":
		return param.Errorf("min_version", "add max_version TLSv1_3", "When you set min_version, must set max_version together") //nolint:staticcheck // Fluentd's own words
	case v.maximum != "" && v.minimum == "":
		return param.Errorf("max_version", "add min_version TLSv1_2", "When you set max_version, must set min_version together") //nolint:staticcheck // Fluentd's own words
	case v.minimum != "" && versionOf(v.minimum) > versionOf(v.maximum):
		return param.Errorf("min_version", "", "min_version %s is above max_version %s", v.minimum, v.maximum)
	}
	_, _, err := cipherSuites(v.ciphers)
	return err
}

// apply sets what check has found good.
func (v *versions) apply(c *tls.Config) {
	c.MinVersion = tls.VersionTLS12
	switch {
	case v.minimum != "":
		c.MinVersion, c.MaxVersion = versionOf(v.minimum), versionOf(v.maximum)
	case v.version != "":
		c.MinVersion, c.MaxVersion = versionOf(v.version), versionOf(v.version)
	}
	c.CipherSuites, _, _ = cipherSuites(v.ciphers)
}

func versionOf(name string) uint16 {
	switch strings.TrimPrefix(strings.TrimPrefix(name, "TLSv"), "TLS") {
	case "1_1":
		return tls.VersionTLS11
	case "1_3":
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// cipherSuites reads OpenSSL's list. As OpenSSL does, it passes over what it does
// not know as long as something is left; skipped names it. Words that stand for
// groups of ciphers (ALL, HIGH, ECDHE+AESGCM) mean Go's own choice, and exclusions
// (!RC4) leave out what Go leaves out anyway. nil suites are Go's own choice.
func cipherSuites(list string) (suites []uint16, skipped []string, err error) {
	group := false
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return strings.ContainsRune(":, ;", r) }) {
		id, known := openSSLNames[name]
		switch {
		case known:
			suites = append(suites, id)
		case isGroup(name):
			group = true
		case strings.HasPrefix(name, "TLS_"): // of TLS 1.3
		case strings.ContainsAny(name[:1], "!-+@"):
		default:
			skipped = append(skipped, name)
		}
	}
	if len(suites) == 0 && !group && len(skipped) > 0 {
		return nil, nil, param.Errorf("ciphers", "leave the line out for a safe choice", "none of the ciphers is known or safe: %s", strings.Join(skipped, ", "))
	}
	if group {
		suites = nil
	}
	return suites, skipped, nil
}

func isGroup(name string) bool {
	switch name {
	case "ALL", "DEFAULT", "HIGH", "COMPLEMENTOFDEFAULT", "FIPS", "SECLEVEL", "PROFILE=SYSTEM", "ECDHE", "EECDH", "AESGCM", "ECDH", "CHACHA20":
		return true
	}
	return strings.Contains(name, "+") && name[0] != '+' && name[0] != '!' && name[0] != '-'
}

// skippedCiphers is a warning about ciphers that are left out, or "".
func (v *versions) skippedCiphers() string {
	if _, skipped, _ := cipherSuites(v.ciphers); len(skipped) > 0 {
		return fmt.Sprintf("ciphers that are not known or not safe are left out: %s", strings.Join(skipped, ", "))
	}
	return ""
}

var openSSLNames = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-AES128-SHA256":     tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-RSA-AES128-SHA256":       tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"AES128-SHA256":                 tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}
