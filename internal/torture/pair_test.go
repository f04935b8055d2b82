package torture

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestTorturePair runs two real handlers on one state in a bucket and makes the
// one that works fail: killed, stopped until the other has taken over and then
// woken, cut off from relay and bucket and then joined again. The other must go
// on, and every uid must be in the bucket exactly once.
func TestTorturePair(t *testing.T) {
	trials := seeds(t, "SLUICE_TORTURE_TAKEOVERS", 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(trials)*20*time.Second)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "data")
	seed := strconv.FormatInt(time.Now().UnixNano()%1_000_000, 10)
	cmd := exec.CommandContext(ctx, filepath.Join(buildAll(t), "quickstart"), "--dir", dir, "--pair", "--takeover-after", "4s", "--exit", "--chaos",
		"--events", strconv.Itoa(400*trials), "--rate", "150", "--kills", strconv.Itoa(trials), "--seed", seed, "--timeout", "10m")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("seed %s: %v\n%s\n--- a\n%s\n--- b\n%s", seed, err, out, tail(dir, "handler-a.log"), tail(dir, "handler-b.log"))
	}
	t.Logf("%s", out[max(0, len(out)-200):])
}

// TestTortureTwoRelays kills one of two real relays under load and keeps it away
// until the other stands in. No event may be missing in the bucket, and none may
// be there twice that the handler did not count as moved.
func TestTortureTwoRelays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "data")
	seed := strconv.FormatInt(time.Now().UnixNano()%1_000_000, 10)
	cmd := exec.CommandContext(ctx, filepath.Join(buildAll(t), "quickstart"), "--dir", dir, "--relays", "--exit", "--chaos",
		"--events", "3000", "--rate", "300", "--kills", "1", "--seed", seed)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("seed %s: %v\n%s\n--- handler\n%s\n--- relay-2\n%s", seed, err, out, tail(dir, "handler.log"), tail(dir, "relay-2.log"))
	}
}
