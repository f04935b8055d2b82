package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(NewRelayLog(&out, RelayLog{}))
		l := NewLimit(10 * time.Second)
		say := func(key string) { l.Log(t.Context(), log, slog.LevelWarn, key, "put failed", "error", key) }
		for range 25 {
			say("refused")
			time.Sleep(time.Second)
		}
		say("another") // a new one shows at once
		want := []string{`put failed error="refused"`, `put failed error="refused" repeated=9`, `put failed error="refused" repeated=9`, `put failed error="another"`}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("got %d lines:\n%s", len(lines), out.String())
		}
		for i, w := range want {
			if !strings.HasSuffix(lines[i], w) {
				t.Errorf("line %d: got %s, want %s", i, lines[i], w)
			}
		}
	})
}

func TestLimitIsBounded(t *testing.T) {
	l := NewLimit(time.Hour)
	for i := range 5000 {
		if _, ok := l.Allow(strconv.Itoa(i)); !ok {
			t.Fatalf("key %d was not allowed", i)
		}
	}
	if len(l.said) > maxKeys {
		t.Errorf("%d keys are remembered", len(l.said))
	}
}

func TestNiceError(t *testing.T) {
	inner := errors.New("fluent.conf:14:3: s3_bucket: parameter is required\n  included from main.conf:2\n  hint: add a line")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{inner, "relay: error: fluent.conf:14:3: s3_bucket: parameter is required\n  included from main.conf:2\nrelay: hint: add a line\n"},
		{WithHint(errors.New("lock folder"), "stop the other"), "relay: error: lock folder\nrelay: hint: stop the other\n"},
		{errors.Join(errors.New("a"), WithHint(errors.New("b"), "c")), "relay: error: a\nrelay: error: b\nrelay: hint: c\n"},
		{fmt.Errorf("start: %w", errors.New("a")), "relay: error: start: a\n"},
	} {
		var out bytes.Buffer
		NiceError(&out, "relay", tc.err)
		if got := out.String(); got != tc.want {
			t.Errorf("got\n%swant\n%s", got, tc.want)
		}
	}
	if WithHint(nil, "x") != nil {
		t.Error("WithHint makes an error of none")
	}
	if err := WithHint(inner, "x"); !errors.Is(err, inner) {
		t.Error("WithHint hides the error")
	}
}

func TestBuild(t *testing.T) {
	for _, tc := range []struct {
		b    Build
		want string
	}{
		{Build{Version: "1.2.3", Go: "go1.26"}, "v1.2.3 go1.26"},
		{Build{Version: "1.2.3", Revision: "0123456789ab", Modified: true, Go: "go1.26"}, "v1.2.3 git:0123456789ab+changes go1.26"},
		{Build{Version: "dev", Go: "go1.26"}, "dev go1.26"},
	} {
		if got := tc.b.String(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
	if b := ReadBuild("v1.2.3"); b.Version != "1.2.3" || b.Go == "" {
		t.Errorf("got %+v", b)
	}
}

// manager listens as systemd does.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func next(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotify(t *testing.T) {
	conn := manager(t)
	NotifyReady("serving")
	if got := next(t, conn); got != "READY=1\nSTATUS=serving" {
		t.Errorf("got %q", got)
	}
	NotifyReloading()
	if got := next(t, conn); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("got %q", got)
	}
	NotifyStopping()
	if got := next(t, conn); got != "STOPPING=1" {
		t.Errorf("got %q", got)
	}
}

func TestWatchdog(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "2000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	done := make(chan error)
	go func() {
		done <- Watchdog(ctx, func() error {
			if asked++; asked == 1 {
				return errors.New("sick")
			}
			return nil
		})
	}()
	if got := next(t, conn); got != "WATCHDOG=1" {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-done; err != nil || asked < 2 {
		t.Errorf("got %v after %d questions: a sick program was said to live", err, asked)
	}
	t.Setenv("WATCHDOG_USEC", "")
	if err := Watchdog(t.Context(), nil); err != nil {
		t.Errorf("without a watchdog: %v", err)
	}
}

func TestWaitStop(t *testing.T) {
	for _, tc := range []struct {
		name    string
		signals int
		quit    bool
		want    string
	}{
		{"second signal", 2, false, "second signal: terminated"},
		{"too late", 1, false, "not stopped after 5s"},
		{"in time", 1, true, ""},
		{"never asked", 0, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals, quit := make(chan os.Signal, 2), make(chan struct{})
				for range tc.signals {
					signals <- syscall.SIGTERM
				}
				cancelled, forced := false, ""
				if tc.quit {
					time.AfterFunc(time.Second, func() { close(quit) })
				}
				waitStop(signals, quit, func() { cancelled = true }, 5*time.Second, func(why string) { forced = why })
				if forced != tc.want || cancelled != (tc.signals > 0) {
					t.Errorf("forced %q, cancelled %v", forced, cancelled)
				}
			})
		})
	}
}

func TestStopContext(t *testing.T) {
	ctx, release := StopContext(t.Context(), time.Minute, func(why string) { t.Errorf("forced: %s", why) })
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Error("the signal did not end the context")
	}
	release()
}
