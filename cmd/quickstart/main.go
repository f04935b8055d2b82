// Command quickstart runs the whole pipeline on one machine, with nothing
// installed: a simulated Teleport cluster and an S3 server that keeps its
// objects in a folder surround the two real binaries, handler and relay, which
// run as they would anywhere: `handler configure`, `relay -c`, `handler start`.
//
// It shows one live line, from Teleport to the bucket, until Ctrl-C. With
// --events N --exit it ends by itself, compares every uid in Teleport with every
// uid in the bucket, and fails when one is missing or there twice. With --chaos
// both binaries are killed again and again while the S3 server fails. With --pair
// two handlers share their state, and --chaos lets the one that works fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

var version = "dev" // set by the linker

type options struct {
	dir      string
	bin      string
	events   int
	rate     int
	exit     bool
	chaos    bool
	kills    int
	bulk     bool
	seed     uint64
	keep     bool
	forward  bool
	relays   bool
	proxy    bool
	pair     bool
	takeover time.Duration
	timeout  time.Duration
	sim      string
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart: error:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), "quickstart runs Teleport (simulated), handler, relay and S3 on this machine and shows events arrive.\n\n")
		f.PrintDefaults()
	}
	f.StringVar(&o.dir, "dir", "sluice-data", "folder for certificates, buffers, logs and the bucket; emptied at start")
	f.StringVar(&o.bin, "bin", "", "folder of relay and handler; default is where quickstart itself is")
	f.IntVar(&o.events, "events", 0, "make this many audit events; 0 is an endless stream")
	f.IntVar(&o.rate, "rate", 200, "events a second of the endless stream")
	f.BoolVar(&o.exit, "exit", false, "with --events: stop when all are in the bucket, check each uid, say so by the exit code")
	f.BoolVar(&o.chaos, "chaos", false, "kill relay and handler again and again, and let S3 fail one request in five")
	f.IntVar(&o.kills, "kills", 5, "how often each is killed with --chaos")
	f.BoolVar(&o.bulk, "bulk", false, "simulate a cluster with the bulk export API (Teleport Cloud), not with search")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "seed of events and chaos")
	f.BoolVar(&o.forward, "forward", false, "the handler sends by the forward protocol, not by HTTP")
	f.BoolVar(&o.proxy, "proxy", false, "the handler reaches Teleport through a simulated proxy, by TLS routing")
	f.BoolVar(&o.relays, "relays", false, "two relays; with --chaos one of them is killed and kept away until the other stands in, --kills times; --events come at --rate")
	f.BoolVar(&o.pair, "pair", false, "two handlers that share their state in the S3 server; with --chaos the one that works is killed, stopped or cut off, --kills times; --events come at --rate")
	f.DurationVar(&o.takeover, "takeover-after", 5*time.Second, "with --pair: how soon the other handler goes on")
	f.BoolVar(&o.keep, "keep", false, "keep what an earlier run left in --dir")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "with --exit: give up after this time")
	f.StringVar(&o.sim, "sim", "", "only simulate Teleport, at this address: what docker-compose.yml does")
	showVersion := f.Bool("version", false, "print the version")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *showVersion {
		fmt.Println("quickstart", version)
		return o, flag.ErrHelp
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: options begin with a dash, and what stands behind it would not be read", f.Arg(0))
	}
	if o.exit && o.events <= 0 {
		return o, errors.New("--exit needs --events N")
	}
	if o.proxy && o.sim != "" {
		return o, errors.New("--sim simulates an Auth service alone, without --proxy")
	}
	if o.relays && (o.pair || o.forward) {
		return o, errors.New("--relays goes with neither --pair nor --forward")
	}
	if o.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return o, err
		}
		o.bin = filepath.Dir(self)
	}
	var err error
	o.dir, err = filepath.Abs(o.dir)
	return o, err
}

func run(ctx context.Context, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.sim != "" {
		return simulate(ctx, o)
	}
	s, err := newStage(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Printf("seed %d; everything is in %s\n", o.seed, o.dir)
	if err := s.start(ctx); err != nil {
		return err
	}
	runErr := s.watch(ctx)
	if err := s.stop(); err != nil && runErr == nil {
		runErr = err
	}
	fmt.Println()
	report := s.bucket.summary()
	report.print(os.Stdout)
	if runErr != nil || !o.exit {
		return runErr
	}
	return s.verify(os.Stdout)
}
