package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// world is what surrounds the binary in one script.
type world struct {
	dir string

	cluster  *teleporttest.Server
	proxies  proxies
	s3       *s3test.Server
	notify   net.PacketConn // a service manager's socket
	receiver *receiver
	proxy    *connectProxy
	process  *process
}

type worldKey struct{}

// patience bounds every wait; a script that needs it has failed.
const patience = 30 * time.Second

func (w *world) close() {
	if w.process != nil {
		_ = w.process.cmd.Process.Kill()
		<-w.process.ended
	}
	if w.notify != nil {
		_ = w.notify.Close()
	}
	if w.s3 != nil {
		_ = w.s3.Close()
	}
	if w.receiver != nil {
		w.receiver.server.Close()
	}
	for _, p := range w.proxies.all {
		_ = p.Close()
	}
	if w.cluster != nil {
		_ = w.cluster.Close()
	}
}

type scriptCommand = func(ts *testscript.TestScript, neg bool, args []string)

func worldCommands() map[string]scriptCommand {
	with := func(do func(w *world, ts *testscript.TestScript, args []string)) scriptCommand {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! is not understood here")
			}
			do(ts.Value(worldKey{}).(*world), ts, args)
		}
	}
	return map[string]scriptCommand{
		"exits":       with((*world).exits),
		"cluster":     with((*world).startCluster),
		"proxy":       with((*world).proxyCommand),
		"credentials": with((*world).credentials),
		"fault":       with((*world).fault),
		"generate":    with((*world).generate),
		"append":      with((*world).append),
		"receive":     with((*world).receive),
		"identity":    with((*world).identity),
		"drop":        with((*world).drop),
		"refuse":      with((*world).refuse),
		"serve":       with((*world).serve),
		"signal":      with((*world).signal),
		"logged":      with((*world).logged),
		"unlogged":    with((*world).unlogged),
		"ended":       with((*world).ended),
		"delivered":   with((*world).delivered),
		"fetch":       with((*world).fetch),
		"freeport":    with((*world).freePort),
		"fill":        with((*world).fill),
		"metric":      with((*world).metric),
		"manager":     with((*world).manager),
		"told":        with((*world).told),
		"until":       with((*world).until),
		"recordings":  with((*world).recordings),
		"givenup":     with((*world).givenUp),
		"bucket":      with((*world).bucket),
		"store":       with((*world).store),
		"secure":      with((*world).secure),
		"webproxy":    with((*world).startWebProxy),
		"proxied":     with((*world).proxied),
		"hangup":      with((*world).hangUp),
		"objects":     with((*world).objects),
	}
}

