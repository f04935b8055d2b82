package tlsconf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/internal/metrics"
)

// live is a server's configuration that follows its files.
type live struct {
	server     *Server
	log        *slog.Logger
	outer      *tls.Config // for listeners: each handshake asks it for current
	inUse      atomic.Pointer[material]
	failed     *failures
	counts     *doorCounts
	guests     guests
	responders *responders
	stapler    *stapler
	poll       time.Duration // how often files are compared without being told of a change

	// Of watch alone, and of open before it:
	made   *tls.Certificate  // the certificate that was made at start, if one was
	madeOf [sha256.Size]byte // from these files
	broken [sha256.Size]byte // files that can not be used, and have been complained about
	unsure [sha256.Size]byte // files that could not be used once; the next look decides
	warned expiryWarner
}

// material is what the files of a server held when they were last good.
type material struct {
	config *tls.Config
	sum    [sha256.Size]byte
	ends   []end

	pair   *tls.Certificate // of a server that staples
	issuer *x509.Certificate
}

// pollInterval is for file systems that tell nothing, such as NFS.
const pollInterval = 30 * time.Second

func newLive(s *Server, log *slog.Logger, m *metrics.Registry) *live {
	l := &live{
		server: s, log: log, failed: newFailures(log, m), counts: newDoorCounts(m), poll: pollInterval,
		warned: expiryWarner{}, responders: newResponders(),
	}
	l.guests.live, l.stapler = l, newStapler(l)
	l.outer = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         s.protocols(),
		GetConfigForClient: l.configFor,
		// The keys of session tickets are the outer configuration's, so that clients
		// resume their sessions when certificates have been replaced. What they may not
		// resume is found out by crypto/tls (authorities) and by vouch (the rest).
	}
	return l
}

// configFor is what a handshake begins with, which its connection remembers.
func (l *live) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	m := l.inUse.Load()
	if g, ok := hello.Conn.(*gate); ok {
		g.under = m
	}
	return m.config, nil
}

// protocols are those that a client may choose from.
func (s *Server) protocols() []string {
	if s.Protocols != nil {
		return s.Protocols
	}
	return []string{"http/1.1"}
}

func (l *live) paths() []string {
	s := l.server
	return []string{s.certPath, s.keyPath, s.caPath, s.crlPath, s.caCertPath, s.caKeyPath}
}

// open reads the files for the first time.
func (l *live) open(now time.Time) error {
	if text := l.server.skippedCiphers(); text != "" {
		l.log.Warn(text)
	}
	m, err := l.read(take(l.paths()...))
	if err != nil {
		return err
	}
	l.use(m, now)
	return nil
}

func (l *live) use(m *material, now time.Time) {
	before := l.inUse.Swap(m)
	l.guests.review(m)
	l.stapler.wake()
	if before != nil {
		l.counts.forget(before.ends, m.ends)
	}
	for _, e := range m.ends {
		l.counts.expiry.WithLabelValues(e.file, e.use).Set(float64(e.at.Unix()))
	}
	clear(l.warned)
	l.warnOfEnds(now)
}

func (l *live) warnOfEnds(now time.Time) { l.warned.look(l.log, l.inUse.Load().ends, now) }

// read makes a configuration of the files, or says what is wrong with them.
func (l *live) read(files *snapshot) (*material, error) {
	s := l.server
	m := &material{sum: files.sum}
	pair, err := l.certificate(files)
	if err != nil {
		return nil, err
	}
	m.ends = append(m.ends, firstEnd(s.certificateFile(), "server", []*x509.Certificate{pair.Leaf}))
	m.config = &tls.Config{Certificates: []tls.Certificate{*pair}, NextProtos: s.protocols()}
	s.versions.apply(m.config)
	if s.staple.on {
		if err := l.willStaple(m, pair, files); err != nil {
			return nil, err
		}
	}
	if !s.clientAuth || s.insecure {
		return m, nil
	}
	return m, s.askClients(m, files)
}

// willStaple shows the pair with the responder's word, when there is one.
func (l *live) willStaple(m *material, pair *tls.Certificate, files *snapshot) error {
	var authorities []*x509.Certificate
	if l.server.caPath != "" {
		var err error
		if authorities, err = files.authorities(l.server.caPath, "ca_path"); err != nil {
			return err
		}
	}
	if err := l.server.staple.prepare(m, pair, authorities); err != nil {
		return err
	}
	m.config.Certificates = nil // else clients that name no server do not get it
	m.config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return l.stapler.dress(pair, time.Now()), nil
	}
	return nil
}

