// Package torture runs the pipeline while everything around it fails, and counts
// at the end. Each test prints its seed.
package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// seeds is how many seeds a test runs: few in `make test`, many in `make torture`.
func seeds(t *testing.T, variable string, few int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// TestTortureProcesses kills the real handler and the real relay with SIGKILL, at
// random moments while uploads are in flight, and lets the S3 server fail one PUT
// in five, some after it has stored the object. Every uid that Teleport has must
// be in the bucket exactly once.
func TestTortureProcesses(t *testing.T) {
	bin := buildAll(t)
	for i := range seeds(t, "SLUICE_TORTURE_PROCESSES", 1) {
		seed := uint64(time.Now().UnixNano())%1_000_000 + uint64(i) //nolint:gosec // above zero
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			dir := filepath.Join(t.TempDir(), "data")
			cmd := exec.CommandContext(ctx, filepath.Join(bin, "quickstart"), "--dir", dir, "--events", "5000", "--exit", "--chaos", "--kills", "3",
				"--seed", strconv.FormatUint(seed, 10), "--bulk="+strconv.FormatBool(i%2 == 1))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n--- relay\n%s\n--- handler\n%s", err, out, tail(dir, "relay.log"), tail(dir, "handler.log"))
			}
		})
	}
}

// buildAll makes the three binaries and returns their folder.
func buildAll(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"relay", "handler", "quickstart"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(bin, name), "../../cmd/"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return bin
}

func tail(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
