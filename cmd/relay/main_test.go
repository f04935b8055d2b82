package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
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
	for _, name := range args {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		_, port, err := net.SplitHostPort(ln.Addr().String())
		ts.Check(err)
		ts.Check(ln.Close())
		ts.Setenv(name, port)
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
