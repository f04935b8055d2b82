// Command handler takes the place of teleport-event-handler: it reads audit
// events and session recordings from a Teleport cluster and posts them, over
// mutual TLS, to a relay, a Fluentd or whatever else takes JSON over HTTP.
// Commands, flags, environment and TOML are upstream's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/handler"
	"github.com/sluicelog/sluice/internal/metrics"
)

var version = "dev" // set by the linker

// exitUsage is what kong, and so upstream, ends with after a wrong command line.
const exitUsage = 80

type commands struct {
	Config string `short:"c" env:"FDFWD_CONFIG" type:"existingfile" help:"TOML file with the options of start."`
	Debug  bool   `short:"d" env:"FDFWD_DEBUG" help:"Log every event's id and type."`

	Version   versionCmd           `cmd:"" help:"Print the version."`
	Configure handler.ConfigureCmd `cmd:"" help:"Make certificates and configuration files."`
	Start     handler.StartCmd     `cmd:"" help:"Forward events."`
}

type versionCmd struct{}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments; it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name := filepath.Base(os.Args[0])
	var c commands
	file, err := configFile(args)
	if err != nil {
		fmt.Fprintf(stderr, "%s: error: %s\n", name, err)
		return exitUsage
	}
	exited := -1
	options := []kong.Option{
		kong.Name(name), kong.Description("Forwards Teleport's audit log to external sources."), kong.UsageOnError(),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
	}
	if file != nil {
		options = append(options, kong.Resolvers(file))
	}
	parser, err := kong.New(&c, options...)
	if err != nil {
		fmt.Fprintf(stderr, "%s: error: %s\n", name, err)
		return exitUsage
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return exitUsage
	}
	switch strings.Fields(k.Command())[0] {
	case "version":
		fmt.Fprintf(stdout, "%s v%s %s\n", "Teleport event handler", strings.TrimPrefix(version, "v"), runtime.Version())
		return 0
	case "configure":
		c.Configure.Version = version
		if err := c.Configure.Run(ctx, stdin, stdout); err != nil {
			fmt.Fprintf(stderr, "%s: error: %s\n", name, err)
			return 255
		}
		return 0
	}
	return start(ctx, &c, parser, file, stderr)
}

func start(ctx context.Context, c *commands, parser *kong.Kong, file *handler.TOML, stderr io.Writer) int {
	if err := c.Start.Check(); err != nil {
		fmt.Fprintf(stderr, "%s: error: %s\n", parser.Model.Name, err)
		return exitUsage
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(cli.NewHandlerLog(stderr, level, c.Start.LogFormat == "json"))
	if file != nil {
		for _, key := range file.Unknown(parser.Model) {
			log.Warn("Unknown key in the configuration file is ignored", "file", c.Config, "key", key)
		}
	}
	err := c.Start.Run(ctx, log, metrics.New())
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Error("Terminating with fatal error...", "error", err)
		return 1
	}
	log.Info("Successfully shut down")
	return 0
}

// configFile loads the TOML file that -c, --config or FDFWD_CONFIG names. Kong
// would ask for its values before it has read the flag.
func configFile(args []string) (*handler.TOML, error) {
	path := os.Getenv("FDFWD_CONFIG")
	for i, arg := range args {
		switch value, inline := strings.CutPrefix(arg, "--config="); {
		case inline:
			path = value
		case (arg == "-c" || arg == "--config") && i+1 < len(args):
			path = args[i+1]
		case strings.HasPrefix(arg, "-c") && !strings.HasPrefix(arg, "--") && len(arg) > 2:
			path = strings.TrimPrefix(arg[2:], "=")
		}
	}
	if path == "" {
		return nil, nil
	}
	return handler.LoadTOML(path)
}
