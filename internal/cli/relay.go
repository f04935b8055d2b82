package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// Relay is the relay's command line, which is Fluentd's.
type Relay struct {
	Config                        string // -c, --config; FLUENT_CONF
	ConfigType                    string // --config-file-type: yaml, yml, v1, guess
	Inline                        string // -i
	LogPath                       string // -o
	LogJSON                       bool
	Admin                         string // --admin
	DryRun                        bool
	StrictConfig                  bool
	WithoutSource, WithSourceOnly bool
	ShowPlugin                    string
	Help, Version                 bool
	Warnings                      []string // options that are accepted and do nothing

	verbosity int
}

// defaultConfig is where Fluentd looks.
const defaultConfig = "/etc/fluent/fluent.conf"

// flag is one option: short and long name, whether it takes a value, what it does.
type flag struct {
	short byte
	long  string
	value string // name of the value; "" for none
	doc   string
	set   func(r *Relay, value string)
}

func ignored(why string) func(*Relay, string) {
	return func(r *Relay, _ string) { r.Warnings = append(r.Warnings, why) }
}

// flags is the table of options; --help prints it.
var flags = []flag{
	{'c', "config", "FILE", "configuration file (default " + defaultConfig + ", or $FLUENT_CONF)", func(r *Relay, v string) { r.Config = v }},
	{0, "dry-run", "", "check the configuration and stop", func(r *Relay, _ string) { r.DryRun = true }},
	{0, "admin", "ADDR", "address of health and metrics (default 127.0.0.1:24220), or off", func(r *Relay, v string) { r.Admin = v }},
	{'o', "log", "FILE", "log to a file", func(r *Relay, v string) { r.LogPath = v }},
	{'v', "verbose", "", "log more: -v debug, -vv trace", func(r *Relay, _ string) { r.verbosity++ }},
	{'q', "quiet", "", "log less: -q warn, -qq error", func(r *Relay, _ string) { r.verbosity-- }},
	{'i', "inline-config", "TEXT", "configuration to add to the file's", func(r *Relay, v string) { r.Inline = v }},
	{0, "config-file-type", "TYPE", "yaml, v1 or guess (by the file's name)", func(r *Relay, v string) { r.ConfigType = v }},
	{0, "strict-config-value", "", "numbers that are none are errors", func(r *Relay, _ string) { r.StrictConfig = true }},
	{0, "strict", "", "unknown parameters are errors", func(r *Relay, _ string) { r.StrictConfig = true }},
	{0, "without-source", "", "run without sources, to empty the buffers", func(r *Relay, _ string) { r.WithoutSource = true }},
	{0, "with-source-only", "", "run only the sources", func(r *Relay, _ string) { r.WithSourceOnly = true }},
	{0, "show-plugin-config", "PLUGIN", "print the parameters of a plugin, as in input:http", func(r *Relay, v string) { r.ShowPlugin = v }},
	{0, "log-json", "", "log as JSON", func(r *Relay, _ string) { r.LogJSON = true }},
	{0, "version", "", "print the version", func(r *Relay, _ string) { r.Version = true }},
	{'h', "help", "", "print this", func(r *Relay, _ string) { r.Help = true }},

	{'d', "daemon", "PIDFILE", "", ignored("--daemon is ignored: the service manager keeps the relay running")},
	{0, "no-supervisor", "", "", func(*Relay, string) {}},
	{0, "under-supervisor", "", "", func(*Relay, string) {}},
	{0, "workers", "N", "", ignored("--workers is ignored: one process uses all cores")},
	{0, "user", "USER", "", ignored("--user is ignored: let the service manager choose the user")},
	{0, "group", "GROUP", "", ignored("--group is ignored: let the service manager choose the group")},
	{0, "umask", "MASK", "", ignored("--umask is ignored: file_permission and dir_permission say the modes")},
	{0, "log-rotate-age", "AGE", "", ignored("--log-rotate-age is ignored: rotate the file from outside, and send USR1")},
	{0, "log-rotate-size", "BYTES", "", ignored("--log-rotate-size is ignored: rotate the file from outside, and send USR1")},
	{0, "log-event-verbose", "", "", func(*Relay, string) {}},
	{0, "emit-error-log-interval", "SECONDS", "", func(*Relay, string) {}},
	{0, "suppress-repeated-stacktrace", "BOOL", "", func(*Relay, string) {}},
	{0, "suppress-config-dump", "", "", func(*Relay, string) {}},
	{0, "use-v1-config", "", "", func(*Relay, string) {}},
	{0, "use-v0-config", "", "", ignored("--use-v0-config is ignored: configurations are read as version 1")},
	{0, "enable-input-metrics", "", "", func(*Relay, string) {}},
	{0, "disable-input-metrics", "", "", func(*Relay, string) {}},
	{0, "enable-size-metrics", "", "", func(*Relay, string) {}},
	{0, "disable-shared-socket", "", "", func(*Relay, string) {}},
	{0, "conf-encoding", "NAME", "", ignored("--conf-encoding is ignored: configurations are UTF-8")},
	{'s', "setup", "DIR", "", ignored("--setup is ignored: handler configure writes a configuration")},
	{'p', "plugin", "DIR", "", ignored("-p is ignored: there are no Ruby plugins")},
	{'I', "", "DIR", "", ignored("-I is ignored: there is no Ruby")},
	{'r', "", "NAME", "", ignored("-r is ignored: there is no Ruby")},
	{'g', "gemfile", "FILE", "", ignored("-g is ignored: there are no gems")},
	{'G', "gem-path", "DIR", "", ignored("-G is ignored: there are no gems")},
}

