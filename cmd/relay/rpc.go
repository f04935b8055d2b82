package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"syscall"

	"github.com/sluicelog/sluice/internal/admin"
	"github.com/sluicelog/sluice/internal/relay"
)

// startRPC serves <system> rpc_endpoint for the whole life of the process. Each
// call does what a signal does, and takes the same way.
func (p *program) startRPC(ctx context.Context, s *relay.System, signals chan<- os.Signal) (stop func(), err error) {
	if s.RPCEndpoint == "" {
		return func() {}, nil
	}
	srv := &admin.RPC{Addr: s.RPCEndpoint, Log: p.log, Actions: rpcActions(signals)}
	srv.Actions["config.dump"] = func() { p.showConfig(p.tree.Load()) }
	if s.EnableGetDump {
		srv.Config = func() string { return dumpOf(p.tree.Load()) }
	}
	return p.beside(ctx, "RPC", srv)
}

// listenServer is an HTTP API beside the pipeline.
type listenServer interface {
	Listen(ctx context.Context) error
	Run(ctx context.Context) error
}

// beside runs a server until stop is called, through every reload.
func (p *program) beside(ctx context.Context, name string, srv listenServer) (stop func(), err error) {
	if err := srv.Listen(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Run(ctx); err != nil {
			p.log.Error(name+" stopped", "error", err)
		}
	})
	return func() { cancel(); wg.Wait() }, nil
}

// rpcActions are Fluentd's calls that a signal does, too.
func rpcActions(signals chan<- os.Signal) map[string]func() {
	send := func(all ...os.Signal) func() {
		return func() {
			for _, s := range all {
				select {
				case signals <- s:
				default: // as many wait already as matter
				}
			}
		}
	}
	return map[string]func(){
		"processes.interruptWorkers":           send(syscall.SIGINT),
		"processes.killWorkers":                send(syscall.SIGTERM),
		"processes.flushBuffersAndKillWorkers": send(syscall.SIGUSR1, syscall.SIGTERM),
		"plugins.flushBuffers":                 send(syscall.SIGUSR1),
		"config.reload":                        send(syscall.SIGHUP),
		"config.gracefulReload":                send(syscall.SIGUSR2),
	}
}

// dumpStacks writes what every goroutine does to a file, as Fluentd does on
// SIGCONT.
func (p *program) dumpStacks() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("sigdump-%d.log", os.Getpid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err == nil {
		err = pprof.Lookup("goroutine").WriteTo(f, 2)
		_ = f.Close()
	}
	if err != nil {
		p.log.Error("dump stacks", "error", err)
		return
	}
	p.log.Info("dumped stacks", "path", path)
}
