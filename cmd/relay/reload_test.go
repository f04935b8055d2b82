package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// storing is a relay that keeps what it takes in files, each event once.
func storing(t *testing.T, dir, bind, port, more string) string {
	t.Helper()
	return strings.NewReplacer("DIR", dir, "BIND", bind, "PORT", port, "MORE", more).Replace(`
<source>
  @type http
  bind BIND
  port PORT
</source>
MORE
<match t>
  @type file
  path DIR/out
  <buffer>
    @type file
    path DIR/buffer
    flush_mode interval
    flush_interval 1s
    dedup_key n
  </buffer>
</match>
`)
}

// poster sends numbered events until it is stopped, each until it is answered 200.
type poster struct {
	url     string
	next    atomic.Int64
	refused atomic.Int64 // connections
	broken  atomic.Int64 // requests that were not answered
	stop    chan struct{}
	work    sync.WaitGroup
}

func startPosters(n int, url string) *poster {
	p := &poster{url: url, stop: make(chan struct{})}
	for i := range n {
		transport := &http.Transport{DisableKeepAlives: i%2 == 0}
		p.work.Go(func() {
			defer transport.CloseIdleConnections()
			for {
				select {
				case <-p.stop:
					return
				default:
					p.post(&http.Client{Transport: transport}, p.next.Add(1))
				}
			}
		})
	}
	return p
}

func (p *poster) post(c *http.Client, n int64) {
	for {
		r, err := c.Post(p.url, "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)))
		switch {
		case err == nil:
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
			p.broken.Add(1)
		case strings.Contains(err.Error(), "connection refused"):
			p.refused.Add(1)
		default:
			p.broken.Add(1)
		}
	}
}

// stored is how often each number is in the files below dir.
func stored(t *testing.T, dir string) map[int]int {
	t.Helper()
	got := map[int]int{}
	files, err := filepath.Glob(filepath.Join(dir, "out*.log"))
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		for line := range bytes.Lines(text) {
			_, number, _ := strings.Cut(string(line), `{"n":`)
			n, err := strconv.Atoi(strings.TrimRight(number, "}\n"))
			must(t, err)
			got[n]++
		}
	}
	return got
}

// TestReloads: clients that send all the time meet no closed port, and each of their
// events is stored once.
func TestReloads(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	d := startRelay(t, dir, storing(t, dir, "127.0.0.1", port, ""))
	p := startPosters(8, "http://127.0.0.1:"+port+"/t")
	for i := range 20 {
		must(t, d.cmd.Process.Signal([]os.Signal{syscall.SIGHUP, syscall.SIGUSR2}[i%2]))
		d.wait(t, "fluentd worker is now running")
	}
	close(p.stop)
	p.work.Wait()
	must(t, d.cmd.Process.Signal(syscall.SIGUSR1))
	want := int(p.next.Load())
	var got map[int]int
	for late := time.Now().Add(20 * time.Second); len(got) < want && time.Now().Before(late); {
		got = stored(t, dir)
	}
	doubled := 0
	for _, times := range got {
		doubled += times - 1
	}
	t.Logf("%d events", want)
	if refused, broken := p.refused.Load(), p.broken.Load(); refused+broken > 0 || len(got) != want || doubled > 0 {
		t.Errorf("%d connections refused, %d requests broken; %d of %d events stored, %d doubled", refused, broken, len(got), want, doubled)
	}
}

// TestReloadChanges: what a new configuration changes about ports, and what happens when
// it can not start.
func TestReloadChanges(t *testing.T) {
	dir, port, other, taken := t.TempDir(), freePort(t), freePort(t), freePort(t)
	file := filepath.Join(dir, "fluent.conf")
	d := startRelay(t, dir, storing(t, dir, "0.0.0.0", port, ""))
	answers := func(port string) bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	reload := func(config, says string) {
		t.Helper()
		writeFile(t, file, []byte(config))
		must(t, d.cmd.Process.Signal(syscall.SIGHUP))
		d.wait(t, says)
	}
	source := "<source>\n@type http\nbind 127.0.0.1\nport %s\n</source>"

	reload(storing(t, dir, "127.0.0.1", port, fmt.Sprintf(source, other)), "is now running")
	if !answers(port) || !answers(other) {
		t.Error("a port of the new configuration is closed")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:"+taken)
	must(t, err)
	defer ln.Close()
	reload(storing(t, dir, "127.0.0.1", port, fmt.Sprintf(source, taken)), "can not be started; the old one goes on")
	if !answers(port) || !answers(other) {
		t.Error("the old configuration does not go on")
	}
	reload(storing(t, dir, "127.0.0.1", port, ""), "is now running")
	for late := time.Now().Add(10 * time.Second); answers(other); {
		if time.Now().After(late) {
			t.Fatal("a port that is not in the configuration any more stays open")
		}
	}
	p := startPosters(1, "http://127.0.0.1:"+port+"/t")
	close(p.stop)
	p.work.Wait()
}