// RelayHelp is what --help prints.
func RelayHelp() string {
	var b strings.Builder
	b.WriteString("usage: relay [options]\n       relay check FILE...\n\n")
	b.WriteString("Takes events in by HTTP and the forward protocol, keeps them on disk, and writes\nthem to S3 and other outputs, as Fluentd does with the same configuration file.\n\n")
	for _, f := range flags {
		if f.doc == "" {
			continue
		}
		names := "    --" + f.long
		if f.short != 0 {
			names = "-" + string(f.short) + ", --" + f.long
		}
		if f.value != "" {
			names += " " + f.value
		}
		fmt.Fprintf(&b, "  %-30s %s\n", names, f.doc)
	}
	b.WriteString("\nFluentd's other options are accepted; those that mean nothing here say so in the log.\n")
	return b.String()
}

// ParseRelay reads the command line: short options in bundles (-vv, -cFILE), long
// ones with = or a blank, as Ruby's optparse has them.
func ParseRelay(args []string) (*Relay, error) {
	r := &Relay{Config: defaultConfig}
	if env := os.Getenv("FLUENT_CONF"); env != "" {
		r.Config = env
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			return r, nil
		case strings.HasPrefix(arg, "--"):
			args, err = r.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = r.short(arg[1:], args)
		default:
			err = fmt.Errorf("unexpected argument %q", arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Relay) long(arg string, rest []string) ([]string, error) {
	name, value, inline := strings.Cut(arg, "=")
	i := slices.IndexFunc(flags, func(f flag) bool { return f.long != "" && f.long == name })
	if i < 0 {
		return nil, fmt.Errorf("invalid option: --%s", name)
	}
	f := flags[i]
	switch {
	case f.value == "" && inline:
		return nil, fmt.Errorf("--%s takes no value", name)
	case f.value != "" && !inline:
		if len(rest) == 0 {
			return nil, fmt.Errorf("missing argument: --%s %s", name, f.value)
		}
		value, rest = rest[0], rest[1:]
	}
	f.set(r, value)
	return rest, nil
}

func (r *Relay) short(bundle string, rest []string) ([]string, error) {
	for bundle != "" {
		i := slices.IndexFunc(flags, func(f flag) bool { return f.short == bundle[0] })
		if i < 0 {
			return nil, fmt.Errorf("invalid option: -%c", bundle[0])
		}
		f := flags[i]
		bundle = bundle[1:]
		if f.value == "" {
			f.set(r, "")
			continue
		}
		value := bundle
		if value == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("missing argument: -%c %s", f.short, f.value)
			}
			value, rest = rest[0], rest[1:]
		}
		f.set(r, value)
		break
	}
	return rest, nil
}

// Level is the log level of -v and -q; ok is false when neither was given.
func (r *Relay) Level() (level slog.Level, ok bool) {
	switch {
	case r.verbosity >= 2:
		return LevelTrace, true
	case r.verbosity == 1:
		return slog.LevelDebug, true
	case r.verbosity == -1:
		return slog.LevelWarn, true
	case r.verbosity <= -2:
		return slog.LevelError, true
	}
	return slog.LevelInfo, false
}

// LogWriter is the file of -o, else stdout.
func (r *Relay) LogWriter(stdout io.Writer) (io.Writer, error) {
	if r.LogPath == "" || r.LogPath == "-" {
		return stdout, nil
	}
	f, err := os.OpenFile(r.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640) //nolint:gosec // logs are read by groups
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return f, nil
}
