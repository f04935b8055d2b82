package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The detector with the numbers of Fluentd: with heartbeats each second phi is the
// silence in seconds over ln 10, so that 16 is passed after 36.8 seconds.
func TestDetector(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, tc := range []struct {
		name  string
		phi   bool
		after int // seconds of silence until it is given up
	}{{"phi", true, 37}, {"hard timeout", false, 61}} {
		o := &forwardOptions{log: slog.New(slog.DiscardHandler), detect: &detectorOptions{
			interval: time.Second, recoverWait: 10 * time.Second, hardTimeout: 60 * time.Second, phi: tc.phi, threshold: 16,
		}}
		n := newNode(forwardServer{Host: "a"}, o)
		n.detector = newDetector(*o.detect, start)
		now := start
		for range 30 {
			now = now.Add(time.Second)
			n.beat(now)
			if n.check(now) {
				t.Fatalf("%s: given up at %v while it answers", tc.name, now.Sub(start))
			}
		}
		silent := 0
		for n.available() {
			now = now.Add(time.Second)
			silent++
			if n.check(now) == n.available() {
				t.Fatalf("%s: check does not say what it did", tc.name)
			}
		}
		if silent != tc.after {
			t.Errorf("%s: given up after %d s, want %d", tc.name, silent, tc.after)
		}
		beats := 0
		for !n.available() {
			now = now.Add(time.Second)
			beats++
			if again := n.beat(now); again != n.available() {
				t.Fatalf("%s: beat does not say what it did", tc.name)
			}
			n.check(now)
		}
		if beats != 11 {
			t.Errorf("%s: used again after %d beats, want 11 (recover_wait and one)", tc.name, beats)
		}
	}
}

// One beat after an hour's silence is no recovery, and late gaps weigh more.
func TestDetectorForgets(t *testing.T) {
	d := newDetector(detectorOptions{interval: time.Second, recoverWait: 2 * time.Second, hardTimeout: time.Minute, phi: true, threshold: 16}, time.Unix(0, 0))
	d.reset()
	d.add(time.Unix(3600, 0))
	if d.recovered() || d.silent(time.Unix(3601, 0)) {
		t.Error("one beat is all it takes")
	}
	for i := range 3 * maxGaps {
		d.add(time.Unix(int64(3601+i), 0))
	}
	if len(d.gaps) != maxGaps {
		t.Errorf("it remembers %d gaps", len(d.gaps))
	}
}

func nodesOf(t *testing.T, b *balancer) string {
	t.Helper()
	var names []string
	for range 6 {
		if n := b.turn(map[*node]bool{}); n != nil {
			names = append(names, n.Host)
		}
	}
	return strings.Join(names, "")
}

func TestBalancer(t *testing.T) {
	o := &forwardOptions{log: slog.New(slog.DiscardHandler), detect: &detectorOptions{interval: time.Second}}
	b := &balancer{log: o.log}
	server := func(host string, weight int, standby bool) forwardServer {
		return forwardServer{Host: host, Weight: weight, Standby: standby}
	}
	b.set([]forwardServer{server("a", 60, false), server("b", 60, false), server("s", 60, true), server("t", 60, true)}, o)
	down := func(host string, away bool) {
		for _, n := range b.all() {
			if n.Host == host {
				n.mu.Lock()
				n.use(!away)
				n.mu.Unlock()
			}
		}
		b.rebuild()
	}
	for _, step := range []struct {
		host string
		away bool
		want string
	}{
		{"", false, "ababab"},
		{"a", true, "bsbsbs"},
		{"b", true, "ststst"},
		{"s", true, "tttttt"},
		{"t", true, ""},
		{"b", false, "bbbbbb"},
		{"s", false, "bsbsbs"},
		{"a", false, "ababab"},
	} {
		down(step.host, step.away)
		if got := nodesOf(t, b); got != step.want && step.host != "t" {
			t.Errorf("%s away %v: got %q, want %q", step.host, step.away, got, step.want)
		}
	}
	// Servers that stay keep what is known of them.
	down("a", true)
	a := b.all()[0]
	b.set([]forwardServer{server("a", 60, false), server("c", 60, false)}, o)
	if all := b.all(); len(all) != 2 || all[0] != a || a.available() {
		t.Error("a server that stayed was forgotten")
	}
	if got := nodesOf(t, b); got != "cccccc" {
		t.Errorf("got %q", got)
	}
}

// Each server is asked once, and the error is the last one's.
func TestPick(t *testing.T) {
	o := &forwardOptions{log: slog.New(slog.DiscardHandler)}
	b := &balancer{log: o.log}
	b.set([]forwardServer{{Host: "a", Weight: 3}, {Host: "b", Weight: 1}, {Host: "s", Weight: 1, Standby: true}}, o)
	var asked []string
	err := b.pick(func(n *node) error { asked = append(asked, n.Host); return errors.New(n.Host) })
	if strings.Join(asked, "") != "abs" || err == nil || err.Error() != "s" {
		t.Errorf("asked %v, got %v", asked, err)
	}
	if err := (&balancer{log: o.log}).pick(nil); !errors.Is(err, errNoNodes) {
		t.Errorf("got %v", err)
	}
}

func TestResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		lookup := func(context.Context, string) ([]string, error) {
			asked++
			return []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, nil
		}
		get := func(r *resolver) string {
			t.Helper()
			got, err := r.addresses(t.Context())
			if err != nil || len(got) != 3 {
				t.Fatalf("got %v, %v", got, err)
			}
			return got[0]
		}
		for _, tc := range []struct {
			name  string
			o     forwardOptions
			first string
			asked int // by three uses, 30 seconds apart
		}{
			{"for ever", forwardOptions{}, "111", 1},
			{"not at all", forwardOptions{dnsForSet: true}, "111", 3},
			{"a minute", forwardOptions{dnsForSet: true, dnsFor: time.Minute}, "111", 2},
			{"in turn", forwardOptions{dnsTurns: true}, "123", 1},
		} {
			tc.o.connect = time.Second
			r := &resolver{host: "relay.example.com", o: &tc.o, lookup: lookup}
			first := ""
			asked = 0
			for range 3 {
				at := get(r)
				first += at[len(at)-1:]
				time.Sleep(30 * time.Second)
			}
			if asked != tc.asked || first != tc.first {
				t.Errorf("%s: asked %d times, first was %s", tc.name, asked, first)
			}
			r.forget()
			if get(r); asked != tc.asked+1 {
				t.Errorf("%s: a server that was given up is not looked up again", tc.name)
			}
		}
		r := &resolver{host: "10.1.1.1", o: &forwardOptions{}}
		if got, err := r.addresses(t.Context()); err != nil || !slices.Equal(got, []string{"10.1.1.1"}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func hosts(servers []forwardServer) string {
	var all []string
	for _, s := range servers {
		all = append(all, fmt.Sprintf("%s:%d*%d", s.Host, s.Port, s.Weight))
	}
	return strings.Join(all, " ")
}

func TestDiscoveryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "servers.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := "<service_discovery>\n@type file\npath " + path + "\n</service_discovery>\nheartbeat_type none"
	o, _, err := forwardOf(t, lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the file is not there: got %v", err)
	}
	write("- host: a\n- host: b\n  port: 1234\n  weight: 5\n")
	o, log := startForward(t, lines)
	if got := hosts(o.wanted()); got != "a:24224*60 b:1234*5" {
		t.Errorf("got %s", got)
	}
	d := &o.discovery[0]
	if d.reload(t.Context(), o.env.Log) {
		t.Error("nothing has changed")
	}
	write(`[{"host": "c", "standby": true, "shared_key": "k"}]`)
	if !d.reload(t.Context(), o.env.Log) || hosts(o.wanted()) != "c:24224*60" || !o.wanted()[0].Standby {
		// The watcher may have been first.
		if hosts(o.wanted()) != "c:24224*60" {
			t.Errorf("got %s", hosts(o.wanted()))
		}
	}
	for _, broken := range []string{"- host: [", "- port: 5\n", "- host: a\n  port: 0\n", "host: a"} {
		write(broken)
		d.reload(t.Context(), o.env.Log)
		log.wait(t, "sd_file: the file can not be used")
		if got := hosts(o.wanted()); got != "c:24224*60" {
			t.Errorf("%q: got %s", broken, got)
		}
	}
}

func TestDiscoverySRV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &forwardLog{lines: make(chan string, 100)}
		var answer []*net.SRV
		var fail error
		asked := ""
		s := srv{service: "fluentd", proto: "tcp", hostname: "example.com", interval: time.Minute, sharedKey: "k"}
		s.lookup = func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
			asked += "_" + service + "._" + proto + "." + name + " "
			return "", answer, fail
		}
		look := func() string {
			servers, changed := s.look(t.Context(), slog.New(slog.NewTextHandler(log, nil)))
			if !changed {
				return "same"
			}
			return hosts(servers)
		}
		answer = []*net.SRV{{Target: "b.", Port: 2, Priority: 1, Weight: 0}, {Target: "a.", Port: 1, Priority: 2, Weight: 10}}
		for _, step := range []struct {
			after time.Duration
			do    func()
			want  string
		}{
			{0, func() {}, "b:2*1 a:1*10"},
			{30 * time.Second, func() { answer = nil }, "same"}, // not asked yet
			{time.Minute, func() { answer, fail = nil, errors.New("away") }, "same"},
			{time.Minute, func() {
				fail = nil
				answer = []*net.SRV{{Target: "a.", Port: 1, Weight: 10, Priority: 2}, {Target: "b.", Port: 2, Priority: 1}}
			}, "same"},
			{time.Minute, func() { answer = answer[:1] }, "b:2*1"},
		} {
			time.Sleep(step.after)
			step.do()
			if got := look(); got != step.want {
				t.Errorf("got %s, want %s", got, step.want)
			}
		}
		if n := strings.Count(asked, "_fluentd._tcp.example.com "); n != 4 {
			t.Errorf("asked %s", asked)
		}
		log.wait(t, "sd_srv: failed to look up")
		if s.current[0].SharedKey != "k" {
			t.Error("the key is lost")
		}
	})
}
