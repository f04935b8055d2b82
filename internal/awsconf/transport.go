package awsconf

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// stallAfter is how long a connection may move no byte in either direction
	// before it is given up.
	stallAfter  = 30 * time.Second
	dialTimeout = 10 * time.Second
	// idleAfter is below the 30 seconds after which a pooled connection would
	// count as stalled.
	idleAfter = 25 * time.Second
)

// httpClient speaks HTTP/1.1 through proxyText, else through the environment's
// proxy, and follows no redirect: a signature is good for one host only.
func (c *Config) httpClient(proxyText string) (*http.Client, error) {
	trust, err := c.trust()
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	if proxyText != "" {
		u, err := parseURL(proxyText)
		if err != nil {
			return nil, errors.New("read proxy_uri: is no URL")
		}
		proxy = http.ProxyURL(u)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                 proxy,
			DialContext:           dialer(stallAfter),
			TLSClientConfig:       trust,
			TLSHandshakeTimeout:   dialTimeout,
			ExpectContinueTimeout: time.Second,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       idleAfter,
			WriteBufferSize:       64 << 10,
			DisableCompression:    true, // objects are what they are
		},
	}, nil
}

// parseURL takes absolute http and https URLs.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is no http or https URL with a host", text)
	}
	return u, nil
}

// trust is whom the client believes.
func (c *Config) trust() (*tls.Config, error) {
	conf := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: c.declared && !c.verifyPeer, //nolint:gosec // ssl_verify_peer false asks for it
	}
	files, err := c.authorityFiles()
	if err != nil || len(files) == 0 {
		return conf, err
	}
	conf.RootCAs = x509.NewCertPool()
	found := false
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read certificate authorities: %w", err)
		}
		found = conf.RootCAs.AppendCertsFromPEM(pem) || found
	}
	if !found {
		return nil, fmt.Errorf("read certificate authorities: no PEM certificate in %s", strings.Join(files, ", "))
	}
	return conf, nil
}

// authorityFiles are those that the parameters name, else that of AWS_CA_BUNDLE, as
// with AWS's own tools; none are the system's.
func (c *Config) authorityFiles() ([]string, error) {
	var files []string
	if bundle := cmp.Or(c.caBundle, c.ambientBundle()); bundle != "" {
		files = append(files, bundle)
	}
	if c.caDirectory == "" {
		return files, nil
	}
	entries, err := os.ReadDir(c.caDirectory)
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	for _, e := range entries {
		// Links are how such folders name their files by hash; Stat follows them.
		path := filepath.Join(c.caDirectory, e.Name())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	return files, nil
}

func (c *Config) ambientBundle() string {
	if c.caDirectory != "" {
		return ""
	}
	return os.Getenv("AWS_CA_BUNDLE")
}

// dialer connects and gives a connection that fails once nothing moved for stall.
func dialer(stall time.Duration) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &progressConn{Conn: conn, stall: stall}, nil
	}
}

// progressConn moves its deadline with every read and write. A write renews the
// reader's deadline too: HTTP waits for the answer while a body goes out, and a
// long upload that advances must not look like a silent server.
type progressConn struct {
	net.Conn
	stall time.Duration
}

func (c *progressConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *progressConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
