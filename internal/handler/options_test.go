package handler

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// upstreamOptions are upstream's options of start: default, a value as it is given,
// what the value is, environment (the name that counts first stands first), and keys
// of the TOML file.
var upstreamOptions = []struct {
	flag, def, value, want string
	env, toml              string
}{
	{"fluentd-url", "[]", "http://h/t", "[http://h/t]", "FDFWD_FLUENTD_URL", "forward.fluentd.url"},
	{"fluentd-session-url", "", "http://h/s", "http://h/s", "FDFWD_FLUENTD_SESSION_URL", "forward.fluentd.session-url forward.fluentd.session.url"},
	{"fluentd-cert", "", "FILE", "FILE", "FDWRD_FLUENTD_CERT FDFWD_FLUENTD_CERT", "forward.fluentd.cert"},
	{"fluentd-key", "", "FILE", "FILE", "FDWRD_FLUENTD_KEY FDFWD_FLUENTD_KEY", "forward.fluentd.key"},
	{"fluentd-ca", "", "FILE", "FILE", "FDWRD_FLUENTD_CA FDFWD_FLUENTD_CA", "forward.fluentd.ca"},
	{"fluentd-max-connections", "0", "7", "7", "FDWRD_MAX_CONNECTIONS FDFWD_MAX_CONNECTIONS", "forward.fluentd.max-connections forward.fluentd.max.connections"},
	{"teleport-addr", "localhost:3025", "t:1", "t:1", "FDFWD_TELEPORT_ADDR", "teleport.addr teleport-addr"},
	{"teleport-identity", "", "FILE", "FILE", "FDFWD_TELEPORT_IDENTITY", "teleport.identity"},
	{"teleport-ca", "", "FILE", "FILE", "FDFWD_TELEPORT_CA", "teleport.ca"},
	{"teleport-cert", "", "FILE", "FILE", "FDWRD_TELEPORT_CERT FDFWD_TELEPORT_CERT", "teleport.cert"},
	{"teleport-key", "", "FILE", "FILE", "FDFWD_TELEPORT_KEY", "teleport.key"},
	{"teleport-refresh-enabled", "false", "true", "true", "FDFWD_TELEPORT_REFRESH_ENABLED", "teleport.refresh.enabled"},
	{"teleport-refresh-interval", "1m0s", "3s", "3s", "FDFWD_TELEPORT_REFRESH_INTERVAL", "teleport.refresh.interval"},
	{"storage", "", "st", "st", "FDFWD_STORAGE", "storage"},
	{"batch", "20", "3", "3", "FDFWD_BATCH", "batch"},
	{"types", "[]", "a,b", "[a b]", "FDFWD_TYPES", "types"},
	{"skip-event-types", "[]", "a,b", "[a b]", "FDFWD_SKIP_EVENT_TYPES", "skip-event-types skip.event.types"},
	{"skip-session-types", "[print desktop.recording]", "a,b", "[a b]", "FDFWD_SKIP_SESSION_TYPES", "skip-session-types skip.session.types"},
	{"start-time", "<nil>", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05 +0000 UTC", "FDFWD_START_TIME", "start-time"},
	{"timeout", "5s", "7s", "7s", "FDFWD_TIMEOUT", "timeout"},
	{"window-size", "24h0m0s", "2h", "2h0m0s", "FDFWD_WINDOW_SIZE", "window-size window.size"},
	{"concurrency", "5", "2", "2", "FDFWD_CONCURRENCY", "concurrency"},
	{"dry-run", "false", "true", "true", "FDFWD_DRY_RUN", "dry-run dry.run"},
	{"exit-on-last-event", "false", "true", "true", "FDFWD_EXIT_ON_LAST_EVENT", "exit-on-last-event"},
	{"lock-enabled", "false", "true", "true", "FDFWD_LOCKING_ENABLED", "lock-enabled lock.enabled"},
	{"lock-failed-attempts-count", "3", "9", "9", "FDFWD_LOCKING_FAILED_ATTEMPTS", "lock-failed-attempts-count"},
	{"lock-period", "1m0s", "5m", "5m0s", "FDFWD_LOCKING_PERIOD", "lock-period lock.period"},
	{"lock-for", "0s", "1h", "1h0m0s", "FDFWD_LOCKING_FOR", "lock-for lock.for"},
}

// parseStart gives the value of one flag of start, as it is printed.
func parseStart(t *testing.T, flag, tomlText string, args ...string) string {
	t.Helper()
	var c struct {
		Start StartCmd `cmd:""`
	}
	var options []kong.Option
	if tomlText != "" {
		path := filepath.Join(t.TempDir(), "c.toml")
		if err := os.WriteFile(path, []byte(tomlText), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := LoadTOML(path)
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, kong.Resolvers(file))
		defer func() {
			if unknown := file.Unknown(mustKong(t, &c).Model); len(unknown) > 0 {
				t.Errorf("%q is called unknown", unknown)
			}
		}()
	}
	if _, err := mustKong(t, &c, options...).Parse(append([]string{"start"}, args...)); err != nil {
		t.Fatalf("%s: %v", flag, err)
	}
	for _, flags := range allFlags(mustKong(t, &c).Model) {
		for _, f := range flags {
			if f.Name != flag {
				continue
			}
			if start := c.Start.StartTime; flag == "start-time" && start != nil {
				return fmt.Sprint(*start)
			}
			return fmt.Sprint(f.Target.Interface())
		}
	}
	t.Fatalf("there is no flag %s", flag)
	return ""
}

func mustKong(t *testing.T, c any, options ...kong.Option) *kong.Kong {
	t.Helper()
	k, err := kong.New(c, options...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestUpstreamOptions: every option of upstream's is there, by flag, by each name in
// the environment and by each key of the file, with upstream's default.
func TestUpstreamOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range upstreamOptions {
		t.Run(o.flag, func(t *testing.T) {
			value, want := strings.ReplaceAll(o.value, "FILE", file), strings.ReplaceAll(o.want, "FILE", file)
			check := func(how, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %s, want %s", how, got, want)
				}
			}
			check("default", parseStart(t, o.flag, ""), o.def)
			check("flag", parseStart(t, o.flag, "", "--"+o.flag+"="+value), want)
			for _, key := range strings.Fields(o.toml) {
				check("file, "+key, parseStart(t, o.flag, fmt.Sprintf("%s = %q\n", key, value)), want)
			}
			names := strings.Fields(o.env)
			for i := len(names) - 1; i >= 0; i-- { // the older name last: it counts even beside the newer
				if i < len(names)-1 {
					t.Setenv(names[i+1], o.def)
				}
				t.Setenv(names[i], value)
				check("environment, "+names[i], parseStart(t, o.flag, ""), want)
			}
		})
	}
}

// TestTOMLValues are read as upstream reads them.
func TestTOMLValues(t *testing.T) {
	for text, c := range map[string]struct{ flag, want string }{
		`types = ["a", "b"]`:                         {"types", "[a b]"},
		`skip-session-types = []`:                    {"skip-session-types", "[]"},
		`batch = "12"`:                               {"batch", "12"},
		`batch = 7.5`:                                {"batch", "8"},
		`dry-run = 1`:                                {"dry-run", "true"},
		`dry-run = "yes"`:                            {"dry-run", "true"},
		`dry-run = false`:                            {"dry-run", "false"},
		`start-time = 2026-01-02T03:04:05Z`:          {"start-time", "2026-01-02 03:04:05 +0000 UTC"},
		"[lock]\nenabled = true":                     {"lock-enabled", "true"},
		"[teleport.refresh]\nenabled = true":         {"teleport-refresh-enabled", "true"},
		"window.size = \"2h\"\nwindow-size = \"3h\"": {"window-size", "2h0m0s"}, // tables count first
	} {
		if got := parseStart(t, c.flag, text); got != c.want {
			t.Errorf("%s: %s, want %s", text, got, c.want)
		}
	}
}
