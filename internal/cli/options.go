package cli

import (
	"fmt"
	"slices"
	"strings"
)

// option is one option of the relay's command line.
type option struct {
	short   byte   // 0 for none
	long    string // "" for none
	value   string // name of the value; "" for none, "[X]" for one that may be left out
	doc     string // what it does; "" for one that --help leaves out
	set     func(r *Relay, value string)
	ignored string // why it does nothing here; "" for one that is quietly true anyway
	oneOf   []string
}

func (o option) optional() bool { return strings.HasPrefix(o.value, "[") }

// name is how people write it: "--workers", "-I".
func (o option) name() string {
	if o.long == "" {
		return "-" + string(rune(o.short))
	}
	return "--" + o.long
}

// Why options of Ruby and of Fluentd's process model do nothing.
const (
	noRuby    = "there is no Ruby here"
	noGems    = "there are no gems here; the plugins are built in"
	byManager = "the service manager keeps the relay running; write User=, Group= and UMask= in its unit"
	oneWorker = "one process uses all cores"
	rotate    = "rotate the file from outside and send USR1, or log to standard output"
)

// options is everything that `fluentd --help` of 1.19 lists (its Windows services
// left out), and what is ours.
var options = []option{
	{short: 'c', long: "config", value: "FILE", doc: "configuration (default $FLUENT_CONF, else " + defaultConfig + ")", set: func(r *Relay, v string) { r.Config = v }},
	{long: "config-file-type", value: "TYPE", doc: "yaml, v1 or guess, which goes by the file's name", oneOf: []string{"yaml", "yml", "v1", "guess"}, set: func(r *Relay, v string) { r.ConfigType = v }},
	{short: 'i', long: "inline-config", value: "TEXT", doc: "configuration text to put behind the file's", set: func(r *Relay, v string) { r.Inline = v }},
	{long: "dry-run", doc: "check the configuration and stop", set: func(r *Relay, _ string) { r.DryRun = true }},
	{long: "strict", doc: "unknown parameters and sections are errors, not warnings", set: func(r *Relay, _ string) { r.StrictConfig = true }},
	{long: "strict-config-value", doc: "numbers that are none are errors, not 0", set: func(r *Relay, _ string) { r.StrictValues = true }},
	{long: "show-plugin-config", value: "PLUGIN", doc: "print the parameters of a plugin, such as input:http", set: func(r *Relay, v string) { r.ShowPlugin = v }},

	{short: 'o', long: "log", value: "FILE", doc: "log to a file, not to standard output; USR1 opens it anew", set: func(r *Relay, v string) { r.LogPath = v }},
	{short: 'v', long: "verbose", doc: "log more: -v debug, -vv trace", set: func(r *Relay, _ string) { r.verbosity++ }},
	{short: 'q', long: "quiet", doc: "log less: -q warn, -qq error", set: func(r *Relay, _ string) { r.verbosity-- }},
	{long: "log-json", doc: "log as JSON", set: func(r *Relay, _ string) { r.LogJSON = true }},

	{long: "admin", value: "ADDR", doc: "address of health and metrics (default 127.0.0.1:24220), or off", set: func(r *Relay, v string) { r.Admin = v }},
	{long: "without-source", doc: "start without sources, to empty the buffers", set: func(r *Relay, _ string) { r.WithoutSource = true }},
	{long: "with-source-only", doc: "start only the sources, which fill the buffers", set: func(r *Relay, _ string) { r.WithSourceOnly = true }},
	{long: "version", doc: "print the version", set: func(r *Relay, _ string) { r.Version = true }},
	{short: 'h', long: "help", doc: "print this", set: func(r *Relay, _ string) { r.Help = true }},

	{short: 's', long: "setup", value: "[DIR]", ignored: "`handler configure` writes a configuration"},
	{short: 'd', long: "daemon", value: "PIDFILE", ignored: byManager},
	{long: "no-supervisor"},
	{long: "under-supervisor"},
	{long: "workers", value: "NUM", ignored: oneWorker},
	{long: "user", value: "USER", ignored: byManager},
	{long: "group", value: "GROUP", ignored: byManager},
	{long: "umask", value: "UMASK", ignored: "file_permission and dir_permission in <buffer> say the modes"},
	{long: "log-rotate-age", value: "AGE", ignored: rotate},
	{long: "log-rotate-size", value: "BYTES", ignored: rotate},
	{long: "log-event-verbose"},
	{long: "emit-error-log-interval", value: "SECONDS"},
	{long: "suppress-repeated-stacktrace", value: "[VALUE]"},
	{long: "suppress-config-dump", set: func(r *Relay, _ string) { r.SuppressDump = true }},
	{long: "use-v1-config"},
	{long: "use-v0-config", ignored: "configurations are read in the format of version 1"},
	{long: "enable-input-metrics"},
	{long: "disable-input-metrics"},
	{long: "enable-size-metrics"},
	{long: "disable-shared-socket"},
	{long: "conf-encoding", value: "ENCODING", ignored: "configurations are UTF-8"},
	{short: 'p', long: "plugin", value: "DIR", ignored: noRuby},
	{short: 'I', value: "DIR", ignored: noRuby},
	{short: 'r', value: "NAME", ignored: noRuby},
	{short: 'g', long: "gemfile", value: "GEMFILE", ignored: noGems},
	{short: 'G', long: "gem-path", value: "DIR", ignored: noGems},
}

// findLong takes a whole name, or the beginning of exactly one.
func findLong(name string) (option, error) {
	var found []option
	for _, o := range options {
		switch {
		case o.long == "" || name == "":
		case o.long == name:
			return o, nil
		case strings.HasPrefix(o.long, name):
			found = append(found, o)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) > 1 {
		return option{}, fmt.Errorf("--%s may mean %s or %s", name, found[0].name(), found[1].name())
	}
	return option{}, fmt.Errorf("unknown option --%s", name)
}

func findShort(letter byte) (option, error) {
	i := slices.IndexFunc(options, func(o option) bool { return o.short != 0 && o.short == letter })
	if i < 0 {
		return option{}, fmt.Errorf("unknown option -%c", letter)
	}
	return options[i], nil
}

// RelayHelp is what --help prints.
func RelayHelp() string {
	var b strings.Builder
	b.WriteString(`usage: relay [options]
       relay check [--strict] [--handler FILE.toml]... FILE...
       relay buffer COMMAND DIR [ID]...
       relay send TAG [FILE] [--http URL | --forward HOST:PORT] ...

Takes events in by HTTP and the forward protocol, keeps them on disk, and writes
them to S3 and other outputs, as Fluentd does with the same configuration file.

`)
	for _, o := range options {
		if o.doc == "" {
			continue
		}
		names := "    " + o.name()
		if o.short != 0 {
			names = fmt.Sprintf("-%c, %s", o.short, o.name())
		}
		if o.value != "" {
			names += " " + o.value
		}
		fmt.Fprintf(&b, "  %-30s %s\n", names, o.doc)
	}
	b.WriteString(`
Signals: TERM and INT stop; HUP and USR2 take the configuration anew, and keep the
old one when the new one is wrong; USR1 flushes the buffers and opens the log file
anew.

Fluentd's other options are accepted, too; one that has no effect here is named in
the log, with the reason.
`)
	return b.String()
}
