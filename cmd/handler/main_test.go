package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"handler": func() { os.Exit(command()) }})
}

// TestScripts runs the binary against a simulated cluster and a receiver; what the
// scripts can say beside testscript's own words is in world_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			w := &world{dir: env.WorkDir}
			env.Values[worldKey{}] = w
			repo, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			env.Setenv("REPO", repo)
			env.Defer(w.close)
			return nil
		},
		Cmds: worldCommands(),
	})
}