// exits is `exits CODE COMMAND ARGS...`: exec for a command that ends so.
func (w *world) exits(ts *testscript.TestScript, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// startCluster is `cluster [-bulk] [-events N] [-uploads N]`; it sets $TELEPORT and
// $IDENTITY, and $BEGIN to the time of the first event.
func (w *world) startCluster(ts *testscript.TestScript, args []string) {
	f := flag.NewFlagSet("cluster", flag.ContinueOnError)
	bulk := f.Bool("bulk", false, "")
	events := f.Int("events", 0, "")
	uploads := f.Int("uploads", -1, "one in so many")
	ts.Check(f.Parse(args))
	o := teleporttest.Options{Dir: filepath.Join(w.dir, "cluster"), Seed: 1, UploadEvery: *uploads, Start: time.Now().UTC().Truncate(time.Second).Add(-2 * time.Hour)}
	if *bulk {
		o.Mode = teleporttest.Bulk
	}
	var err error
	w.cluster, err = teleporttest.Start(context.Background(), o)
	ts.Check(err)
	w.cluster.Generate(*events)
	ts.Setenv("TELEPORT", w.cluster.Addr())
	ts.Setenv("TELEPORT_PORT", w.cluster.Addr()[strings.LastIndexByte(w.cluster.Addr(), ':')+1:])
	ts.Setenv("IDENTITY", w.cluster.IdentityPath())
	ts.Setenv("BEGIN", o.Start.Format(time.RFC3339))
	ts.Setenv("FOLDER", strings.ReplaceAll(w.cluster.Addr(), ":", "_"))
}

// fault is `fault NAME on|off`.
func (w *world) fault(ts *testscript.TestScript, args []string) {
	turn, known := map[string]func(bool){
		"missing-recordings":  w.cluster.Faults().MissingRecordings,
		"down":                w.cluster.Faults().Down,
		"expired-certificate": w.cluster.Faults().ExpiredCertificate,
		"pings":               func(bool) { w.cluster.Faults().ForgePings() }, // once
	}[args[0]]
	if !known {
		ts.Fatalf("no such fault: %v", args)
	}
	turn(args[1] == "on")
}

// identity is `identity TTL FILE`: a negative ttl makes an expired one.
func (w *world) identity(ts *testscript.TestScript, args []string) {
	ttl, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Check(w.cluster.WriteIdentity(ts.MkAbs(args[1]), ttl))
}

// drop breaks the connections to the cluster.
func (w *world) drop(*testscript.TestScript, []string) { w.cluster.DropConnections() }

func (w *world) generate(ts *testscript.TestScript, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	w.cluster.Generate(n)
}

// append is `append ID [TYPE]`: an event of now.
func (w *world) append(ts *testscript.TestScript, args []string) {
	kind := "user.create"
	if len(args) > 1 {
		kind = args[1]
	}
	ts.Check(w.cluster.Append(teleporttest.Event{Type: kind, ID: args[0], Time: time.Now()}))
}

// receiver takes POSTs, and refuses events of some ids.
type receiver struct {
	server *httptest.Server

	mu      sync.Mutex
	more    *sync.Cond
	count   map[string]int // by path and uid, else by path and body
	lines   [][]byte       // audit events
	refused map[string]bool
}

// receive is `receive [DIR]`: it sets $RECEIVER. With a folder, of what configure
// wrote, it speaks TLS and wants a client certificate; it reads the files again at
// every handshake.
func (w *world) receive(ts *testscript.TestScript, args []string) {
	r := &receiver{count: map[string]int{}, refused: map[string]bool{}}
	r.more = sync.NewCond(&r.mu)
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are meant to
	if len(args) == 0 {
		r.server.Start()
	} else {
		dir := ts.MkAbs(args[0])
		r.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return mutualTLS(dir) }}
		r.server.StartTLS()
	}
	w.receiver = r
	ts.Setenv("RECEIVER_PORT", portOf(r.server))
	ts.Setenv("RECEIVER", strings.Replace(r.server.URL, "127.0.0.1", "localhost", 1))
}

func mutualTLS(dir string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, SessionTicketsDisabled: true}, nil
}

// hangUp breaks the connections to the receiver.
func (w *world) hangUp(*testscript.TestScript, []string) { w.receiver.server.CloseClientConnections() }

func (r *receiver) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var e struct {
		UID string `json:"uid"`
	}
	if err != nil || json.Unmarshal(body, &e) != nil {
		http.Error(rw, "no JSON object", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.more.Broadcast()
	if r.refused[e.UID] {
		http.Error(rw, "this event is refused", http.StatusUnprocessableEntity)
		return
	}
	key := e.UID
	if key == "" {
		key = string(body)
	}
	r.count[req.URL.Path+" "+key]++
	if !strings.HasPrefix(req.URL.Path, "/session") {
		r.lines = append(r.lines, body)
	}
}

// refuse is `refuse ID...`; without an id nothing is refused any more.
func (w *world) refuse(_ *testscript.TestScript, args []string) {
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	clear(w.receiver.refused)
	for _, id := range args {
		w.receiver.refused[id] = true
	}
}

// delivered is `delivered N [PREFIX]`: it waits until so many different events came
// to paths with the prefix (/test.log), and fails when one came twice.
func (w *world) delivered(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	prefix := "/test.log"
	if len(args) > 1 {
		prefix = args[1]
	}
	r := w.receiver
	late := time.AfterFunc(patience, r.more.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(patience)
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		n := 0
		for key, times := range r.count {
			if strings.HasPrefix(key, prefix) {
				n++
				if times > 1 {
					ts.Fatalf("%s came %d times", key, times)
				}
			}
		}
		if n == want {
			return
		}
		if n > want || time.Now().After(deadline) {
			ts.Fatalf("%d events were delivered, want %d", n, want)
		}
		r.more.Wait()
	}
}

// fill is `fill FROM TO`: a file with the variables of the script put in.
func (w *world) fill(ts *testscript.TestScript, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// metric is `metric ADDR NAME VALUE`: it waits until the metric has the value. The
// process writes it a moment after what can be seen from outside.
func (w *world) metric(ts *testscript.TestScript, args []string) {
	want := args[1] + " " + args[2] + "\n"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		w.fetch(ts, []string{"http://" + args[0] + "/metrics", "metrics"})
		text := ts.ReadFile("metrics")
		if strings.Contains(text, "\n"+want) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never became %s:\n%s", args[1], args[2], text)
		}
	}
}

