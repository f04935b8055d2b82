package ingest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// regular is an established client, who must not notice what others do.
type regular struct {
	Took   []time.Duration
	Failed []string
}

// introduce makes the client an established one: it has sent a request.
func (r *regular) introduce(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		r.Failed = append(r.Failed, err.Error())
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.Failed = append(r.Failed, err.Error())
		return
	}
	_ = answer.Body.Close()
}

// serveMe posts on one connection until ctx ends.
func (r *regular) serveMe(ctx context.Context, c net.Conn) {
	br := bufio.NewReader(c)
	body := fmt.Sprintf("POST /regular HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(teleportEvent), teleportEvent)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		start := time.Now()
		_ = c.SetDeadline(start.Add(20 * time.Second))
		if _, err := io.WriteString(c, body); err != nil {
			r.Failed = append(r.Failed, err.Error())
			return
		}
		answer, err := http.ReadResponse(br, nil)
		if err != nil {
			r.Failed = append(r.Failed, err.Error())
			return
		}
		_ = answer.Body.Close()
		r.Took = append(r.Took, time.Since(start))
		if answer.StatusCode != 200 {
			r.Failed = append(r.Failed, answer.Status)
		}
	}
}

func (r *regular) quantile(q float64) time.Duration {
	if len(r.Took) == 0 {
		return 0
	}
	slices.Sort(r.Took)
	return r.Took[int(float64(len(r.Took)-1)*q)]
}

// endure runs one attack beside an established client and returns what that saw.
func endure(t *testing.T, v victim, a attack, n int, beside func(context.Context, victim, chan<- struct{}) regular) *regular {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var r regular
	var wg sync.WaitGroup
	ready := make(chan struct{})
	wg.Go(func() { r = beside(ctx, v, ready) })
	<-ready
	bounded, cancel := context.WithTimeout(ctx, 60*time.Second)
	if err := a.run(bounded, v, n); err != nil {
		t.Error(err)
	}
	cancel()
	stop()
	wg.Wait()
	if len(r.Failed) > 0 || len(r.Took) == 0 {
		t.Errorf("of the established client's %d requests failed: %q", len(r.Took), r.Failed)
	}
	late, err := v.secure(t.Context(), 1)
	if err != nil {
		t.Fatalf("a client that comes afterwards: %v", err)
	}
	defer late.Close()
	if _, err := io.WriteString(late, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := http.ReadResponse(bufio.NewReader(late), nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("a client that comes afterwards: %v", err)
	}
	return &r
}

// regularHere is the established client within this process.
func regularHere(ctx context.Context, v victim, ready chan<- struct{}) regular {
	defer close(ready)
	c, err := v.secure(ctx, 0)
	if err != nil {
		return regular{Failed: []string{err.Error()}}
	}
	defer c.Close()
	var r regular
	r.introduce(c)
	ready <- struct{}{}
	r.serveMe(ctx, c)
	return r
}

// regularProcess is the established client in a process of its own, which does not
// wait for its turn behind the attackers'.
func regularProcess(dir string) func(context.Context, victim, chan<- struct{}) regular {
	return func(ctx context.Context, v victim, ready chan<- struct{}) (r regular) {
		defer close(ready)
		cmd := exec.Command("nice", "-n", "-10", os.Args[0], "-test.run", "^TestRegularClient$")
		cmd.Env = append(os.Environ(), "SLUICE_REGULAR="+v.addr, "SLUICE_REGULAR_DIR="+dir)
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			return regular{Failed: []string{err.Error()}}
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			r.Failed = append(r.Failed, fmt.Sprint("not ready: ", line, err))
		}
		ready <- struct{}{}
		<-ctx.Done()
		_ = in.Close()
		if err := json.NewDecoder(lines).Decode(&r); err != nil {
			r.Failed = append(r.Failed, err.Error())
		}
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait()
		return r
	}
}

