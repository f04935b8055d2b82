package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const bucket = "events"

// bench holds what is started once for all cases.
type bench struct {
	dir  string
	o    options
	self string
	s3   *process
}

// receiver is a server under load. start returns its process and address.
type receiver struct {
	name  string
	start func(ctx context.Context, dir string) (*process, string, error)
	// settled waits until everything is in the bucket.
	settled func(ctx context.Context, dir string) error
}

func newBench(dir string, o options) *bench { return &bench{dir: dir, o: o} }

func (b *bench) keyName() string {
	if b.o.rsa {
		return "RSA-4096"
	}
	return "ECDSA P-256"
}

func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.o.relay, err = filepath.Abs(b.o.relay); err != nil {
		return err
	}
	if _, err := os.Stat(b.o.relay); err != nil {
		return fmt.Errorf("%w; build it first: make build", err)
	}
	if err := b.writeCertificates(); err != nil {
		return err
	}
	b.s3, err = startProcess(ctx, b.self, "-serve", "s3")
	return err
}

// writeCertificates lets `handler configure` make what everybody would use.
func (b *bench) writeCertificates() error {
	kind := "ecdsa"
	if b.o.rsa {
		kind = "rsa"
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(b.o.relay), "handler"), "configure", "--yes", "--key-type", kind, b.dir)
	cmd.Stdin = strings.NewReader("") // an empty passphrase: the benchmark's own servers read the key too
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("handler configure: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) stopAll() {
	if b.s3 != nil {
		b.s3.stop()
	}
}

func (b *bench) receivers() []receiver {
	return []receiver{
		{name: "null", start: b.startSelf("null"), settled: nothing},
		{name: "durable", start: b.startSelf("durable"), settled: nothing},
		{name: "relay", start: b.startRelay(""), settled: b.bucketSettled},
		{name: "relay, published filter", start: b.startRelay(publishedFilter), settled: b.bucketSettled},
	}
}

func nothing(context.Context, string) error { return nil }

func (b *bench) startSelf(mode string) func(context.Context, string) (*process, string, error) {
	return func(ctx context.Context, _ string) (*process, string, error) {
		p, err := startProcess(ctx, b.self, "-serve", mode, "-dir", b.dir)
		if err != nil {
			return nil, "", err
		}
		return p, p.firstLine, nil
	}
}

// publishedFilter is the filter of Teleport's guide for Panther.
const publishedFilter = `
<filter test.log>
  @type record_transformer
  enable_ruby true
  <record>
    time ${time.utc.strftime("%Y-%m-%dT%H:%M:%SZ")}
  </record>
</filter>`

func (b *bench) startRelay(filter string) func(context.Context, string) (*process, string, error) {
	return func(ctx context.Context, dir string) (*process, string, error) {
		port, admin := freePort(), freePort()
		config := strings.NewReplacer("{{PORT}}", port, "{{ADMIN}}", admin, "{{CERTS}}", b.dir, "{{DIR}}", dir, "{{S3}}", "http://"+b.s3.firstLine,
			"{{BUCKET}}", bucket, "{{FILTER}}", filter).Replace(relayConfig)
		path := filepath.Join(dir, "fluent.conf")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			return nil, "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "admin"), []byte("127.0.0.1:"+admin), 0o600); err != nil {
			return nil, "", err
		}
		p, err := startProcess(ctx, b.o.relay, "-q", "-c", path)
		if err != nil {
			return nil, "", err
		}
		return p, "127.0.0.1:" + port, waitListening(ctx, "127.0.0.1:"+port)
	}
}

const relayConfig = `<system>
  admin_port {{ADMIN}}
  log_level warn
</system>
<source>
  @type http
  bind 127.0.0.1
  port {{PORT}}
  <transport tls>
    client_cert_auth true
    ca_path {{CERTS}}/ca.crt
    cert_path {{CERTS}}/server.crt
    private_key_path {{CERTS}}/server.key
  </transport>
  <parse>
    @type json
    time_type string
    time_format %iso8601
    keep_time_key true
  </parse>
</source>{{FILTER}}
<match test.log>
  @type s3
  s3_bucket {{BUCKET}}
  s3_region us-east-1
  s3_endpoint {{S3}}
  aws_key_id bench
  aws_sec_key bench
  force_path_style true
  path bench/
  <buffer>
    @type file
    path {{DIR}}/buffer
    flush_mode interval
    flush_interval 1s
    flush_thread_count 2
    chunk_limit_size 16m
  </buffer>
  <format>
    @type json
  </format>
</match>
`

// measure starts a receiver, loads it, waits until its work is done, and takes
// its CPU time and memory.
func (b *bench) measure(ctx context.Context, c load, r receiver) (result, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	p, addr, err := r.start(ctx, dir)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	config, err := clientTLS(b.dir)
	if err != nil {
		return result{}, err
	}
	idle := p.rssMB()
	before := p.cpu()
	// A short round first: pages, pools and the branch predictor get warm.
	warm, err := drive(ctx, c, addr, config, b.o.duration/8)
	if err != nil {
		return result{}, err
	}
	res, err := drive(ctx, c, addr, config, b.o.duration)
	if err != nil {
		return res, err
	}
	if err := r.settled(ctx, dir); err != nil {
		return res, err
	}
	res.events += warm.events
	res.cpu, res.idleMB, res.peakMB = p.cpu()-before, idle, p.peakMB()
	return res, nil
}

// bucketSettled waits until the relay's buffer is empty: all is in the bucket.
func (b *bench) bucketSettled(ctx context.Context, dir string) error {
	admin, err := os.ReadFile(filepath.Join(dir, "admin"))
	if err != nil {
		return err
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if left, err := buffered(ctx, string(admin)); err == nil && left == 0 {
			return nil
		}
		pause(ctx, 50*time.Millisecond)
	}
	return errors.New("the buffer did not empty within 30 s")
}

// buffered is how many bytes wait in the relay's buffers.
func buffered(ctx context.Context, admin string) (int, error) {
	return counted(ctx, admin, "fluentd_output_status_buffer_total_bytes")
}

// counted adds up the samples of one metric, whatever their labels.
func counted(ctx context.Context, addr, metric string) (total int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if strings.HasPrefix(s.Text(), metric+"{") {
			var n float64
			if _, err := fmt.Sscan(s.Text()[strings.LastIndexByte(s.Text(), ' ')+1:], &n); err != nil {
				return 0, err
			}
			total += int(n)
		}
	}
	return total, nil
}

func waitListening(ctx context.Context, addr string) error {
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return c.Close()
		}
		pause(ctx, 5*time.Millisecond)
	}
	return fmt.Errorf("%s does not listen", addr)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func freePort() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "0"
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// process is a server that runs beside the benchmark.
type process struct {
	cmd       *exec.Cmd
	firstLine string
}

// startProcess starts a program; the benchmark's own servers print their address
// as their first line.
func startProcess(ctx context.Context, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, path, args...)}
	p.cmd.Stderr = os.Stderr
	if args[0] != "-serve" {
		return p, p.cmd.Start()
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	p.firstLine = strings.TrimSpace(line)
	return p, nil
}

// startQuiet starts a program that writes its log into a file.
func startQuiet(ctx context.Context, path, log string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, path, args...)}
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has its own
	p.cmd.Stdout, p.cmd.Stderr = f, f
	return p, p.cmd.Start()
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}
