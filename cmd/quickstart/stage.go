package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// stage is everything that runs: the two binaries and what surrounds them.
type stage struct {
	o               options
	port, adminPort string
	handlerPort     string
	forwardPort     string
	ports           ports

	s3       *s3test.Server
	teleport *teleporttest.Server
	proxy    *teleporttest.Proxy // with --proxy
	relay    *child
	relay2   *child // with --relays

	secondPort string
	handler    *child
	bucket     *bucketView

	pair       []*partner // in place of handler, with --pair
	takeovers  []time.Duration
	movedTotal float64 // events that the handler counted as moved, with --relays
	trials     atomic.Int64
	generated  atomic.Bool // all events that there will be are in Teleport

	wg     sync.WaitGroup
	failed chan error
}

func newStage(ctx context.Context, o options) (*stage, error) {
	s := &stage{o: o, failed: make(chan error, 4)}
	if err := s.clean(); err != nil {
		return nil, err
	}
	for _, p := range []*string{&s.port, &s.adminPort, &s.handlerPort, &s.forwardPort} {
		var err error
		if *p, err = s.ports.free(); err != nil {
			return nil, err
		}
	}
	var err error
	if s.s3, err = s3test.Start(s.path("bucket"), s3test.Options{Buckets: []string{bucketName, stateBucket}}); err != nil {
		return nil, fmt.Errorf("start the S3 server: %w", err)
	}
	s.bucket = newBucketView(filepath.Join(s.path("bucket"), bucketName))
	mode := teleporttest.Search
	if o.bulk {
		mode = teleporttest.Bulk
	}
	s.teleport, err = teleporttest.Start(ctx, teleporttest.Options{Dir: s.path("teleport"), Mode: mode, Seed: o.seed, Start: s.eventStart()})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("start the simulated Teleport: %w", err)
	}
	if o.proxy {
		if err := s.startProxy(ctx); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// startProxy puts a proxy before Teleport. Its web certificate is of an authority that
// the handler finds through SSL_CERT_FILE.
func (s *stage) startProxy(ctx context.Context) (err error) {
	if s.proxy, err = teleporttest.StartProxy(ctx, s.teleport, teleporttest.ProxyOptions{Way: teleporttest.TLSRouting}); err != nil {
		return err
	}
	return s.proxy.WriteRoots(s.path("web-ca.pem"))
}

// teleportAddr is where the handler reaches Teleport.
func (s *stage) teleportAddr() string {
	if s.proxy != nil {
		return s.proxy.Addr()
	}
	return s.teleport.Addr()
}

// eventStart dates a fixed number of events into the last minutes, and an
// endless stream from now on.
func (s *stage) eventStart() time.Time {
	if s.o.events > 0 {
		return time.Now().Add(-time.Duration(s.o.events)*time.Millisecond - time.Second)
	}
	return time.Now()
}

// clean empties the folder, but only one that an earlier run made.
func (s *stage) clean() error {
	mark := s.path(".quickstart")
	if _, err := os.Stat(s.o.dir); err == nil && !s.o.keep {
		if _, err := os.Stat(mark); err != nil {
			if entries, _ := os.ReadDir(s.o.dir); len(entries) > 0 {
				return fmt.Errorf("%s is not empty and was not made by quickstart; choose another --dir", s.o.dir)
			}
		}
		if err := os.RemoveAll(s.o.dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(s.o.dir, "keys"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o600)
}

// start does what the guide does: configure, relay, handler.
func (s *stage) start(ctx context.Context) error {
	if s.o.events > 0 && !s.o.pair && !s.o.relays {
		s.teleport.Generate(s.o.events)
		s.generated.Store(true)
	} else {
		s.wg.Go(func() { s.generate(ctx) })
	}
	if err := s.configure(ctx); err != nil {
		return err
	}
	if err := s.writeRelayConf(); err != nil {
		return err
	}
	s.relay = s.spawn(ctx, "relay", "-c", s.path("relay.conf"))
	if err := s.waitReady(ctx, s.adminPort); err != nil {
		return err
	}
	if s.o.pair {
		return s.startPair(ctx)
	}
	if s.o.relays {
		if err := s.secondRelay(ctx); err != nil {
			return err
		}
	}
	args := s.handlerArgs(s.path("state"), s.relayPort(), s.handlerPort)
	s.handler = s.spawn(ctx, "handler", append(args, "--fluentd-failover-after", failoverAfter.String())...)
	return nil
}

// handlerArgs is `handler start` with where it keeps its state and whom it talks to.
func (s *stage) handlerArgs(storage, relayPort, metricsPort string) []string {
	scheme := "https"
	if s.o.forward {
		scheme = "forward+tls"
	}
	relay := scheme + "://localhost:" + relayPort
	urls, sessionURLs := relay+"/test.log", relay+"/session"
	if s.o.relays {
		second := "https://localhost:" + s.secondPort
		urls, sessionURLs = urls+","+second+"/test.log", sessionURLs+","+second+"/session"
	}
	return []string{
		"start", "--config", s.path("keys/teleport-event-handler.toml"),
		"--storage", storage, "--teleport-addr", s.teleportAddr(), "--teleport-identity", s.teleport.IdentityPath(),
		"--fluentd-url", urls, "--fluentd-session-url", sessionURLs,
		"--start-time", s.startTime(), "--timeout", "200ms", "--metrics-addr", "127.0.0.1:" + metricsPort,
	}
}

// relayPort is where the handler sends.
func (s *stage) relayPort() string {
	if s.o.forward {
		return s.forwardPort
	}
	return s.port
}

// startTime is just before the first event.
func (s *stage) startTime() string {
	return s.eventStart().Add(-time.Hour).UTC().Format(time.RFC3339)
}

// configure runs `handler configure`, as an administrator would. ECDSA keys are
// made in no time; without --key-type they are RSA 4096 as Teleport's are.
func (s *stage) configure(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.o.bin, "handler"), "configure", "--key-type", "ecdsa", s.path("keys"), s.teleportAddr())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("handler configure: %w\n%s", err, out)
	}
	return os.WriteFile(s.path("configure.log"), out, 0o600)
}

