package cli

import (
	"fmt"
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
	LogPath                       string // -o; "" and "-" are standard output
	LogJSON                       bool
	Admin                         string // --admin
	DryRun                        bool
	StrictConfig                  bool // --strict: unknown parameters are errors
	StrictValues                  bool // --strict-config-value: numbers that are none are errors
	WithoutSource, WithSourceOnly bool
	SuppressDump                  bool // --suppress-config-dump
	ShowPlugin                    string
	Help, Version                 bool
	Warnings                      []string // about options that are accepted and do nothing here

	verbosity int
}

// defaultConfig is where Fluentd looks.
const defaultConfig = "/etc/fluent/fluent.conf"

// ParseRelay reads the command line as Ruby's optparse does, so that commands
// written for Fluentd work: short options in bundles (-vv, -vcFILE), long ones
// with = or a blank before the value, and shortened as long as they stay the only
// one (--dry). What follows -- is left alone. FLUENT_CONF names the
// configuration when -c does not.
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
			err = fmt.Errorf("unexpected argument %q (a configuration file is named with -c)", arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Relay) long(arg string, rest []string) ([]string, error) {
	name, value, inline := strings.Cut(arg, "=")
	o, err := findLong(name)
	if err != nil {
		return nil, err
	}
	switch {
	case inline && o.value == "":
		return nil, fmt.Errorf("--%s takes no value", o.long)
	case inline || o.value == "":
	case o.optional():
		if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			value, rest = rest[0], rest[1:]
		}
	case len(rest) == 0:
		return nil, fmt.Errorf("--%s needs a value: --%s %s", o.long, o.long, o.value)
	default:
		value, rest = rest[0], rest[1:]
	}
	return rest, r.apply(o, value)
}

func (r *Relay) short(bundle string, rest []string) ([]string, error) {
	for bundle != "" {
		o, err := findShort(bundle[0])
		if err != nil {
			return nil, err
		}
		bundle = bundle[1:]
		value := ""
		if o.value != "" {
			// The rest of the bundle is the value: -cFILE.
			value, bundle = bundle, ""
			switch {
			case value != "" || o.optional() && (len(rest) == 0 || strings.HasPrefix(rest[0], "-")):
			case len(rest) == 0:
				return nil, fmt.Errorf("-%c needs a value: -%c %s", o.short, o.short, o.value)
			default:
				value, rest = rest[0], rest[1:]
			}
		}
		if err := r.apply(o, value); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// apply sets what an option says.
func (r *Relay) apply(o option, value string) error {
	if o.oneOf != nil && !slices.Contains(o.oneOf, value) {
		return fmt.Errorf("%s %s is none of %s", o.name(), value, strings.Join(o.oneOf, ", "))
	}
	if o.ignored != "" {
		r.Warnings = append(r.Warnings, o.name()+" is ignored: "+o.ignored)
	}
	if o.set != nil {
		o.set(r, value)
	}
	return nil
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
