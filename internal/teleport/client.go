// Package teleport is our view of a Teleport cluster: read the audit log page
// by page or in bulk, read a session's recording, lock a user. Nothing else of
// the large Teleport API is seen above it.
//
// A [Client] is one connection to the Auth service, directly or through the
// proxy; the published client module chooses the way, as Teleport's own tools
// do. What comes back is an [Event] whose body is printed by [AppendJSON]: the
// same event always gives the same bytes. Errors keep their kind, see
// [IsNotFound] and its neighbours.
package teleport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gravitational/teleport/api/breaker"
	"github.com/gravitational/teleport/api/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Config says how to reach the cluster and as whom. Either Identity is set, or
// all of Cert, Key and CA.
type Config struct {
	Addr     string // host:port of the Auth service or of the proxy
	Identity string // path of an identity file (tctl auth sign --format=file, tbot)
	Cert     string // path of a PEM certificate; needs Key and CA, direct addresses only
	Key      string // path of its PEM key
	CA       string // path of the PEM certificates that sign the Auth service's

	// Refresh is how often the files are read again; 0 reads them again when they
	// have changed, which is looked for every Follow. New handshakes use what was
	// read last; a file that is not valid is logged and the old credentials stay.
	Refresh time.Duration
	Follow  time.Duration // default 10 s

	DialTimeout  time.Duration // of the first connection; default 30 s
	CallTimeout  time.Duration // of a call that answers once; default 5 min
	StallTimeout time.Duration // longest wait for the next element of a stream; default 10 min
	AwayLimit    time.Duration // a connection that is away for longer is given up for a new one; default 2 min
	MaxReceive   int           // largest gRPC reply in bytes; default 64 MiB
	MaxAlone     int           // largest one that holds a single event, received alone; default 256 MiB

	Log *slog.Logger // of refreshs and connections; default: discarded
}

// Client is an open connection, safe for concurrent use. It reconnects by
// itself; calls made meanwhile fail with an error that [IsUnavailable].
type Client struct {
	cfg     Config
	current atomic.Pointer[link]
	creds   credentials

	large  chan struct{} // held while a reply over MaxReceive is received
	loaded string        // stamp of the files before they were read

	stop       context.CancelFunc
	background sync.WaitGroup // what stop ends
}

// Dial checks the credentials and connects; it returns when the connection
// stands or the dial timeout has passed. The error satisfies [IsExpired] when
// the credentials are past their time, and [IsUnavailable] when nobody
// answered.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	cfg.setDefaults()
	if _, _, err := net.SplitHostPort(cfg.Addr); err != nil {
		return nil, fmt.Errorf("connect to Teleport at %q: %w", cfg.Addr, err)
	}
	loaded := stampOf(cfg.Identity, cfg.Cert, cfg.Key, cfg.CA)
	creds, err := loadCredentials(cfg)
	if err != nil {
		return nil, err
	}
	if err := checkValidity(creds, time.Now()); err != nil {
		return nil, err
	}
	l, err := newLink(ctx, cfg, creds)
	if err != nil {
		return nil, fmt.Errorf("connect to Teleport at %s: %w", cfg.Addr, dialError(ctx, cfg, err))
	}
	c := &Client{cfg: cfg, creds: creds, loaded: loaded, large: make(chan struct{}, 1)}
	c.current.Store(l)
	// The context of Dial only bounds Dial; what runs beside the calls ends with Close.
	background, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.startRefresh(background)
	c.background.Go(func() { c.watch(background) })
	return c, nil
}

func (cfg *Config) setDefaults() {
	or := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	or(&cfg.Follow, 10*time.Second)
	or(&cfg.DialTimeout, 30*time.Second)
	or(&cfg.CallTimeout, 5*time.Minute)
	or(&cfg.StallTimeout, 10*time.Minute)
	or(&cfg.AwayLimit, 2*time.Minute)
	if cfg.MaxReceive <= 0 {
		cfg.MaxReceive = 64 << 20
	}
	if cfg.MaxAlone <= 0 {
		cfg.MaxAlone = 256 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

func apiConfig(cfg Config, creds credentials) client.Config {
	return client.Config{
		Addrs:       []string{cfg.Addr},
		Credentials: []client.Credentials{creds},
		DialTimeout: cfg.DialTimeout,
		// The module's breaker answers 60 s of "no" after ten failures, also for
		// a server that is back after one second. Our callers back off already.
		CircuitBreakerConfig: breaker.NoopBreakerConfig(),
		DialOpts: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(cfg.MaxReceive)),
			// gRPC's own ceiling is two minutes between attempts: too long to
			// wait for a cluster that restarted.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 15 * time.Second},
				MinConnectTimeout: 20 * time.Second,
			}),
		},
	}
}

// startRefresh reads the credentials again until ctx ends: every Refresh, or when the
// files have changed.
func (c *Client) startRefresh(ctx context.Context) {
	interval := c.cfg.Refresh
	if interval <= 0 {
		interval = c.cfg.Follow
	}
	c.background.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		last, stamp := "", c.loaded
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := c.stamp()
			if changed := now != stamp; changed || c.cfg.Refresh > 0 {
				stamp, last = now, c.reload(changed, last)
			}
		}
	})
}

func (c *Client) stamp() string { return stampOf(c.cfg.Identity, c.cfg.Cert, c.cfg.Key, c.cfg.CA) }

// reload reads the credentials again and returns what went wrong; the same fault as
// the last time is not logged again.
func (c *Client) reload(changed bool, last string) string {
	err := c.creds.Reload()
	if err == nil {
		if changed || last != "" {
			c.cfg.Log.Info("the Teleport credentials were read again")
		}
		return ""
	}
	if text := err.Error(); text != last {
		c.cfg.Log.Error("failed to refresh the Teleport credentials, the old ones stay in use", "error", text)
	}
	return err.Error()
}

// Expiry is when the credentials in use end; false when that is not known.
func (c *Client) Expiry() (time.Time, bool) { return c.creds.Expiry() }

// Close ends the connection and every stream on it.
func (c *Client) Close() error {
	c.stop()
	c.background.Wait()
	if err := c.current.Load().api.Close(); err != nil {
		return fmt.Errorf("close teleport connection: %w", err)
	}
	return nil
}

var errStalled = errors.New("nothing came for too long")

// streamOf is the receiving half of a gRPC stream.
type streamOf[T any] interface{ Recv() (*T, error) }

// receive yields what a stream brings. However the loop over it ends, the
// stream is cancelled, so that the server forgets it. A stream that brings
// nothing for stall is given up; the time that the loop's body takes does not
// count.
func receive[T any](ctx context.Context, stall time.Duration, open func(context.Context) (streamOf[T], error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		streamCtx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		watch := time.AfterFunc(stall, func() { cancel(errStalled) })
		defer watch.Stop()
		s, err := open(streamCtx)
		for err == nil {
			var v *T
			watch.Reset(stall)
			v, err = s.Recv()
			watch.Stop()
			if err == nil && !yield(v, nil) {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if errors.Is(context.Cause(streamCtx), errStalled) && ctx.Err() == nil {
			err = fmt.Errorf("%w (%s)", errStalled, stall)
		}
		yield(nil, err)
	}
}
