// Package handler takes Teleport's audit events and session recordings out of
// the cluster and sends them on, each until it is acknowledged.
//
// One goroutine reads (a source: search pages or bulk chunks), a bounded number
// of senders post, and the cursor on disk moves to the lowest event that is not
// acknowledged yet. Nothing else decides what is done: a crash at any moment
// costs at most a repeat of what was in flight, and the receiver knows those by
// their ids.
//
// Commands, flags, environment, TOML and the state folder are those of
// Teleport's own event handler, so that either can take the other's place.
package handler

import (
	"context"
	"time"
)

// Read is one event on its way: as it was read, and where it stands in its
// source. The source that made it knows it again when it is acknowledged.
type Read struct {
	Type  string
	ID    string // the uid, or a hash of the body
	Time  time.Time
	Index int64
	SID   string // session.upload only: whose recording can be fetched now
	Body  []byte // compact JSON, one object
	Login Login  // user.login only
	place any    // the source's own
}

// Login is what locking needs of a user.login event.
type Login struct {
	Failed               bool
	User, Login, Cluster string
}

// source reads audit events. Run blocks until ctx ends, or, when it was told to
// exit on the last event, until there is nothing new. It calls deliver for each
// event in order; deliver blocks while too much is under way. Ack may be called
// from any goroutine, in any order; the cursor on disk never passes an event that
// was read and not acknowledged.
type source interface {
	Run(ctx context.Context, deliver func(context.Context, *Read) error) error
	Ack(*Read)
	// Close writes down what was acknowledged since Run ended.
	Close() error
}
