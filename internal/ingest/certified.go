package ingest

import (
	"context"
	"errors"
	"net"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// certified passes on what a client sends that has shown a certificate: only under
// tags that its <client_cert> rules allow, and with its subject in each record where
// that is asked for.
type certified struct {
	plugin.Emitter
	conn     net.Conn
	key      string // add_client_cert_subject
	optional bool   // who shows none has shown a secret, see auths
}

// errNoPeer should not happen: a listener that asks for certificates lets nobody in
// without one.
var errNoPeer = errors.New("the client's certificate is not known")

// certify wraps e for one connection, if its client must show a certificate.
func certify(t *tlsconf.Server, conn net.Conn, e plugin.Emitter) plugin.Emitter {
	if !t.AsksClients() {
		return e
	}
	return &certified{e, conn, t.SubjectKey(), t.ClientsOptional}
}

// Emit implements plugin.Emitter. It returns a [tlsconf.TagError] for a tag that is
// not the client's to send.
func (c *certified) Emit(ctx context.Context, tag string, es event.Stream) error {
	peer := tlsconf.PeerOf(c.conn) // known since something was read
	if peer == nil && c.optional {
		return c.Emitter.Emit(ctx, tag, es)
	}
	if peer == nil {
		return errNoPeer
	}
	if err := peer.MaySend(tag); err != nil {
		return err
	}
	if c.key != "" {
		for i := range es {
			es[i].Record.Set(c.key, peer.Subject)
		}
	}
	return c.Emitter.Emit(ctx, tag, es)
}
