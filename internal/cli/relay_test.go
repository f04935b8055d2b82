package cli

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseRelay(t *testing.T) {
	t.Setenv("FLUENT_CONF", "")
	for _, tc := range []struct {
		args string
		want func(r *Relay) bool
	}{
		{"", func(r *Relay) bool { return r.Config == "/etc/fluent/fluent.conf" }},
		{"-c a.conf", func(r *Relay) bool { return r.Config == "a.conf" }},
		{"-ca.conf -c b.conf", func(r *Relay) bool { return r.Config == "b.conf" }},
		{"--config=a.conf", func(r *Relay) bool { return r.Config == "a.conf" }},
		{"--config a.conf --dry-run", func(r *Relay) bool { return r.Config == "a.conf" && r.DryRun }},
		{"--inline x --dry", func(r *Relay) bool { return r.Inline == "x" && r.DryRun }},
		{"-vvc a.conf", func(r *Relay) bool { return r.verbosity == 2 && r.Config == "a.conf" }},
		{"-qqca.conf", func(r *Relay) bool { return r.verbosity == -2 && r.Config == "a.conf" }},
		{"-v -q", func(r *Relay) bool { _, set := r.Level(); return !set }},
		{"-o /var/log/x.log --log-json", func(r *Relay) bool { return r.LogPath == "/var/log/x.log" && r.LogJSON }},
		{"--strict", func(r *Relay) bool { return r.StrictConfig && !r.StrictValues }},
		{"--strict-config-value", func(r *Relay) bool { return !r.StrictConfig && r.StrictValues }},
		{"-i text --config-file-type yaml", func(r *Relay) bool { return r.Inline == "text" && r.ConfigType == "yaml" }},
		{"--admin off --with-source-only", func(r *Relay) bool { return r.Admin == "off" && r.WithSourceOnly }},
		{"--version -h", func(r *Relay) bool { return r.Version && r.Help }},
		{"-p /fluentd/plugins -r json -I lib -gGemfile -G gems", func(r *Relay) bool {
			return len(r.Warnings) == 5 && r.Warnings[0] == "--plugin is ignored: there is no Ruby here" && r.Warnings[1] == "-r is ignored: there is no Ruby here"
		}},
		{"--suppress-repeated-stacktrace true --no-supervisor -d /run/x.pid --workers 2", func(r *Relay) bool { return len(r.Warnings) == 2 }},
		{"--suppress-repeated-stacktrace -c a.conf", func(r *Relay) bool { return r.Config == "a.conf" }},
		{"-s -c a.conf", func(r *Relay) bool { return r.Config == "a.conf" && len(r.Warnings) == 1 }},
		{"-c a.conf -- whatever", func(r *Relay) bool { return r.Config == "a.conf" }},
	} {
		r, err := ParseRelay(strings.Fields(tc.args))
		if err != nil || !tc.want(r) {
			t.Errorf("%q: got %+v, %v", tc.args, r, err)
		}
	}
}

func TestParseRelayErrors(t *testing.T) {
	for args, want := range map[string]string{
		"--confg x":              "unknown option --confg",
		"--log- x":               "--log- may mean --log-json or --log-rotate-age",
		"-z":                     "unknown option -z",
		"-c":                     "-c needs a value: -c FILE",
		"--config":               "--config needs a value: --config FILE",
		"--dry-run=yes":          "--dry-run takes no value",
		"fluent.conf":            `unexpected argument "fluent.conf" (a configuration file is named with -c)`,
		"--config-file-type xml": "--config-file-type xml is none of yaml, yml, v1, guess",
	} {
		if _, err := ParseRelay(strings.Fields(args)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
}

func TestParseRelayEnvironment(t *testing.T) {
	t.Setenv("FLUENT_CONF", "/env.conf")
	if r, _ := ParseRelay(nil); r.Config != "/env.conf" {
		t.Errorf("got %s", r.Config)
	}
	if r, _ := ParseRelay([]string{"-c", "a"}); r.Config != "a" {
		t.Errorf("-c does not beat the environment: %s", r.Config)
	}
}

// Every option of `fluentd --help` is taken; the list is from the program, so that
// the table can not lose one.
func TestFluentdOptionsAreKnown(t *testing.T) {
	for name := range strings.FieldsSeq(`-s --setup -c --config --dry-run --show-plugin-config -p --plugin -I -r -d --daemon --under-supervisor
		--no-supervisor --workers --user --group --umask -o --log --log-rotate-age --log-rotate-size --log-event-verbose -i --inline-config
		--emit-error-log-interval --suppress-repeated-stacktrace --without-source --with-source-only --config-file-type --use-v1-config
		--use-v0-config --strict-config-value --enable-input-metrics --disable-input-metrics --enable-size-metrics -v --verbose -q --quiet
		--suppress-config-dump -g --gemfile -G --gem-path --conf-encoding --disable-shared-socket --version -h --help`) {
		known := slices.ContainsFunc(options, func(o option) bool {
			return name == "--"+o.long || len(name) == 2 && name[1] == o.short
		})
		if !known {
			t.Errorf("%s is not known", name)
		}
	}
	for _, o := range options {
		if o.doc != "" && o.ignored != "" || o.doc != "" && o.set == nil {
			t.Errorf("%s is listed in --help and does nothing", o.name())
		}
	}
}

func TestHelpFits(t *testing.T) {
	for line := range strings.Lines(RelayHelp()) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestRelayLevel(t *testing.T) {
	for n, want := range map[int]slog.Level{3: LevelTrace, 2: LevelTrace, 1: slog.LevelDebug, -1: slog.LevelWarn, -3: slog.LevelError} {
		if got, set := (&Relay{verbosity: n}).Level(); got != want || !set {
			t.Errorf("%d: got %v %v", n, got, set)
		}
	}
}

func TestLogFileReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.log")
	w, err := (&Relay{LogPath: path}).LogWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := w.(*LogFile)
	defer l.Close()
	_, _ = l.Write([]byte("one\n"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	_, _ = l.Write([]byte("two\n"))
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	_, _ = l.Write([]byte("three\n"))
	for file, want := range map[string]string{path + ".1": "one\ntwo\n", path: "three\n"} {
		if got, _ := os.ReadFile(file); string(got) != want {
			t.Errorf("%s holds %q", file, got)
		}
	}
	if out, _ := (&Relay{LogPath: "-"}).LogWriter(&bytes.Buffer{}); out == nil {
		t.Error("- is not standard output")
	}
}

func FuzzParseRelay(f *testing.F) {
	f.Add("-vvc a.conf --log=x -- y")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseRelay(strings.Split(line, " "))
		if (r == nil) == (err == nil) {
			t.Fatalf("got %v, %v", r, err)
		}
	})
}
