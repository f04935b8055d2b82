package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
)

// inUnix is `source @type unix`: the forward protocol over a local socket, for
// loggers on the same machine.
type inUnix struct {
	*inForward
	path string
	ln   net.Listener
}

// NewUnix makes a unix source.
func NewUnix(env plugin.Env) plugin.Input {
	return &inUnix{inForward: NewForward(env).(*inForward)}
}

func (in *inUnix) Params(p *param.Set) {
	path := os.Getenv("FLUENT_SOCKET")
	if path == "" {
		path = "/var/run/fluent/fluent.sock"
	}
	p.String("path", &in.path, path, "The socket.")
	p.String("tag", &in.inForward.tag, "", "Give every event this tag.")
	p.Size("chunk_size_limit", &in.chunkLimit, 0, "Largest message; larger ones are dropped with a warning. 0 is the limit of 256m.")
	p.Int("max_connections", &in.maxConnections, 4096, "Connections open at one time; more wait to be accepted.")
	p.Int("backlog", &in.backlog, 0, backlogDoc)
	in.skipInvalid = true
}

// Check has nothing to hold: the parameters do not depend on each other.
func (in *inUnix) Check() error { return nil }

// Status is the source's snapshot.
func (in *inUnix) Status() status.Plugin { return in.tally.status() }

// Address is where the source listens.
func (in *inUnix) Address() string { return in.path }

// Listen makes the socket.
func (in *inUnix) Listen(ctx context.Context) (err error) {
	in.ln, err = in.listen(ctx)
	return err
}

// Run accepts connections until ctx ends.
func (in *inUnix) Run(ctx context.Context, e plugin.Emitter) error {
	ln := limitConnections(in.ln, in.maxConnections)
	return acceptAll(ctx, ln, in.env.Log, func(ctx context.Context, conn net.Conn) { in.serve(ctx, conn, e) })
}

func (in *inUnix) listen(ctx context.Context) (net.Listener, error) {
	if !in.env.Sockets.Holds("unix", in.path) {
		if err := os.MkdirAll(filepath.Dir(in.path), 0o755); err != nil { //nolint:gosec // other users' loggers must get there
			return nil, fmt.Errorf("make folder of the socket: %w", err)
		}
		if err := in.removeStale(ctx); err != nil {
			return nil, err
		}
	}
	return in.env.Sockets.Listen(ctx, "unix", in.path, in.backlog)
}

// removeStale removes a socket that an earlier process has left. One that somebody
// answers at, and what is no socket, stays.
func (in *inUnix) removeStale(ctx context.Context) error {
	e, err := os.Lstat(in.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the socket: %w", err)
	case e.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("listen on %s: there is a file that is no socket", in.path)
	}
	var d net.Dialer
	if conn, err := d.DialContext(ctx, "unix", in.path); err == nil {
		_ = conn.Close()
		return fmt.Errorf("listen on %s: another process listens there", in.path)
	}
	in.env.Log.Warn("Found existing '" + in.path + "'. Remove this file")
	return os.Remove(in.path)
}
