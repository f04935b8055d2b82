package teleport

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/grpclog"
)

// TestKeepalive holds the client to Teleport's own rule: whoever pings more often
// than once a minute is thrown out.
func TestKeepalive(t *testing.T) {
	cfg := apiConfig(Config{Addr: "a:1"}, &pairCredentials{})
	if err := cfg.CheckAndSetDefaults(); err != nil {
		t.Fatal(err)
	}
	if cfg.KeepAlivePeriod < time.Minute {
		t.Errorf("the client pings every %s", cfg.KeepAlivePeriod)
	}
}

func TestGRPCLog(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	g := grpcLog{grpclog.NewLoggerV2(&b, &b, &b), func() *slog.Logger { return log }}
	for _, say := range []func(){
		func() { g.Error("a", "b") },
		func() { g.Errorf("%s b", "a") },
		func() { g.Errorln("[transport]", `GoAway and debug data equal to "too_many_pings".`) },
	} {
		b.Reset()
		say()
		if text := b.String(); !strings.Contains(text, "level=WARN") || strings.Count(text, "\n") != 1 {
			t.Errorf("logged %s", text)
		}
	}
	if text := b.String(); !strings.Contains(text, "too many pings; the next one pings half as often") {
		t.Errorf("logged %s", text)
	}
}
