// Command bench measures the relay as its users would load it: HTTPS with client
// certificates, one event in a request and arrays of 100, over 1, 16 and 64
// connections. Each figure stands beside two servers behind the same TLS that
// are measured in the same run: one that reads the body and does nothing, and
// one that appends it to a file and answers after a shared fsync. The second is
// the least that a server can do which keeps the relay's promise, and so the
// relay is judged against it.
//
// All processes share this machine: the load, the S3 server and the receiver.
// Requests per second suffer from that and from whatever else runs; CPU seconds
// per million events hardly do.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	var o options
	serve := flag.String("serve", "", "run one of the helper servers: null, durable or s3 (used by the benchmark itself)")
	dir := flag.String("dir", "", "folder for certificates, buffers and objects; a temporary one without it")
	flag.DurationVar(&o.duration, "duration", 4*time.Second, "how long each case is loaded")
	flag.StringVar(&o.only, "only", "", "only cases whose name contains this")
	flag.StringVar(&o.receiver, "receiver", "", "only receivers whose name contains this, such as durable or filter")
	flag.BoolVar(&o.ids, "ids", false, "send as our handler does: the relay gives each event an id and knows it again")
	flag.StringVar(&o.relay, "relay", "bin/relay", "the relay to measure")
	flag.BoolVar(&o.rsa, "rsa", false, "RSA-4096 certificates as Teleport's configure makes, not ECDSA")
	flag.BoolVar(&o.handler, "handler", false, "measure the handler beside the relay, over a line with a delay")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *serve, *dir, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

type options struct {
	duration time.Duration
	only     string
	receiver string
	ids      bool
	relay    string
	rsa      bool
	handler  bool
}

func run(ctx context.Context, serve, dir string, o options) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "sluice-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	switch serve {
	case "":
		if o.handler {
			return newBench(dir, o).runHandler(ctx)
		}
		return newBench(dir, o).run(ctx)
	case "null", "durable":
		return serveNull(ctx, dir, serve == "durable")
	case "s3":
		return serveS3(ctx)
	default:
		return fmt.Errorf("unknown server %q", serve)
	}
}

// cases are the loads, in the order of the table.
var cases = []load{
	{name: "c1", conns: 1, batch: 1},
	{name: "c16", conns: 16, batch: 1},
	{name: "c64", conns: 64, batch: 1},
	{name: "b100", conns: 8, batch: 100},
}

func (b *bench) run(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.stopAll()
	fmt.Printf("each case %s, events of about %d bytes, %s certificates; receivers one after the other within a case\n\n", b.o.duration, meanEventSize(), b.keyName())
	fmt.Println("| case | receiver | requests/s | of durable | events/s | p50 ms | p99 ms | CPU s/M events | over durable | RSS idle → peak MB |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, c := range cases {
		if b.o.only != "" && !strings.Contains(c.name, b.o.only) {
			continue
		}
		if err := b.measureCase(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) measureCase(ctx context.Context, c load) error {
	var durable result
	for _, r := range b.receivers() {
		if !strings.Contains(r.name, b.o.receiver) {
			continue
		}
		c.ids, c.began = b.o.ids, time.Now()
		res, err := b.measure(ctx, c, r)
		if err != nil {
			return fmt.Errorf("%s %s: %w", c.name, r.name, err)
		}
		if r.name == "durable" {
			durable = res
		}
		printRow(c, r.name, res, durable)
	}
	return nil
}

func printRow(c load, name string, r, durable result) {
	ratio, over := "–", "–"
	if durable.requests > 0 {
		ratio = fmt.Sprintf("%.2f", r.rate()/durable.rate())
		over = fmt.Sprintf("%+.1f", r.cpuPerMillion()-durable.cpuPerMillion())
	}
	fmt.Printf("| %s | %s | %.0f | %s | %.0f | %.2f | %.2f | %.1f | %s | %d → %d |\n", c.name, name, r.rate(), ratio, r.rate()*float64(c.batch),
		r.quantile(0.50), r.quantile(0.99), r.cpuPerMillion(), over, r.idleMB, r.peakMB)
}
