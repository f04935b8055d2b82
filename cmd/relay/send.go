package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/sluicelog/sluice/internal/relayctl"
)

// send is `relay send TAG [FILE]`.
func send(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s, err := relayctl.ParseSend(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		// A signal ends the process as it ends any: nothing could wake what waits for
		// standard input, and there is nothing to clean up.
		err = s.Run(ctx, stdin, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	return 0
}
