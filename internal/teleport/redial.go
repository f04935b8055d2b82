package teleport

import (
	"context"
	"time"

	"github.com/gravitational/teleport/api/client"
	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/grpc/connectivity"
)

// link is one connection of the module's, which reconnects the way that it once came.
type link struct {
	api   *client.Client
	audit auditlogpb.AuditLogServiceClient
}

func newLink(ctx context.Context, cfg Config, creds credentials) (*link, error) {
	api, err := client.New(ctx, apiConfig(cfg, creds))
	if err != nil {
		return nil, err
	}
	return &link{api, auditlogpb.NewAuditLogServiceClient(api.GetConnection())}, nil
}

// well reports that the link stands, or will when it is needed.
func (l *link) well() bool {
	state := l.api.GetConnection().GetState()
	return state == connectivity.Ready || state == connectivity.Idle
}

// longestAway bounds the pauses between two new links: each that hangs too leaves a
// connection behind until its other side goes.
const longestAway = 16 * time.Minute

// watch replaces a link that has been away for too long. A link comes back only by the
// way that it came first, which a cluster may give up. And the way through a proxy has
// a part without a limit of time: once SSH has let it in, the module waits for the
// answer to "lead me to the Auth service", and gRPC waits for the module and begins no
// other attempt. A proxy that lost that question would be waited for until it died.
func (c *Client) watch(ctx context.Context) {
	for limit := c.cfg.AwayLimit; ctx.Err() == nil; {
		if c.current.Load().well() {
			limit = c.cfg.AwayLimit
		}
		if !c.awayFor(ctx, limit) {
			continue
		}
		c.redial(ctx)
		limit = min(2*limit, max(longestAway, c.cfg.AwayLimit))
	}
}

// awayFor is true when the link has not been well for so long, and false as soon as it
// is well or was and has changed.
func (c *Client) awayFor(ctx context.Context, limit time.Duration) bool {
	l := c.current.Load()
	conn := l.api.GetConnection()
	if l.well() {
		conn.WaitForStateChange(ctx, conn.GetState())
		return false
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !l.well() {
		if !conn.WaitForStateChange(limited, conn.GetState()) {
			return ctx.Err() == nil
		}
	}
	return false
}

// redial looks for a way anew, as at the start. When there is none, calls go on to
// say what the old link says.
func (c *Client) redial(ctx context.Context) {
	fresh, err := newLink(ctx, c.cfg, c.creds)
	if err != nil {
		return
	}
	old := c.current.Load()
	if old.well() {
		_ = fresh.api.Close() // it came back meanwhile, and streams may be on it
		return
	}
	c.current.Store(fresh)
	_ = old.api.Close() // nothing was on it
	c.cfg.Log.Info("A new connection to Teleport takes the place of one that did not come back", "addr", c.cfg.Addr)
}