// manager is a service manager that listens at $NOTIFY_SOCKET.
func (w *world) manager(ts *testscript.TestScript, _ []string) {
	// A socket's path is short; a script's folder need not be.
	dir, err := os.MkdirTemp("", "sd")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	w.notify, err = net.ListenPacket("unixgram", path)
	ts.Check(err)
	ts.Setenv("NOTIFY_SOCKET", path)
}

// told is `told TEXT`: it waits for a message to the service manager that has it.
func (w *world) told(ts *testscript.TestScript, args []string) {
	ts.Check(w.notify.SetReadDeadline(time.Now().Add(patience)))
	for b := make([]byte, 4096); ; {
		n, _, err := w.notify.ReadFrom(b)
		if err != nil {
			ts.Fatalf("nobody said %s: %v", args[0], err)
		}
		if strings.Contains(string(b[:n]), args[0]) {
			return
		}
	}
}

// until is `until NAME`: the time of now.
func (w *world) until(ts *testscript.TestScript, args []string) {
	ts.Setenv(args[0], time.Now().UTC().Format(time.RFC3339Nano))
}

// recordings is `recordings PREFIX`: every event of every recording was received
// exactly once.
func (w *world) recordings(ts *testscript.TestScript, args []string) {
	r := w.receiver
	r.mu.Lock()
	defer r.mu.Unlock()
	got := 0
	for key, times := range r.count {
		if strings.HasPrefix(key, args[0]) {
			got += times
		}
	}
	want := 0
	for s := range w.cluster.Sessions() {
		want += len(s.Events)
		for _, e := range s.Events {
			key := e.UID
			if key == "" {
				key = string(e.JSON())
			}
			if n := r.count[args[0]+"."+s.ID+".log "+key]; n != 1 {
				ts.Fatalf("event %d of session %s came %d times", e.Handed, s.ID, n)
			}
		}
	}
	if got != want {
		ts.Fatalf("%d events of recordings came, want %d", got, want)
	}
}

// givenUp is `givenup NAME`: the id of the last session, which was given up.
func (w *world) givenUp(ts *testscript.TestScript, args []string) {
	for s := range w.cluster.Sessions() {
		ts.Setenv(args[0], s.ID)
	}
}

// store is `store BUCKET`: an S3 store with that bucket; it sets $S3.
func (w *world) store(ts *testscript.TestScript, args []string) {
	if w.s3 != nil {
		return
	}
	var err error
	w.s3, err = s3test.Start(filepath.Join(w.dir, "s3"), s3test.Options{Buckets: args[:1], NoSync: true})
	ts.Check(err)
	ts.Setenv("S3", w.s3.URL())
}

// bucket is `bucket NAME PREFIX N`: the first N audit events that were received, as
// a packed object of an S3 store; it sets $S3.
func (w *world) bucket(ts *testscript.TestScript, args []string) {
	w.store(ts, args)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	for _, line := range w.receiver.lines[:n] {
		_, _ = zw.Write(append(line, '\n'))
	}
	ts.Check(zw.Close())
	req, err := http.NewRequest(http.MethodPut, w.s3.URL()+"/"+args[0]+"/"+args[1]+"events.gz", &b) //nolint:noctx // a test's own server
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	ts.Check(resp.Body.Close())
}

