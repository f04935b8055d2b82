package handler

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A password in an address is for the receiver alone.
func TestPasswordsOfURLsAreNotLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	c := &StartCmd{}
	c.FluentdURL = []string{"https://bob:hushhush@relay-1/test.log", "https://bob:hushhush@relay-2/test.log"}
	c.FluentdSessionURL = "https://bob:hushhush@relay-1/session, https://bob:hushhush@relay-2/session"
	c.logOptions(log)

	relays := testRelays(c.FluentdURL...)
	s := &sender{relays: relays, log: log, health: newHealth()}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	relays[0].failed(0)
	s.announce(relays[0], relays[1], errors.New("refused"))
	_ = s.pause(ended, relays[0], 0, errors.New("refused"))
	for _, want := range []string{"Using Fluentd url", "relay-2/session", "A relay is away", "Failed to send event"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hushhush") {
		t.Errorf("the password is shown:\n%s", out.String())
	}
}