// askClients asks for a certificate of the authorities. Without ca_path those of
// the system count, as in Fluentd; hardly a client has a certificate of one.
func (s *Server) askClients(m *material, files *snapshot) error {
	var authorities []*x509.Certificate
	var lists *revocations
	var err error
	if s.caPath != "" {
		if authorities, err = files.authorities(s.caPath, "ca_path"); err != nil {
			return err
		}
		m.ends = append(m.ends, firstEnd(s.caPath, "ca", authorities))
	}
	if s.crlPath != "" {
		if lists, err = files.revocations(s.crlPath, authorities); err != nil {
			return err
		}
		m.ends = append(m.ends, lists.ends...)
	}
	m.config.ClientAuth, m.config.ClientCAs = tls.RequireAndVerifyClientCert, poolOf(authorities)
	if s.ClientsOptional {
		m.config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	m.config.VerifyConnection = func(c tls.ConnectionState) error { return s.vouch(c, lists) }
	return nil
}

// certificate is the server's own: that of the files, or one that is made of an
// authority's files, and made again only when those change.
func (l *live) certificate(files *snapshot) (*tls.Certificate, error) {
	s := l.server
	if s.certPath != "" {
		return files.pair(s.certPath, s.keyPath, s.passphrase, pairNames{"cert_path", "private_key_path", "private_key_passphrase"})
	}
	of := take(s.caCertPath, s.caKeyPath)
	if l.made != nil && l.madeOf == of.sum {
		return l.made, nil
	}
	made, err := s.make(of)
	if err != nil {
		return nil, err
	}
	l.made, l.madeOf = made, of.sum
	return made, nil
}

func (s *Server) make(files *snapshot) (*tls.Certificate, error) {
	if s.caCertPath != "" {
		return s.fromAuthority(files)
	}
	return s.generate.selfMade()
}

// certificateFile is what the server's certificate is called in metrics and logs.
func (s *Server) certificateFile() string {
	switch {
	case s.certPath != "":
		return s.certPath
	case s.caCertPath != "":
		return "made of " + s.caCertPath
	}
	return "self-made"
}

// vouch looks at a client whose authority is in order, also when it resumes a
// session from before a certificate was revoked.
func (s *Server) vouch(c tls.ConnectionState, lists *revocations) error {
	for _, chain := range c.VerifiedChains {
		if err := lists.check(chain); err != nil {
			return err
		}
	}
	if len(c.PeerCertificates) == 0 && s.ClientsOptional {
		return nil
	}
	leaf := c.PeerCertificates[0]
	if _, ok := s.clients.Allowed(leaf); !ok {
		return fmt.Errorf("%w: %s", errNotAllowed, describe(leaf))
	}
	return nil
}

// look compares the files with what is in use, and takes what is new and good. It
// reports whether it should be asked again soon: a pair that is being replaced
// does not fit together between its two files.
func (l *live) look(now time.Time) (again bool) {
	files := take(l.paths()...)
	if bytes.Equal(files.sum[:], l.sumInUse()) || files.sum == l.broken {
		l.warnOfEnds(now)
		return false
	}
	m, err := l.read(files)
	switch {
	case err == nil:
		l.use(m, now)
		l.broken = [sha256.Size]byte{}
		l.counts.reloads.WithLabelValues("ok").Inc()
		l.log.Info("certificates were read again", "certificate", l.server.certificateFile(), "end", m.ends[0].at.UTC())
	case l.unsure != files.sum:
		l.unsure = files.sum
		return true
	default:
		l.broken = files.sum
		l.counts.reloads.WithLabelValues("failed").Inc()
		l.log.Error("certificate files changed and can not be used; what they held before stays in use", "error", err)
	}
	return false
}

func (l *live) sumInUse() []byte {
	m := l.inUse.Load()
	return m.sum[:]
}

// watch follows the files, and asks for what is stapled, until ctx ends.
func (l *live) watch(ctx context.Context) {
	var beside sync.WaitGroup
	if l.server.staple.on {
		beside.Go(func() { l.stapler.run(ctx) })
	}
	defer beside.Wait()
	follow(ctx, l.log, l.paths(), l.poll, func() bool { return l.look(time.Now()) })
}