// TestRegularClient is what regularProcess runs; by itself it has nothing to do.
func TestRegularClient(t *testing.T) {
	addr := os.Getenv("SLUICE_REGULAR")
	if addr == "" {
		t.Skip("it belongs to TestHostileClients at full size")
	}
	v := victim{addr: addr, tls: clientTLS(t, clientsOf(t, os.Getenv("SLUICE_REGULAR_DIR")))}
	c, err := v.secure(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var r regular
	r.introduce(c)
	var wg sync.WaitGroup
	wg.Go(func() { r.serveMe(ctx, c) })
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	wg.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

func clientTLS(t *testing.T, client func(bool, bool) *http.Client) *tls.Config {
	t.Helper()
	c := client(true, false).Transport.(*http.Transport).TLSClientConfig.Clone()
	c.ServerName = "localhost"
	return c
}

// TestHostileClients attacks a source in this process: what is refused is not taken,
// nobody else is refused, and nothing stays behind. SLUICE_HOSTILE=full does it to
// the real relay at full size and prints what that took.
func TestHostileClients(t *testing.T) {
	if os.Getenv("SLUICE_HOSTILE") == "full" {
		hostileFull(t)
		return
	}
	dir, client := pairs(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			s := startHTTP(t, "max_connections 100\nheader_timeout 1\nbody_timeout 2\nbody_size_limit 4m\nrequest_memory_limit 8m\n"+transport(dir, "client_cert_auth true"))
			endure(t, victim{addr: s.addr, tls: clientTLS(t, client), pid: os.Getpid(), most: 100}, a, a.small, regularHere)
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			if !s.memory.sem.TryAcquire(s.memory.total) {
				t.Error("memory was not given back")
			}
			if s.door.open != 0 || s.door.fresh.Len() != 0 {
				t.Errorf("%d connections are still counted, %d as fresh", s.door.open, s.door.fresh.Len())
			}
		})
	}
}

// process is a relay whose memory is watched.
type process struct {
	pid  int
	addr string
}

// resetPeak begins a new measurement of VmHWM.
func (p process) resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0o600); err != nil {
		t.Log(err)
	}
}

func (p process) megabytes(name string) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb >> 10
		}
	}
	return -1
}

func startRelay(t *testing.T, dir string) process {
	t.Helper()
	bin := filepath.Join(dir, "relay")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/relay").CombinedOutput(); err != nil {
		t.Fatalf("build relay: %v\n%s", err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	text := "<source>\n@type http\nbind 127.0.0.1\nport " + port + "\n" + transport(dir, "client_cert_auth true") + "</source>\n<match **>\n@type null\n</match>\n"
	conf := filepath.Join(dir, "fluent.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "relay.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nice", "-n", "-10", bin, "-c", conf, "--admin", "off")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("relay ended: %v", err)
		}
		_ = log.Close()
	})
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(until) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("the relay does not listen: %s", said)
		}
	}
	return process{cmd.Process.Pid, addr}
}

// memoryBound is what the relay may take under any attack.
const memoryBound = 128

func hostileFull(t *testing.T) {
	dir, client := pairs(t)
	p := startRelay(t, dir)
	v := victim{addr: p.addr, tls: clientTLS(t, client), linger: 2 * time.Second, pid: p.pid, most: 4096}
	hugeBomb() // made before the clock runs
	t.Logf("%-34s %8s %9s %9s %9s %8s %8s", "attack", "n", "p50", "p99", "max", "requests", "peak MB")
	calm := attack{name: "none", full: 1, run: func(ctx context.Context, _ victim, _ int) error {
		pause(ctx, 3*time.Second)
		return nil
	}}
	for _, a := range append([]attack{calm}, attacks...) {
		t.Run(a.name, func(t *testing.T) {
			p.resetPeak(t)
			r := endure(t, v, a, a.full, regularProcess(dir))
			peak := p.megabytes("VmHWM")
			t.Logf("%-34s %8d %9v %9v %9v %8d %8d", a.name, a.full, r.quantile(0.5).Round(10*time.Microsecond), r.quantile(0.99).Round(10*time.Microsecond), r.quantile(1).Round(10*time.Microsecond), len(r.Took), peak)
			if peak > memoryBound {
				t.Errorf("%d MB of memory, more than %d", peak, memoryBound)
			}
		})
	}
}
