package main

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"relay": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	certs, err := filepath.Abs("../../testdata/compat/certs")
	if err != nil {
		t.Fatal(err)
	}
	setup := func(e *testscript.Env) error { e.Setenv("CERTS", certs); return nil }
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setup, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"freeport": scriptFreePort, "listening": scriptListening,
	}})
}

// scriptFreePort sets variables to ports that are free: freeport PORT [PORT2]...
func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	port := 18_000 + rand.IntN(1_900) // below those that clients are given
	for _, name := range args {
		for port++; ; port++ {
			if ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
				ts.Check(ln.Close())
				break
			}
		}
		ts.Setenv(name, strconv.Itoa(port))
	}
}

// scriptListening waits until somebody listens on ports of this machine.
func scriptListening(ts *testscript.TestScript, _ bool, args []string) {
	for _, port := range args {
		for late := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
			if err == nil {
				_ = conn.Close()
				break
			}
			if time.Now().After(late) {
				ts.Fatalf("nobody listens: %v", err)
			}
		}
	}
}
