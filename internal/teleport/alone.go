package teleport

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"google.golang.org/grpc"
)

// A reply above Config.MaxReceive is refused by gRPC before it is in memory. One that
// holds a single event is asked for once more, alone, up to Config.MaxAlone: no other
// such reply is on its way at the same time, so that memory stays bounded.

// isOverLimit reports that a reply was refused for its length, and not for another
// limit of the cluster's, such as one of its rate.
func isOverLimit(err error) bool {
	return IsTooLarge(err) && strings.Contains(err.Error(), "larger than max")
}

// alone runs call with the larger limit when no other does.
func (c *Client) alone(ctx context.Context, call func(...grpc.CallOption) error) error {
	select {
	case c.large <- struct{}{}:
		defer func() { <-c.large }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := call(grpc.MaxCallRecvMsgSize(c.cfg.MaxAlone))
	if isOverLimit(err) {
		return fmt.Errorf("one event is longer than can be received, %d MiB: %w", c.cfg.MaxAlone>>20, err)
	}
	return err
}

// opener begins a stream behind what was taken of it so far.
type opener[T any] func(context.Context, ...grpc.CallOption) (streamOf[T], error)

// receiveAny yields what a stream brings. For an element over the limit the stream is
// opened anew, for that element alone, and then again for what follows it. taken is
// told of each element; it is false when a stream can not begin behind that one.
func receiveAny[T any](ctx context.Context, c *Client, open opener[T], taken func(*T) bool) iter.Seq2[*T, error] {
	usual := func(ctx context.Context) (streamOf[T], error) { return open(ctx) }
	return func(yield func(*T, error) bool) {
		for resumable := true; ; {
			large := error(nil)
			for item, err := range receive(ctx, c.cfg.StallTimeout, usual) {
				if large = err; resumable && isOverLimit(err) {
					break
				}
				if err == nil {
					resumable = taken(item)
				}
				if !yield(item, err) || err != nil {
					return
				}
			}
			if large == nil {
				return
			}
			item, err := receiveOne(ctx, c, open)
			if err == nil {
				resumable = taken(item)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// errVanished says that an element which was there is not any more.
var errVanished = errors.New("the element over the limit is gone")

// receiveOne is the first element of a stream, of any length up to the larger limit.
func receiveOne[T any](ctx context.Context, c *Client, open opener[T]) (item *T, err error) {
	err = c.alone(ctx, func(o ...grpc.CallOption) error {
		for first, err := range receive(ctx, c.cfg.StallTimeout, func(ctx context.Context) (streamOf[T], error) { return open(ctx, o...) }) {
			item = first
			return err
		}
		return errVanished
	})
	return item, err
}
