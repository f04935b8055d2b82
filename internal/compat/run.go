package compat

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// run is one case while it is replayed.
type run struct {
	c       *Case
	relay   string // the binary
	dir     string
	outPath string
	vars    map[string]string
	norm    *norm
	conns   map[string]net.Conn
	proc    *process
	s3      *s3Double
	sink    *httpDouble
	fwd     *forwardDouble
}

// Result is what happened: an outcome for each step, and the end.
type Result struct {
	Steps    []map[string]any
	Expect   map[string]any
	NotReady bool
	Output   string
}

// Replay runs a case against the relay's binary in a folder of its own. certs is
// the folder of the corpus' certificates.
func Replay(c *Case, relay, dir, certs string) (*Result, error) {
	r := &run{c: c, relay: relay, dir: filepath.Join(dir, "w"), outPath: filepath.Join(dir, "out.txt"), vars: map[string]string{}, conns: map[string]net.Conn{}}
	defer r.cleanUp()
	if err := r.prepare(certs); err != nil {
		return nil, err
	}
	res := &Result{}
	if !c.NoStart {
		if err := r.start(); err != nil {
			return nil, err
		}
		if c.Mode != "exit" && !r.waitReady() {
			res.NotReady = true
		}
	}
	for _, st := range c.Steps {
		out, err := r.step(st)
		if err != nil {
			return nil, err
		}
		res.Steps = append(res.Steps, dict(r.norm.tree(out)))
	}
	return res, r.finish(res)
}

func (r *run) cleanUp() {
	if r.proc != nil {
		r.proc.kill()
	}
	for _, c := range r.conns {
		_ = c.Close()
	}
	if r.s3 != nil {
		r.s3.Close()
	}
	if r.sink != nil {
		r.sink.Close()
	}
	if r.fwd != nil {
		r.fwd.close()
	}
}

var portNames = regexp.MustCompile(`\{\{(PORT\w*)\}\}`)

// prepare starts the doubles, chooses ports and writes the case's files.
func (r *run) prepare(certs string) error {
	r.norm = &norm{text: r.c.text}
	ports := map[string]bool{}
	for _, m := range portNames.FindAllStringSubmatch(r.c.text, -1) {
		ports[m[1]] = true
	}
	if strings.Contains(r.c.text, "{{S3") {
		r.s3 = newS3(r.c.S3)
		r.double("S3PORT", r.s3.Listener)
		r.vars["S3"], r.vars["AK"], r.vars["SK"] = "http://127.0.0.1:"+r.vars["S3PORT"], accessKey, secretKey
	}
	if strings.Contains(r.c.text, "{{SINK") {
		r.sink = newHTTP(r.c.Sink)
		r.double("SINKPORT", r.sink.Listener)
		r.vars["SINK"] = "http://127.0.0.1:" + r.vars["SINKPORT"]
	}
	if strings.Contains(r.c.text, "{{FWD") {
		var err error
		if r.fwd, err = newForward(); err != nil {
			return err
		}
		r.double("FWDPORT", r.fwd.ln)
	}
	hostname, _ := os.Hostname()
	r.vars["DIR"], r.vars["CERTS"], r.vars["HOSTNAME"] = r.dir, certs, hostname
	for _, name := range []string{"DIR", "CERTS", "HOSTNAME"} {
		r.norm.mark(r.vars[name], "{{"+name+"}}")
	}
	for name := range ports {
		port, err := freePort()
		if err != nil {
			return err
		}
		r.vars[name] = port
		r.norm.mark(port, "{{"+name+"}}")
	}
	for _, extra := range r.c.Norm {
		re, err := regexp.Compile(strings.ReplaceAll(extra[0], `(?!`, `(?:`))
		if err == nil {
			r.norm.extra = append(r.norm.extra, substitution{re, backslashRef.ReplaceAllString(extra[1], "$${$1}")})
		}
	}
	return r.writeFiles()
}

var backslashRef = regexp.MustCompile(`\\(\d)`)

func (r *run) double(name string, ln net.Listener) {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	r.vars[name] = port
	r.norm.mark(port, "{{"+name+"}}")
}

func (r *run) writeFiles() error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil { //nolint:gosec // as the recording had it
		return err
	}
	for name, v := range r.c.Files {
		body, err := content(v, r.vars)
		if err != nil {
			return err
		}
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as the recording had it
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil { //nolint:gosec // as the recording had it
			return err
		}
	}
	return nil
}

// freePort finds one that is free for TCP and UDP, below the range that the
// system hands out itself: who knocks at a port of that range before the relay
// listens may meet himself there.
func freePort() (string, error) {
	for range 50 {
		port := strconv.Itoa(20000 + rand.IntN(12000)) //nolint:gosec // no secret
		ln, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", "127.0.0.1:"+port)
		_ = ln.Close()
		if err == nil {
			_ = udp.Close()
			return port, nil
		}
	}
	return "", errors.New("no free port")
}

// process is the relay under test.
type process struct {
	cmd    *exec.Cmd
	done   chan struct{}
	code   int
	output *os.File
}

