package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// acceptAll serves each connection of ln on a goroutine of its own until ctx ends,
// and returns when all have ended. It closes ln. serve closes the connection.
func acceptAll(ctx context.Context, ln net.Listener, log *slog.Logger, serve func(context.Context, net.Conn)) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Out of descriptors, most likely: some will be free again.
			log.Warn("accept connection", "error", err)
			if pause(ctx, 50*time.Millisecond) != nil {
				return nil
			}
			continue
		}
		wg.Go(func() {
			defer conn.Close()
			serve(ctx, conn)
		})
	}
}

// backlogDoc is what the parameter of that name does.
const backlogDoc = "Connections that may wait to be accepted, no more than the system allows (net.core.somaxconn); 0 is as many as that."

// withWatch runs work with the files of TLS followed beside it.
func withWatch(ctx context.Context, watch, work func(context.Context) error) error {
	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- watch(watching) }()
	err := work(ctx)
	stop()
	<-watched
	return err
}
