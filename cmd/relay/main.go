// Command relay takes the place of Fluentd between Teleport's event handler and
// an S3 bucket: it reads the same fluent.conf and takes the same command line.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	_ "time/tzdata" // images have no zone files

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/relay"
	"github.com/sluicelog/sluice/internal/relayctl"
)

var version = "dev" // set by the linker

func main() {
	limitMemory()
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "check":
			return check(args[1:], stdout, stderr)
		case "buffer":
			return bufferCommand(args[1:], stdout, stderr)
		case "send":
			return send(ctx, args[1:], os.Stdin, stdout, stderr)
		case "reference":
			return reference(args[1:], stderr)
		}
	}
	return serve(ctx, args, stdout, stderr)
}

const checkUsage = `usage: relay check [--strict] [--handler FILE.toml]... FILE...

Says everything that is wrong or suspicious in configuration files, with place
and cure, and starts nothing. With --handler it also tells when a URL in the event
handler's configuration has a tag that nothing takes; with --strict warnings count
as errors. The exit code is 1 when there is an error.
`

func check(args []string, stdout, stderr io.Writer) int {
	c := relayctl.Check{Options: quietOptions()}
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-h" || arg == "--help":
			fmt.Fprint(stdout, checkUsage)
			return 0
		case arg == "--strict":
			c.Strict = true
		case arg == "--handler" && i+1 < len(args):
			i++
			c.Handler = append(c.Handler, args[i])
		case strings.HasPrefix(arg, "--handler="):
			c.Handler = append(c.Handler, strings.TrimPrefix(arg, "--handler="))
		case strings.HasPrefix(arg, "-"):
			fmt.Fprintf(stderr, "relay: error: unknown option %s\n\n%s", arg, checkUsage)
			return 1
		default:
			c.Files = append(c.Files, arg)
		}
	}
	if len(c.Files) == 0 {
		fmt.Fprintf(stderr, "relay: error: no file to check\n\n%s", checkUsage)
		return 1
	}
	return c.Run(stdout)
}

// bufferCommand is `relay buffer ls DIR` and its neighbours.
func bufferCommand(args []string, stdout, stderr io.Writer) int {
	b := relayctl.Buffer{Out: stdout}
	var words []string
	for _, arg := range args {
		switch arg {
		case "--json":
			b.JSON = true
		case "--yes", "-y":
			b.Yes = true
		case "-h", "--help":
			fmt.Fprint(stdout, relayctl.BufferUsage)
			return 0
		default:
			words = append(words, arg)
		}
	}
	if len(words) < 2 {
		fmt.Fprint(stderr, relayctl.BufferUsage)
		return 1
	}
	if err := b.Run(words[0], words[1], words[2:]); err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	return 0
}

// reference writes docs/reference; it is what `make docs` runs.
func reference(args []string, stderr io.Writer) int {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		fmt.Fprintln(stderr, "usage: relay reference DIR")
		return 1
	}
	o := quietOptions()
	if err := relayctl.WriteReference(args[0], relayctl.Reference(o.Table, relay.DescribeEnv(o))); err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	return 0
}

func quietOptions() relay.Options {
	return relay.Options{Table: relay.Plugins(), Log: slog.New(slog.DiscardHandler), Metrics: metrics.New()}
}

// serve is what Fluentd's command does.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, err := cli.ParseRelay(args)
	if err != nil {
		fmt.Fprintf(stderr, "relay: error: %s\nrelay: hint: relay --help lists the options\n", err)
		return 1
	}
	switch {
	case flags.Help:
		fmt.Fprint(stdout, cli.RelayHelp())
		return 0
	case flags.Version:
		fmt.Fprintf(stdout, "relay %s (%s)\n", strings.TrimPrefix(version, "v"), runtime.Version())
		return 0
	}
	if flags.ShowPlugin != "" {
		return showPlugin(flags.ShowPlugin, stdout, stderr)
	}
	return serveConfig(ctx, flags, stdout, stderr)
}

func showPlugin(name string, stdout, stderr io.Writer) int {
	o := quietOptions()
	if err := relayctl.ShowPlugin(stdout, o.Table, relay.DescribeEnv(o), name); err != nil {
		fmt.Fprintln(stderr, "relay: error:", err)
		return 1
	}
	return 0
}

func sourceOf(f *cli.Relay) relay.Source {
	src := relay.Source{Path: f.Config, Inline: f.Inline, Format: formatOf(f.ConfigType), IncludeDir: defaultIncludeDir}
	if dir, ok := os.LookupEnv("FLUENT_CONF_INCLUDE_DIR"); ok {
		src.IncludeDir = dir
	}
	return src
}

// defaultIncludeDir is where Fluentd looks for more files.
const defaultIncludeDir = "/etc/fluent/conf.d"

func formatOf(name string) conf.Format {
	switch name {
	case "yaml", "yml":
		return conf.YAML
	case "v1":
		return conf.Classic
	}
	return conf.Guess
}
