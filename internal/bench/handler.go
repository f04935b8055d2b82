package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// The handler's benchmark: the real handler reads a simulated cluster in bulk and
// posts to the real relay, which answers after its fsync; between the two is a
// line with a delay. Events per second are those that were answered. Cluster,
// line, S3 server, handler and relay share the machine.

// handlerWay is one way to run the handler.
type handlerWay struct {
	name string
	args []string
}

var handlerWays = []handlerWay{
	{"one serial sender", []string{"--ordered", "--fluentd-max-batch", "1"}},
	{"single events, default connections", []string{"--fluentd-max-batch", "1"}},
	{"single events, 64 connections", []string{"--fluentd-max-batch", "1", "--fluentd-max-connections", "64"}},
	{"batches, default connections", nil},
}

var addedLatencies = []time.Duration{0, 5 * time.Millisecond, 25 * time.Millisecond}

// handlerEvents is how many events the cluster has: more than the fastest way
// sends within one case.
const handlerEvents = 200_000

func (b *bench) runHandler(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.stopAll()
	cluster, err := teleporttest.Start(ctx, teleporttest.Options{
		Dir: filepath.Join(b.dir, "cluster"), Mode: teleporttest.Bulk, Seed: 1, UploadEvery: -1, Start: time.Now().Add(-time.Hour),
	})
	if err != nil {
		return err
	}
	defer cluster.Close()
	cluster.Generate(handlerEvents)
	fmt.Printf("handler → relay, each case %s, %s certificates, bulk export\n\n", b.o.duration, b.keyName())
	fmt.Println("| added latency | way | events/s | over serial | CPU s/M events: handler | relay | all processes | events/s that two cores have CPU for |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, latency := range addedLatencies {
		serial := 0.0
		for i, way := range handlerWays {
			if b.o.only != "" && !strings.Contains(fmt.Sprintf("%v %s", latency, way.name), b.o.only) {
				continue
			}
			m, err := b.measureHandler(ctx, cluster, latency, way)
			if err != nil {
				return fmt.Errorf("%v, %s: %w", latency, way.name, err)
			}
			over := "–"
			if i == 0 {
				serial = m.rate
			} else if serial > 0 {
				over = fmt.Sprintf("%.1f", m.rate/serial)
			}
			fmt.Printf("| %v | %s | %.0f | %s | %.0f | %.0f | %.0f | %.0f |\n", latency, way.name, m.rate, over, m.handlerCPU, m.relayCPU, m.allCPU, 2e6/m.allCPU)
		}
	}
	return nil
}

// handlerRun is what one case measured.
// allCPU includes the simulated cluster, the line and
// the S3 server.
type handlerRun struct{ rate, handlerCPU, relayCPU, allCPU float64 }

func (b *bench) measureHandler(ctx context.Context, cluster *teleporttest.Server, latency time.Duration, way handlerWay) (handlerRun, error) {
	var none handlerRun
	dir, err := os.MkdirTemp(b.dir, "handler-")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(dir)
	relay, addr, err := b.startRelay("")(ctx, dir)
	if err != nil {
		return none, err
	}
	defer relay.stop()
	line, err := newDelay(ctx, addr, latency)
	if err != nil {
		return none, err
	}
	defer line.close()
	metrics := "127.0.0.1:" + freePort()
	url := "https://localhost:" + line.port()
	args := append([]string{
		"start", "--storage", filepath.Join(dir, "state"), "--teleport-addr", cluster.Addr(), "--teleport-identity", cluster.IdentityPath(),
		"--fluentd-url", url + "/test.log", "--fluentd-session-url", url + "/session",
		"--fluentd-ca", filepath.Join(b.dir, "ca.crt"), "--fluentd-cert", filepath.Join(b.dir, "client.crt"), "--fluentd-key", filepath.Join(b.dir, "client.key"),
		"--start-time", time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339), "--metrics-addr", metrics,
	}, way.args...)
	handler, err := startQuiet(ctx, filepath.Join(filepath.Dir(b.o.relay), "handler"), filepath.Join(dir, "handler.log"), args...)
	if err != nil {
		return none, err
	}
	defer handler.stop()
	run, err := b.watchHandler(ctx, metrics, handler, relay)
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "handler.log"))
		return none, fmt.Errorf("%w\n%s", err, text)
	}
	return run, nil
}

// watchHandler waits for the first events and counts from then on.
func (b *bench) watchHandler(ctx context.Context, metrics string, handler, relay *process) (handlerRun, error) {
	first, err := waitDelivered(ctx, metrics, 1, 20*time.Second)
	if err != nil {
		return handlerRun{}, err
	}
	began, handlerBefore, relayBefore, restBefore := time.Now(), handler.cpu(), relay.cpu(), ownCPU()+b.s3.cpu()
	last := first
	for time.Since(began) < b.o.duration && last < handlerEvents {
		pause(ctx, 20*time.Millisecond)
		if last, err = delivered(ctx, metrics); err != nil {
			return handlerRun{}, err
		}
	}
	took, events := time.Since(began).Seconds(), float64(last-first)
	perMillion := func(d time.Duration) float64 { return d.Seconds() / events * 1e6 }
	run := handlerRun{rate: events / took, handlerCPU: perMillion(handler.cpu() - handlerBefore), relayCPU: perMillion(relay.cpu() - relayBefore)}
	run.allCPU = run.handlerCPU + run.relayCPU + perMillion(ownCPU()+b.s3.cpu()-restBefore)
	return run, nil
}

// ownCPU is the benchmark's own time: the cluster's and the line's.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func waitDelivered(ctx context.Context, metrics string, least int, patience time.Duration) (int, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		if n, err := delivered(ctx, metrics); err == nil && n >= least {
			return n, nil
		}
	}
	return 0, errors.New("the handler delivers nothing")
}

// delivered adds up the handler's counter of events.
func delivered(ctx context.Context, metrics string) (total int, err error) {
	return counted(ctx, metrics, "handler_events_delivered_total")
}
