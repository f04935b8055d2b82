package handler

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sluicelog/sluice/internal/pki"
	"github.com/sluicelog/sluice/internal/state"
)

// ConfigureCmd is `handler configure`: it makes certificates, the Teleport role,
// fluent.conf, the handler's TOML and Helm values, as upstream's does. Sets are
// consistent: no certificate is written whose authority is not on disk.
type ConfigureCmd struct {
	Out    string `arg:"" optional:"" help:"Folder for the files; the present one when --cn, --hosts or --dns-names is given."`
	Addr   string `arg:"" optional:"" default:"localhost:3025" help:"Teleport's address, for the files."`
	CA     string `arg:"" optional:"" name:"ca-name" default:"ca" help:"File stem of the authority."`
	Server string `arg:"" optional:"" name:"server-name" default:"server" help:"File stem of the server's pair."`
	Client string `arg:"" optional:"" name:"client-name" default:"client" help:"File stem of the client's pair."`

	Output   string        `name:"output" default:"fluentd" help:"Accepted; there is one kind of output."`
	TTL      time.Duration `name:"ttl" default:"87600h" help:"Life of the certificates."`
	DNSNames []string      `name:"dns-names" sep:"," default:"localhost" help:"DNS names of the receiver."`
	Hosts    []string      `name:"hosts" sep:"," help:"DNS names or addresses of the receiver, as older guides write them."`
	IP       []string      `name:"ip" sep:"," help:"Addresses of the receiver; without them those that the names resolve to."`
	CN       string        `name:"cn" help:"Common name of the server's certificate; also taken as a DNS name."`
	Length   int           `name:"length" default:"4096" enum:"1024,2048,4096" help:"Bits of RSA keys."`
	KeyType  string        `name:"key-type" default:"rsa" enum:"rsa,ecdsa" help:"rsa as upstream's, or ecdsa: a handshake costs a tenth."`
	Yes      bool          `name:"yes" short:"y" help:"Overwrite files without asking."`
	Compat   bool          `name:"compat" help:"Write fluent.conf as upstream does, with what it loses."`
	S3Bucket string        `name:"s3-bucket" help:"Write a fluent.conf that sends to this bucket; without it events are printed."`
	S3Region string        `name:"s3-region" default:"us-east-1" help:"Region of the bucket."`
	Endpoint string        `name:"s3-endpoint" help:"Endpoint of a store that is not Amazon's."`

	Version string `kong:"-"`
}

// Run writes the files and prints the numbered summary. stdin gives the
// passphrase of the server's key when it is no terminal, and answers questions
// when it is one.
func (c *ConfigureCmd) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	if err := c.resolve(); err != nil {
		return err
	}
	set, err := c.prepare(ctx, stdin)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Teleport event handler %s\n\n", c.Version)
	ask := &asker{yes: c.Yes, in: stdin, out: stdout}
	steps := []struct {
		what  string
		files []outFile
	}{
		{"mTLS certificates generated and saved to", set.certificates()},
		{"Teleport role and user file:", []outFile{{"teleport-event-handler-role.yaml", []byte(roleYAML)}}},
		{"fluentd configuration file:", []outFile{{"fluent.conf", set.fluentConf()}}},
		{"plugin configuration file:", []outFile{{"teleport-event-handler.toml", set.toml()}}},
		{"Helm values file:", []outFile{{"teleport-plugin-event-handler-values.yaml", set.helmValues()}}},
	}
	for i, s := range steps {
		written, err := c.write(s.files, ask)
		if err != nil {
			return err
		}
		verb := "Generated"
		if i == 0 {
			verb = ""
		}
		if !written {
			fmt.Fprintf(stdout, "[%d] Kept what is there: %s\n", i+1, c.names(s.files))
			if i == 0 {
				return errors.New("the certificates that are there were kept, so the other files, which name their passphrase, were not written; --yes overwrites all of them")
			}
			continue
		}
		fmt.Fprintf(stdout, "[%d] %s\n", i+1, strings.TrimSpace(verb+" "+s.what+" "+c.names(s.files)))
	}
	fmt.Fprint(stdout, "\nNext: create the role (tctl create -f teleport-event-handler-role.yaml), sign an identity\n"+
		"(tctl auth sign --user=teleport-event-handler --out=identity), start the relay with fluent.conf\n"+
		"and the handler with teleport-event-handler.toml.\n")
	return nil
}

// resolve fills in what depends on other arguments.
func (c *ConfigureCmd) resolve() error {
	for _, h := range c.Hosts {
		if net.ParseIP(h) != nil {
			c.IP = append(c.IP, h)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	if c.Out == "" {
		if c.CN == "" && len(c.Hosts) == 0 && strings.Join(c.DNSNames, "") == "localhost" {
			return errors.New("expected \"<out>\": name the folder for the files, . for the present one")
		}
		c.Out = "."
	}
	if c.CN != "" && !contains(c.DNSNames, c.CN) {
		c.DNSNames = append(c.DNSNames, c.CN)
	}
	var err error
	if c.Out, err = filepath.Abs(c.Out); err != nil {
		return err
	}
	info, err := os.Stat(c.Out)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no folder; make it first", c.Out)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// addresses are the IP names of both leaves: those given, else what the DNS names
// resolve to.
func (c *ConfigureCmd) addresses(ctx context.Context) ([]net.IP, error) {
	var ips []net.IP
	for _, text := range c.IP {
		ip := net.ParseIP(strings.TrimSpace(text))
		if ip == nil {
			return nil, fmt.Errorf("--ip %s is no address", text)
		}
		ips = append(ips, ip)
	}
	if len(c.IP) > 0 {
		return ips, nil
	}
	for _, name := range c.DNSNames {
		found, err := net.DefaultResolver.LookupIPAddr(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w; give its address with --ip when it does not resolve here", name, err)
		}
		for _, a := range found {
			ips = append(ips, a.IP)
		}
	}
	return ips, nil
}

// outFile is a file to be written into the folder.
type outFile struct {
	name string
	text []byte
}

// write asks once for all files of a step that are there, and writes all or none.
func (c *ConfigureCmd) write(files []outFile, ask *asker) (bool, error) {
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(c.Out, f.name)); err == nil && !ask.overwrite(c.names(files)) {
			return false, nil
		} else if err == nil {
			break
		}
	}
	for _, f := range files {
		if err := state.WriteFile(filepath.Join(c.Out, f.name), f.text); err != nil {
			return false, err
		}
	}
	return true, nil
}

// names lists files as the person who typed the command sees them.
func (c *ConfigureCmd) names(files []outFile) string {
	var names []string
	wd, _ := os.Getwd()
	for _, f := range files {
		path := filepath.Join(c.Out, f.name)
		if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
			path = rel
		}
		names = append(names, path)
	}
	return strings.Join(names, ", ")
}

// asker asks before a file is overwritten. Without a terminal the answer is no.
type asker struct {
	yes bool
	in  io.Reader
	out io.Writer
}

func (a *asker) overwrite(names string) bool {
	if a.yes {
		return true
	}
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	fmt.Fprintf(a.out, "Do you want to overwrite %s [y/N]: ", names)
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

// passphrase is what stands at standard input when that is a pipe or a file, else
// 32 random bytes in hex.
func passphraseFrom(stdin io.Reader) (string, error) {
	if f, ok := stdin.(*os.File); ok {
		if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice != 0 {
			return randomHex(32), nil
		}
	}
	text, err := io.ReadAll(io.LimitReader(stdin, 4096))
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (c *ConfigureCmd) keyKind() pki.KeyType {
	if c.KeyType == "ecdsa" {
		return pki.ECDSA
	}
	return pki.RSA
}
