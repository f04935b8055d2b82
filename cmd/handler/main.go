// Command handler takes the place of teleport-event-handler: it reads audit
// events and session recordings from a Teleport cluster and posts them, over
// mutual TLS, to a relay, a Fluentd or whatever else takes JSON over HTTP.
// Commands, flags, environment and TOML are upstream's; beside them stand the
// commands of whoever operates it: status, state, dead-letter, verify.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // images have no zone files

	"github.com/alecthomas/kong"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/handler"
)

var version = "dev" // set by the linker

// exitUsage is what kong, and so upstream, ends with after a wrong command line.
const exitUsage = 80

// stopGrace is how long a stop may take before the process is ended: posts in
// flight get most of it.
const stopGrace = 30 * time.Second

type commands struct {
	Config string `short:"c" env:"FDFWD_CONFIG" type:"existingfile" help:"TOML file with the options of start."`
	Debug  bool   `short:"d" env:"FDFWD_DEBUG" help:"Log every event's id and type."`

	Version    versionCmd            `cmd:"" help:"Print the version."`
	Configure  handler.ConfigureCmd  `cmd:"" help:"Make certificates and configuration files."`
	Start      handler.StartCmd      `cmd:"" help:"Forward events."`
	Status     handler.StatusCmd     `cmd:"" help:"Say how far the handler has got and whether it is well."`
	State      handler.StateCmd      `cmd:"" help:"Look at the state folder and change it."`
	DeadLetter handler.DeadLetterCmd `cmd:"" help:"Look at the events that the receiver refused, and send them again."`
	Verify     handler.VerifyCmd     `cmd:"" help:"Compare what Teleport has with what the bucket has."`
}

type versionCmd struct{}

// operation is a command that does its work and ends.
type operation interface {
	Operate(ctx context.Context, out io.Writer) error
}

func main() {
	os.Exit(command())
}

// command is the process: it stops in order at the first signal, and at once at
// the second.
func command() int {
	ctx, release := cli.StopContext(context.Background(), stopGrace, func(why string) {
		fmt.Fprintln(os.Stderr, "handler: ended by force:", why)
		os.Exit(1)
	})
	defer release()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// run is the command with its surroundings as arguments; it returns the exit
// code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name := filepath.Base(os.Args[0])
	l, code := parse(name, args, stdout, stderr)
	if l == nil {
		return code
	}
	selected := l.kong.Selected()
	switch strings.Fields(l.kong.Command())[0] {
	case "version":
		fmt.Fprintln(stdout, "Teleport event handler", cli.ReadBuild(version))
		return 0
	case "configure":
		l.Configure.Version = version
		if err := l.Configure.Run(ctx, stdin, stdout); err != nil {
			fmt.Fprintf(stderr, "%s: error: %s\n", name, shown(err))
			return 255
		}
		return 0
	case "start":
		return serve(ctx, l, args, stderr)
	}
	if o, ok := selected.Target.Addr().Interface().(operation); ok {
		if err := o.Operate(ctx, stdout); err != nil {
			fmt.Fprintf(stderr, "%s: error: %s\n", name, shown(err))
			return 1
		}
	}
	return 0
}

// line is a command line that was understood.
type line struct {
	commands
	kong *kong.Context
	file *handler.TOML // nil: none
}

// parse reads command line, file and environment. A nil line is the end, with
// the exit code: after --help, or after a message.
func parse(name string, args []string, stdout, stderr io.Writer) (*line, int) {
	refuse := func(err error) (*line, int) {
		fmt.Fprintf(stderr, "%s: error: %s\n", name, shown(err))
		return nil, exitUsage
	}
	l := &line{}
	var err error
	if l.file, err = configFile(args); err != nil {
		return refuse(err)
	}
	exited := -1
	options := []kong.Option{
		kong.Name(name), kong.Description("Forwards Teleport's audit log to external sources."), kong.ShortUsageOnError(),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
	}
	if l.file != nil {
		options = append(options, kong.Resolvers(l.file))
	}
	parser, err := kong.New(&l.commands, options...)
	if err != nil {
		return refuse(err)
	}
	l.kong, err = parser.Parse(args)
	if exited >= 0 {
		return nil, exited // --help
	}
	if err != nil {
		parser.FatalIfErrorf(withForm(err))
		return nil, exitUsage
	}
	if strings.HasPrefix(l.kong.Command(), "start") {
		if err := l.Start.Check(); err != nil {
			return refuse(errors.Join(err, l.unknown()))
		}
	}
	return l, 0
}

// unknown says which keys of the file nothing reads: one of them is often what is
// missing.
func (l *line) unknown() error {
	if l.file == nil {
		return nil
	}
	var errs []error
	for _, key := range l.file.Unknown(l.kong.Model) {
		errs = append(errs, fmt.Errorf("%s: unknown key %s", l.Config, key))
	}
	return errors.Join(errs...)
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
