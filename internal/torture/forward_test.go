package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/forward"
)

// TestTortureForward lets a sender forward to one relay and that to another, with
// acknowledgements and dedup, and kills both with SIGKILL again and again while
// events are on their way. Every event must be in the second one's files exactly
// once. SLUICE_TORTURE_FORWARD runs it at full size: 100,000 events, 20 kills each.
func TestTortureForward(t *testing.T) {
	events, kills := 4000, 2
	if os.Getenv("SLUICE_TORTURE_FORWARD") != "" {
		events, kills = 100_000, 20
	}
	seed := uint64(time.Now().UnixNano()) % 1_000_000 //nolint:gosec // above zero
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret

	dir := t.TempDir()
	bin := filepath.Join(dir, "relay")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/relay").CombinedOutput(); err != nil {
		t.Fatalf("build relay: %v\n%s", err, out)
	}
	first, second := freePort(t), freePort(t)
	a := &killed{t: t, port: first, bin: bin, dir: filepath.Join(dir, "a"), conf: fmt.Sprintf(forwardingConf, first, second, filepath.Join(dir, "a", "buffer"))}
	b := &killed{t: t, port: second, bin: bin, dir: filepath.Join(dir, "b"), conf: fmt.Sprintf(storingConf, second, filepath.Join(dir, "b", "out", "f"), filepath.Join(dir, "b", "buffer"))}
	for _, r := range []*killed{a, b} {
		r.start()
		t.Cleanup(r.kill)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var acked atomic.Int64
	var senders sync.WaitGroup
	const at, perMessage = 4, 20
	for s := range at {
		senders.Go(func() { sendAll(ctx, t, first, events/at*s, events/at*(s+1), perMessage, &acked) })
	}
	for i := range 2 * kills {
		for want := int64(events) * int64(i) / int64(2*kills); acked.Load() < want && ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(dice.IntN(40)) * time.Millisecond) // at any moment of a chunk's life
		r := []*killed{a, b}[i%2]
		if dice.IntN(2) == 0 { // and of a reload
			_ = r.cmd.Process.Signal(syscall.SIGHUP)
			time.Sleep(time.Duration(dice.IntN(40)) * time.Millisecond)
		}
		r.kill()
		r.start()
	}
	senders.Wait()
	got := map[int]int{}
	for len(got) < events && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		got = stored(t, b.dir)
	}
	a.stop()
	b.stop()
	got = stored(t, b.dir)
	lost, doubled := 0, 0
	for n := range events {
		switch c := got[n]; {
		case c == 0:
			lost++
		case c > 1:
			doubled++
		}
	}
	t.Logf("%d events, %d acknowledged, each relay killed %d times: %d lost, %d doubled", events, acked.Load(), kills, lost, doubled)
	if lost+doubled > 0 || len(got) != events || acked.Load() != int64(events) {
		t.Errorf("lost %d, doubled %d, strange %d\n--- a\n%s\n--- b\n%s", lost, doubled, len(got)+lost-events, a.tail(), b.tail())
	}
}

const forwardingConf = `
<source>
  @type forward
  bind 127.0.0.1
  port %d
</source>
<match **>
  @type forward
  require_ack_response true
  ack_response_timeout 10
  heartbeat_interval 0.2
  recover_wait 0.2
  keepalive true
  <server>
    host 127.0.0.1
    port %d
  </server>
  <buffer tag>
    @type file
    path %s
    dedup content
    flush_interval 0.1
    flush_thread_count 2
    flush_at_shutdown true
    chunk_limit_size 64k
    retry_wait 0.1
    retry_max_interval 0.5
    retry_forever true
    min_free 0
  </buffer>
</match>
<label @FLUENT_LOG>
  <match **>
    @type null
  </match>
</label>
`

const storingConf = `
<source>
  @type forward
  bind 127.0.0.1
  port %d
</source>
<match **>
  @type file
  path %s
  <format>
    @type json
  </format>
  <buffer []>
    @type file
    path %s
    dedup content
    flush_mode interval
    flush_interval 0.2
    flush_at_shutdown true
    retry_wait 0.1
    min_free 0
  </buffer>
</match>
<label @FLUENT_LOG>
  <match **>
    @type null
  </match>
</label>
`

// freePort is a port that nobody listens at, below those that clients are given.
func freePort(t *testing.T) int {
	t.Helper()
	for range 50 {
		port := 16_000 + rand.IntN(2_000)
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// killed is a relay that is killed and started again.
type killed struct {
	t              *testing.T
	bin, dir, conf string
	port           int
	cmd            *exec.Cmd
	log            *os.File
}

func (k *killed) start() {
	k.t.Helper()
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		k.t.Fatal(err)
	}
	path := filepath.Join(k.dir, "fluent.conf")
	if err := os.WriteFile(path, []byte(k.conf), 0o600); err != nil {
		k.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(k.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		k.t.Fatal(err)
	}
	k.log = log
	k.cmd = exec.Command(k.bin, "-c", path, "--admin", "off")
	k.cmd.Stdout, k.cmd.Stderr = log, log
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", k.port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(late) {
			k.t.Fatalf("the relay does not listen: %v\n%s", err, k.tail())
		}
	}
}

func (k *killed) kill() { k.end(syscall.SIGKILL) }

// stop ends it in good order, so that it sends what it holds.
func (k *killed) stop() { k.end(syscall.SIGTERM) }

func (k *killed) end(s syscall.Signal) {
	if k.cmd == nil {
		return
	}
	_ = k.cmd.Process.Signal(s)
	_ = k.cmd.Wait()
	_ = k.log.Close()
	k.cmd = nil
}

func (k *killed) tail() string { return tail(k.dir, "log") }

// sendAll sends the events from..to in messages of so many, each until it is
// acknowledged.
func sendAll(ctx context.Context, t *testing.T, port, from, to, size int, acked *atomic.Int64) {
	var conn net.Conn
	var d *forward.Decoder
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for ; from < to; from += size {
		n := min(size, to-from)
		id := fmt.Sprint("message ", from)
		var entries []byte
		for i := range n {
			record := event.NewRecord("n", from+i, "pad", strings.Repeat("x", 100))
			entries = forward.AppendEntry(entries, event.Event{Time: event.Now(), Record: record}, false)
		}
		raw := append(forward.AppendPackedHead(nil, "t", int64(len(entries))), entries...)
		raw = forward.AppendOption(raw, forward.Option{Size: n, Chunk: id})
		for {
			err := errNetwork
			if conn == nil {
				if conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
					d = forward.NewDecoder(conn)
				}
			}
			if conn != nil {
				err = sendOne(conn, d, raw, id)
			}
			if err == nil {
				break
			}
			if conn != nil {
				_ = conn.Close()
				conn = nil
			}
			if ctx.Err() != nil {
				t.Errorf("message %d was not acknowledged: %v", from, err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		acked.Add(int64(n))
	}
}

func sendOne(conn net.Conn, d *forward.Decoder, raw []byte, id string) error {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write(raw); err != nil {
		return err
	}
	v, err := d.Value()
	if err != nil {
		return err
	}
	got, err := forward.AckOf(v)
	if err == nil && got != id {
		err = fmt.Errorf("got the acknowledgement of %s", got)
	}
	return err
}

// stored counts each event in the files.
func stored(t *testing.T, dir string) map[int]int {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "out", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]int{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var e struct{ N int }
			if err := json.Unmarshal(line, &e); err == nil { // a file may be half written just now
				got[e.N]++
			}
		}
	}
	return got
}
