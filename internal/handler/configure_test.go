package handler

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/metrics"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/pki"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

var update = flag.Bool("update", false, "write testdata/configure anew")

// command parses a command line as cmd/handler does.
func command(args ...string) (*ConfigureCmd, error) {
	var c struct {
		Configure ConfigureCmd `cmd:""`
	}
	parser, err := kong.New(&c, kong.Name("handler"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	_, err = parser.Parse(append([]string{"configure", "--key-type", "ecdsa"}, args...))
	c.Configure.Version = "1.2.3"
	return &c.Configure, err
}

// configure runs the command with a passphrase at standard input; answers, when
// there are any, come from a terminal.
func configure(t *testing.T, passphrase io.Reader, answers []string, args ...string) (string, error) {
	t.Helper()
	c, err := command(args...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := &setup{cmd: c, ask: newAsker(nil, &out, c.Yes), out: &out, now: time.Now(), lookup: func(_ context.Context, name string) ([]net.IP, error) {
		switch name {
		case "localhost":
			return lookupHost(t.Context(), name)
		case "relay.example.com":
			return []net.IP{net.IPv4(10, 0, 0, 5), net.IPv4(10, 0, 0, 5), net.ParseIP("2001:db8::5")}, nil
		}
		return nil, errors.New("no such host")
	}}
	if answers != nil {
		s.ask.in = bufio.NewReader(strings.NewReader(strings.Join(answers, "\n") + "\n"))
	}
	if passphrase == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		passphrase = null
	}
	err = s.run(t.Context(), passphrase)
	return out.String(), err
}

func mustConfigure(t *testing.T, args ...string) string {
	t.Helper()
	out, err := configure(t, nil, nil, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

var allFiles = []string{
	"ca.crt", "ca.key", "client.crt", "client.key", "fluent.conf", "server.crt", "server.key",
	"teleport-event-handler-role.yaml", "teleport-event-handler.toml", "teleport-plugin-event-handler-values.yaml",
}

// contents reads a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

func cert(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	certs, err := pki.ParseCertificates([]byte(contents(t, dir)[name]))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return certs[0]
}

func TestConfigureWritesTenFiles(t *testing.T) {
	dir := t.TempDir()
	out := mustConfigure(t, dir, "teleport.example.com:443")
	var names []string
	for name := range contents(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, allFiles) {
		t.Errorf("wrote %v", names)
	}
	for _, want := range []string{"Teleport event handler v1.2.3", "[1] Generated mTLS certificates: ", "[2] ", "[3] ", "[4] ", "[5] Generated Helm values: "} {
		if !strings.Contains(out, want) {
			t.Errorf("the summary lacks %q:\n%s", want, out)
		}
	}
	if passphrase, _ := passphraseIn([]byte(contents(t, dir)["fluent.conf"])); len(passphrase) != 64 || strings.Contains(out, passphrase) {
		t.Errorf("passphrase %q; it must be 64 characters, and not on the screen", passphrase)
	}
}

func TestConfigureCertificates(t *testing.T) {
	dir := t.TempDir()
	mustConfigure(t, dir, "--ttl", "24h")
	ca := cert(t, dir, "ca.crt")
	if ca.Subject.String() != "CN=CA" || !ca.IsCA {
		t.Errorf("authority %v", ca.Subject)
	}
	for name, want := range map[string]struct {
		cn    string
		usage x509.ExtKeyUsage
	}{"server.crt": {"Server", x509.ExtKeyUsageServerAuth}, "client.crt": {"Client", x509.ExtKeyUsageClientAuth}} {
		c := cert(t, dir, name)
		if c.Subject.CommonName != want.cn || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{want.usage}) || c.CheckSignatureFrom(ca) != nil {
			t.Errorf("%s: %v %v", name, c.Subject, c.ExtKeyUsage)
		}
		for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
			if err := c.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := c.NotAfter.Sub(c.NotBefore); got != 24*time.Hour {
			t.Errorf("%s lives %v", name, got)
		}
	}
	files := contents(t, dir)
	if !strings.Contains(files["server.key"], "DEK-Info: AES-256-CBC,") || strings.Contains(files["client.key"], "ENCRYPTED") || strings.Contains(files["ca.key"], "ENCRYPTED") {
		t.Error("the server's key alone must be encrypted, in the legacy way")
	}
}

func TestConfigureNames(t *testing.T) {
	for _, tc := range []struct {
		args     []string
		dns, ips []string
		url      string
		cn       string
		fail     string
	}{
		{nil, []string{"localhost"}, []string{"127.0.0.1", "::1"}, "localhost", "Server", ""},
		{[]string{"--dns-names", "relay.example.com"}, []string{"relay.example.com"}, []string{"10.0.0.5", "2001:db8::5"}, "relay.example.com", "Server", ""},
		{[]string{"--dns-names", "relay.example.com,localhost"}, []string{"relay.example.com", "localhost"}, []string{"10.0.0.5", "2001:db8::5", "127.0.0.1", "::1"}, "localhost", "Server", ""},
		{[]string{"--dns-names", "nowhere.example.com"}, nil, nil, "", "", "look up nowhere.example.com: no such host; when it does not resolve on this machine, give its address with --ip"},
		{[]string{"--dns-names", "nowhere.example.com", "--ip", "10.0.0.9"}, []string{"nowhere.example.com"}, []string{"10.0.0.9"}, "nowhere.example.com", "Server", ""},
		{[]string{"--dns-names", "*.example.com"}, []string{"*.example.com"}, nil, "localhost", "Server", ""},
		{[]string{"--hosts", "relay.example.com,10.0.0.9"}, []string{"relay.example.com"}, []string{"10.0.0.9", "10.0.0.5", "2001:db8::5"}, "relay.example.com", "Server", ""},
		{[]string{"--hosts", "2001:db8::1"}, nil, []string{"2001:db8::1"}, "[2001:db8::1]", "Server", ""},
		{[]string{"--cn", "handler.example.com"}, []string{"localhost"}, []string{"127.0.0.1", "::1"}, "localhost", "handler.example.com", ""},
		{[]string{"--ip", "10.0.0"}, nil, nil, "", "", "--ip 10.0.0 is no address"},
	} {
		dir := t.TempDir()
		out, err := configure(t, nil, nil, append([]string{dir}, tc.args...)...)
		if tc.fail != "" {
			if err == nil || err.Error() != tc.fail || len(contents(t, dir)) != 0 {
				t.Errorf("%v: got %v, and wrote %d files", tc.args, err, len(contents(t, dir)))
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v\n%s", tc.args, err, out)
			continue
		}
		for _, name := range []string{"server.crt", "client.crt"} {
			c := cert(t, dir, name)
			var ips []string
			for _, ip := range c.IPAddresses {
				ips = append(ips, ip.String())
			}
			if !slices.Equal(c.DNSNames, tc.dns) || !slices.Equal(ips, tc.ips) {
				t.Errorf("%v: %s is for %v and %v", tc.args, name, c.DNSNames, ips)
			}
			if name == "server.crt" && c.Subject.CommonName != tc.cn {
				t.Errorf("%v: subject %v", tc.args, c.Subject)
			}
		}
		if toml := contents(t, dir)["teleport-event-handler.toml"]; !strings.Contains(toml, `url = "https://`+tc.url+`:8888/test.log"`) {
			t.Errorf("%v: not for %s:\n%s", tc.args, tc.url, toml)
		}
	}
}

func TestConfigureArguments(t *testing.T) {
	for _, tc := range []struct {
		args []string
		say  string
	}{
		{nil, `expected "<out>"`},
		{[]string{"."}, ""},
		{[]string{"--cn=handler.example.com", "--dns-names=forwarder.example.com"}, ""},
		{[]string{"--hosts=localhost"}, ""},
		{[]string{".", "teleport:443", "a", "b", "c"}, ""},
		{[]string{".", "teleport:443", "a", "a", "c"}, "there twice"},
		{[]string{".", "teleport:443", "../a"}, "a path"},
		{[]string{".", "--length", "1000"}, "--length must be one of"},
		{[]string{".", "--ttl=-1h"}, "not above zero"},
		{[]string{".", "--compat", "--s3-bucket", "b"}, "--compat"},
		{[]string{".", "--output", "fluentd"}, ""},
	} {
		_, err := command(tc.args...)
		if tc.say == "" && err != nil || tc.say != "" && (err == nil || !strings.Contains(err.Error(), tc.say)) {
			t.Errorf("%v: got %v, want %q", tc.args, err, tc.say)
		}
	}
	for out, say := range map[string]string{
		"/nonexistent/dir":         "make it with: mkdir -p /nonexistent/dir",
		"teleport.example.com:443": "the folder comes before the address: configure . teleport.example.com:443",
		"configure_test.go":        "is a file",
	} {
		if _, err := configure(t, nil, nil, out); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: got %v", out, err)
		}
	}
}

func TestConfigureOtherFileNames(t *testing.T) {
	dir := t.TempDir()
	mustConfigure(t, dir, "teleport:443", "authority", "relay", "me")
	files := contents(t, dir)
	for _, name := range []string{"authority.crt", "relay.key", "me.crt"} {
		if files[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	for name, want := range map[string]string{"fluent.conf": `"/keys/relay.crt"`, "teleport-event-handler.toml": dir + "/me.crt", "teleport-plugin-event-handler-values.yaml": `certPath: "me.crt"`} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %s", name, want)
		}
	}
}

// What is written must work: the relay's side of TLS opens it, and the handler's
// side gets in, as nobody else does.
func TestConfiguredPairsShakeHands(t *testing.T) {
	dir := t.TempDir()
	if _, err := configure(t, strings.NewReader("a \"b\" \\ #{c} 'd'\n"), nil, dir); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(contents(t, dir)["fluent.conf"], "/keys/", dir+"/")
	root, err := conf.Parse("fluent.conf", []byte(text), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var server tlsconf.Server
	problems := &conf.Problems{}
	param.Decode(root.Children[0], "source", problems, func(p *param.Set) {
		server.Section(p)
		for _, other := range []string{"port", "<parse>"} {
			p.Ignore(other, "")
		}
	})
	if err := errors.Join(server.Check(), server.Open(slog.New(slog.DiscardHandler), metrics.New())); err != nil || len(problems.Errors) > 0 {
		t.Fatal(err, problems.Errors)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := server.Listen(tcp)
	defer ln.Close()
	for _, with := range []bool{true, false} {
		files := &tlsconf.ClientFiles{CA: dir + "/ca.crt"}
		if with {
			files.Cert, files.Key = dir+"/client.crt", dir+"/client.key"
		}
		if err := files.Open(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			c, err := ln.Accept()
			if err == nil {
				_, err = c.Read(make([]byte, 1))
				_ = c.Close()
			}
			done <- err
		}()
		conn, err := tls.Dial("tcp", tcp.Addr().String(), files.ConfigFor("localhost"))
		if err == nil {
			_, err = conn.Write([]byte("x"))
			_ = conn.Close()
		}
		if got := <-done; (got == nil) != with || with && err != nil {
			t.Errorf("with a certificate %v: server %v, client %v", with, got, err)
		}
	}
}

// The time of every event that Teleport writes is taken whole: also of one that
// falls on a whole second, whose text has no fraction.
func TestConfiguredTimeFormat(t *testing.T) {
	s := &setup{cmd: &ConfigureCmd{}}
	root, err := conf.Parse("fluent.conf", s.fluentConf(), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	parse := root.Children[0].Children[1]
	if parse.Name != "parse" || parse.Text("keep_time_key") != "true" {
		t.Fatalf("got %+v", parse)
	}
	p, err := eventtime.NewParser(eventtime.Config{Type: parse.Text("time_type"), Format: parse.Text("time_format")})
	if err != nil {
		t.Fatal(err)
	}
	for text, nsec := range map[string]int32{
		"2026-01-15T09:30:00.123Z": 123e6, "2026-01-15T09:30:00Z": 0, "2026-01-15T11:30:00.000000001+02:00": 1,
	} {
		got, err := p.Parse(text)
		if err != nil || got.Sec != 1768469400 || got.Nsec != nsec {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

func TestConfiguredTOMLIsRead(t *testing.T) {
	dir := t.TempDir()
	mustConfigure(t, dir, "teleport.example.com:443")
	if err := os.WriteFile(filepath.Join(dir, "identity"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	file, err := LoadTOML("teleport-event-handler.toml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Start StartCmd `cmd:""`
	}
	parser, err := kong.New(&c, kong.Resolvers(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"start"}); err != nil {
		t.Fatal(err)
	}
	if unknown := file.Unknown(parser.Model); len(unknown) > 0 {
		t.Errorf("keys that nothing reads: %v", unknown)
	}
	if c.Start.TeleportAddr != "teleport.example.com:443" || c.Start.FluentdSessionURL != "https://localhost:8888/session" ||
		c.Start.FluentdKey != filepath.Join(dir, "client.key") || !c.Start.TeleportRefreshEnabled || c.Start.MetricsAddr != "127.0.0.1:8081" {
		t.Errorf("got %+v", c.Start)
	}
}

func TestConfiguredYAML(t *testing.T) {
	dir := t.TempDir()
	mustConfigure(t, dir, `tele"port\:443`)
	files := contents(t, dir)
	var values struct {
		Teleport struct{ Address string }
		Fluentd  struct {
			SessionURL string `yaml:"sessionUrl"`
		}
	}
	if err := yaml.Unmarshal([]byte(files[helmFile]), &values); err != nil || values.Teleport.Address != `tele"port\:443` || !strings.HasSuffix(values.Fluentd.SessionURL, "/session") {
		t.Errorf("got %+v, %v", values, err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(files[roleFile]))
	for _, want := range []string{"role v5", "user v2"} {
		var doc struct{ Kind, Version string }
		if err := decoder.Decode(&doc); err != nil || doc.Kind+" "+doc.Version != want {
			t.Errorf("got %+v, %v; want %s", doc, err, want)
		}
	}
}

// The texts, as files to look at: go test -run Golden -update writes them.
func TestConfigureGolden(t *testing.T) {
	for name, args := range map[string][]string{
		"plain":  nil,
		"s3":     {"--s3-bucket", "my-audit-logs", "--s3-region", "eu-central-1"},
		"store":  {"--s3-bucket", "my-audit-logs", "--s3-endpoint", "http://s3:7070"},
		"compat": {"--compat"},
	} {
		c, err := command(append([]string{"."}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		s := &setup{cmd: c, dir: "/home/bob/event-handler", dns: []string{"localhost"}, passphrase: "AUTOGENERATED"}
		for file, got := range map[string][]byte{fluentFile: s.fluentConf(), tomlFile: s.toml(), helmFile: s.helmValues()} {
			path := filepath.Join("testdata/configure", name+"-"+file)
			if name != "plain" && file != fluentFile {
				continue
			}
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs (%v):\n%s", path, err, got)
			}
			if root, err := conf.Parse(file, got, conf.Options{}); file == fluentFile && (err != nil || len(root.Children) != 3) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// The commented block is the live one behind #.
func TestCommentedMatchIsTheLiveOne(t *testing.T) {
	s := &setup{cmd: &ConfigureCmd{S3Region: "us-west-2"}, dns: []string{"localhost"}}
	text := string(s.fluentConf())
	_, block, ok := strings.Cut(text, "begins with REPLACE_.\n")
	block, _, ok2 := strings.Cut(block, "\n\n")
	if !ok || !ok2 {
		t.Fatal(text)
	}
	bare := strings.TrimPrefix(strings.ReplaceAll("\n"+block, "\n# ", "\n"), "\n")
	root, err := conf.Parse("block", []byte(bare), conf.Options{})
	if err != nil || len(root.Children) != 1 || root.Children[0].Text("@type") != "s3" || root.Children[0].Text("s3_bucket") != "REPLACE_s3_bucket" {
		t.Errorf("%v:\n%s", err, bare)
	}
}