func (r *run) start() error {
	output, err := os.OpenFile(r.outPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	args := []string{"-c", filepath.Join(r.dir, r.c.Conf)}
	for _, a := range r.c.Args {
		args = append(args, fillText(a, r.vars))
	}
	cmd := exec.Command(r.relay, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = []string{"TZ=UTC", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HOME=" + r.dir, "RELAY_ADMIN=off", "PATH=" + os.Getenv("PATH")}
	for k, v := range r.c.Env {
		cmd.Env = append(cmd.Env, k+"="+fillText(v, r.vars))
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{cmd: cmd, done: make(chan struct{}), output: output}
	go func() {
		_ = cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
		_ = output.Close()
		close(p.done)
	}()
	r.proc = p
	return nil
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// end waits for the process; "timeout" when it does not come.
func (p *process) end(timeout time.Duration) any {
	select {
	case <-p.done:
		return float64(p.code)
	case <-time.After(timeout):
		return "timeout"
	}
}

func (p *process) stop() any {
	if !p.exited() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	code := p.end(20 * time.Second)
	if code == "timeout" {
		p.kill()
	}
	return code
}

func (p *process) kill() {
	if !p.exited() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	p.end(5 * time.Second)
}

func (r *run) waitReady() bool {
	names := []string{"PORT"}
	if r.c.Ready != nil {
		names = *r.c.Ready
	}
	waited := false
	for _, name := range names {
		if port := r.vars[name]; port != "" {
			waited = true
			if !until(40*time.Second, func() bool { return r.proc.exited() || listening(port) }) {
				return false
			}
		}
	}
	if !waited {
		boot := r.c.Boot
		if boot == 0 {
			boot = 3
		}
		// A relay is up long before Fluentd is; the recording's pause is a maximum.
		time.Sleep(seconds(min(boot, 1)))
	}
	return !r.proc.exited()
}

func listening(port string) bool {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func until(timeout time.Duration, ok func() bool) bool {
	for end := time.Now().Add(timeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

func (r *run) output() string {
	text, _ := os.ReadFile(r.outPath)
	return string(text)
}

func (r *run) glob(pattern string) []string {
	paths := globAll(filepath.Join(r.dir, fillText(pattern, r.vars)))
	var names []string
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && !info.IsDir() {
			name, _ := filepath.Rel(r.dir, p)
			if strings.Contains("/"+name, "/.") && !strings.Contains("/"+pattern, "/.") {
				continue // as in a shell, * finds no hidden file
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// globAll knows ** for any number of folders, beside what filepath.Glob knows.
func globAll(pattern string) []string {
	before, after, deep := strings.Cut(pattern, "**/")
	if !deep {
		paths, _ := filepath.Glob(pattern)
		return paths
	}
	var all []string
	_ = filepath.WalkDir(filepath.Clean(before), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, globAll(filepath.Join(path, after))...)
		}
		return nil
	})
	return all
}

// forwardAuth runs the handshake of the forward protocol as a client.
func (r *run) forwardAuth(st map[string]any) map[string]any {
	c, err := r.connect(st)
	if err != nil {
		return failed(st, err)
	}
	defer c.Close()
	helo, ok := list(readMsgpack(c)), true
	if len(helo) < 2 {
		return map[string]any{"helo": nil}
	}
	option, ok := helo[1].(*event.Record)
	if !ok {
		return map[string]any{"helo": nil}
	}
	shown := map[string]any{}
	for k, v := range option.All() {
		if b := rawBytes(v); (k == "nonce" || k == "auth") && len(b) > 0 {
			shown[k] = fmt.Sprintf("<bytes%d>", len(b))
		} else {
			shown[k] = plain(v)
			if b, isBin := v.(event.Binary); isBin && len(b) == 0 {
				shown[k] = ""
			}
		}
	}
	out := map[string]any{"helo": []any{plain(helo[0]), shown}}
	nonceV, _ := option.Get("nonce")
	authV, _ := option.Get("auth")
	nonce, auth, salt, key := rawBytes(nonceV), rawBytes(authV), []byte("0123456789abcdef"), []byte(str(st["shared_key"]))
	user, password := str(st["username"]), ""
	if user != "" {
		password = hash(auth, []byte(user), []byte(str(st["password"])))
	}
	ping := []any{"PING", "tester", event.Binary(salt), hash(salt, []byte("tester"), nonce, key), user, password}
	_, _ = c.Write(event.AppendMsgpack(nil, ping))
	pong := list(readMsgpack(c))
	if len(pong) < 5 {
		out["pong"] = nil
		return out
	}
	out["pong"] = pongShown(pong, salt, nonce, key)
	if accepted, _ := pong[1].(bool); accepted && st["send_b64"] != nil {
		_, _ = c.Write(r.bytesOf(st, "send"))
		if want, _ := st["want_ack"].(bool); want {
			out["ack"] = plain(readMsgpack(c))
		}
		time.Sleep(300 * time.Millisecond)
	}
	return out
}

func pongShown(pong []any, salt, nonce, key []byte) []any {
	accepted, _ := pong[1].(bool)
	host, digest := plain(pong[3]), plain(pong[4])
	if accepted {
		if digest == hash(salt, rawBytes(pong[3]), nonce, key) {
			digest = "<digest ok>"
		} else {
			digest = "<digest wrong>"
		}
	}
	if host != "" {
		host = "<host>"
	}
	return []any{plain(pong[0]), accepted, plain(pong[2]), host, digest}
}

func rawBytes(v any) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case event.Binary:
		return v
	}
	return nil
}

func hash(parts ...[]byte) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func readMsgpack(c net.Conn) any {
	_ = c.SetReadDeadline(time.Now().Add(4 * time.Second))
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if v, _, err := event.ReadMsgpack(all); err == nil {
			return v
		}
		if err != nil {
			return nil
		}
	}
}

// fileText is a collected file; gzip is unpacked and said so.
func fileText(path string) (any, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if zr, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		if text, err := io.ReadAll(zr); err == nil {
			b = append([]byte("(gzip)"), text...)
		}
	}
	return textOrB64(b), nil
}

func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