// objects is `objects DIR N`: it writes the audit events that were received, the
// first N of them, as an object.
func (w *world) objects(ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.MkdirAll(dir, 0o700))
	var b strings.Builder
	for _, line := range w.receiver.lines[:n] {
		b.Write(line)
		b.WriteByte('\n')
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "events.json"), []byte(b.String()), 0o600))
}

// process is a running handler and its log.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	code  int

	mu   sync.Mutex
	more *sync.Cond
	log  []string
	at   int // lines that `logged` has passed
}

// serve is `serve ARGS...`: it runs `handler start ARGS...` in the background.
func (w *world) serve(ts *testscript.TestScript, args []string) {
	path, err := exec.LookPath("handler")
	ts.Check(err)
	cmd := exec.Command(path, append([]string{"start"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "FDFWD_CONFIG", "FDFWD_STORAGE", "NOTIFY_SOCKET", "WATCHDOG_USEC", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, ended: make(chan struct{})}
	p.more = sync.NewCond(&p.mu)
	w.process = p
	go p.follow(stderr)
}

func (p *process) follow(stderr io.Reader) {
	for s := bufio.NewScanner(stderr); s.Scan(); {
		p.mu.Lock()
		p.log = append(p.log, s.Text())
		p.mu.Unlock()
		p.more.Broadcast()
	}
	_ = p.cmd.Wait()
	p.mu.Lock()
	p.code = p.cmd.ProcessState.ExitCode()
	p.mu.Unlock()
	close(p.ended)
	p.more.Broadcast()
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (w *world) signal(ts *testscript.TestScript, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	ts.Check(w.process.cmd.Process.Signal(signals[args[0]]))
}

// logged is `logged REGEXP`: it waits for a line, behind those that it waited for
// before.
func (w *world) logged(ts *testscript.TestScript, args []string) {
	re, p := regexp.MustCompile(args[0]), w.process
	late := time.AfterFunc(patience, p.more.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(patience)
	p.mu.Lock()
	defer p.mu.Unlock()
	for from := p.at; ; {
		for ; from < len(p.log); from++ {
			if re.MatchString(p.log[from]) {
				p.at = from + 1
				return
			}
		}
		if p.over() || time.Now().After(deadline) {
			ts.Fatalf("no line matches %s:\n%s", args[0], strings.Join(p.log, "\n"))
		}
		p.more.Wait()
	}
}

// unlogged is `unlogged REGEXP`: no line so far is like that.
func (w *world) unlogged(ts *testscript.TestScript, args []string) {
	re, p := regexp.MustCompile(args[0]), w.process
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.log {
		if re.MatchString(line) {
			ts.Fatalf("it logged: %s", line)
		}
	}
}

// ended is `ended CODE`.
func (w *world) ended(ts *testscript.TestScript, args []string) {
	select {
	case <-w.process.ended:
	case <-time.After(patience):
		ts.Fatalf("the handler still runs:\n%s", strings.Join(w.process.log, "\n"))
	}
	if got := strconv.Itoa(w.process.code); got != args[0] {
		ts.Fatalf("exit code %s, want %s:\n%s", got, args[0], strings.Join(w.process.log, "\n"))
	}
	w.process = nil
}

// fetch is `fetch URL FILE`: the answer's status and body.
func (w *world) fetch(ts *testscript.TestScript, args []string) {
	resp, err := http.Get(args[0]) //nolint:gosec,noctx // a test's own server
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), fmt.Appendf(nil, "%s\n%s", resp.Status, body), 0o600))
}

// freePort is `freeport NAME`: an address that nobody listens on.
func (w *world) freePort(ts *testscript.TestScript, args []string) {
	for {
		addr := "127.0.0.1:" + strconv.Itoa(4_000+rand.IntN(8_000)) // below those that clients are given
		if l, err := net.Listen("tcp", addr); err == nil {
			ts.Setenv(args[0], addr)
			ts.Check(l.Close())
			return
		}
	}
}