func (s *stage) spawn(ctx context.Context, name string, args ...string) *child {
	return s.spawnAs(ctx, name, name, args...)
}

// spawnAs gives a program another name, for its log.
func (s *stage) spawnAs(ctx context.Context, name, program string, args ...string) *child {
	c := &child{
		name: name, path: filepath.Join(s.o.bin, program), args: args, dir: s.o.dir, env: []string{"AWS_ACCESS_KEY_ID=quickstart", "AWS_SECRET_ACCESS_KEY=quickstart"},
		logPath: s.path(name + ".log"), done: make(chan struct{}),
	}
	if s.proxy != nil {
		c.env = append(c.env, "SSL_CERT_FILE="+s.path("web-ca.pem"))
	}
	s.wg.Go(func() {
		if err := c.run(ctx); err != nil && !c.stopping() {
			s.failed <- err
		}
	})
	return c
}

// waitReady waits until the relay says that it can work.
func (s *stage) waitReady(ctx context.Context, admin string) error {
	deadline := time.Now().Add(15 * time.Second)
	for time.Now().Before(deadline) {
		if resp, err := http.Get("http://127.0.0.1:" + admin + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("the relay is not ready after 15 s; its log is %s", s.path("relay.log"))
}

// generate writes the endless stream; with --events it ends after so many, but not
// before every fault of --chaos had events to go on with.
func (s *stage) generate(ctx context.Context) {
	defer s.generated.Store(true)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n := max(s.o.rate/10, 1)
			if s.o.events > 0 && s.chaosDone() {
				n = min(n, s.o.events-s.teleport.Count())
			}
			if n <= 0 {
				return
			}
			s.teleport.Generate(n)
		}
	}
}

// stop ends the handler first, so that what it has in flight is answered, then
// the relay, which sends what is buffered.
func (s *stage) stop() error {
	for _, p := range s.pair {
		p.signal(syscall.SIGCONT)
		p.terminate(20 * time.Second)
	}
	if s.handler != nil {
		s.handler.terminate(20 * time.Second)
	}
	for _, r := range []*child{s.relay, s.relay2} {
		if r != nil {
			r.terminate(60 * time.Second)
		}
	}
	_, err := s.bucket.look()
	return err
}

func (s *stage) close() {
	children := []*child{s.handler, s.relay, s.relay2}
	for _, p := range s.pair {
		children = append(children, p.child)
	}
	for _, c := range children {
		if c != nil && !c.stopping() {
			c.terminate(time.Second)
		}
	}
	for _, p := range s.pair {
		for _, w := range p.wires {
			w.close()
		}
	}
	var errs []error
	if s.proxy != nil {
		errs = append(errs, s.proxy.Close())
	}
	if s.teleport != nil {
		errs = append(errs, s.teleport.Close())
	}
	if s.s3 != nil {
		errs = append(errs, s.s3.Close())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
	}
}
