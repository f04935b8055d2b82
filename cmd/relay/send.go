package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sluicelog/sluice/internal/relayctl"
)

// send is `relay send TAG [FILE]`.
func send(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var s relayctl.Send
	exited := -1
	parser, err := kong.New(&s, kong.Name("relay send"), kong.Description(relayctl.SendHelp), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }), kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if exited >= 0 {
		return exited // --help
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		err = s.Run(ctx, stdin, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	return 0
}
