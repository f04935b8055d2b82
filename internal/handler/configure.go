package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/cli"
	"github.com/sluicelog/sluice/internal/pki"
	"github.com/sluicelog/sluice/internal/state"
)

// ConfigureCmd is `handler configure`: it makes the certificates of the pipeline,
// the role for Teleport, fluent.conf, the handler's TOML and values for Helm, with
// the arguments, file names and summary that upstream's has.
//
// What it leaves behind fits together, also when some files were there before:
// no certificate whose authority is not on disk, no fluent.conf with another
// passphrase than the server's key. All questions come first, then everything is
// made, then all files are written, atomically and with mode 0600.
type ConfigureCmd struct {
	Out    string `arg:"" optional:"" help:"Folder for the files; the present one when --cn, --hosts or --dns-names is given."`
	Addr   string `arg:"" optional:"" default:"localhost:3025" help:"Address of Teleport's Auth service or proxy."`
	CA     string `arg:"" optional:"" name:"ca-name" default:"ca" help:"Name of the authority's files, without .crt and .key."`
	Server string `arg:"" optional:"" name:"server-name" default:"server" help:"Name of the files of the receiver, fluentd or relay."`
	Client string `arg:"" optional:"" name:"client-name" default:"client" help:"Name of the handler's own files."`

	Output   string        `name:"output" default:"fluentd" help:"Accepted; fluentd is all there is."`
	CN       string        `name:"cn" help:"Common name of the server's and the client's certificate."`
	DNSNames []string      `name:"dns-names" sep:"," help:"DNS names of the receiver (localhost)."`
	Hosts    []string      `name:"hosts" sep:"," help:"DNS names or addresses, as older guides write them."`
	IP       []string      `name:"ip" sep:"," help:"Addresses of the receiver; without them, what the names resolve to."`
	TTL      time.Duration `name:"ttl" default:"87600h" help:"Life of the certificates."`
	Length   int           `name:"length" default:"4096" enum:"1024,2048,4096" help:"Bits of RSA keys."`
	KeyType  string        `name:"key-type" default:"rsa" enum:"rsa,ecdsa" help:"rsa, or ecdsa: a handshake costs a tenth of the CPU."`
	Yes      bool          `name:"yes" short:"y" help:"Overwrite files without asking."`
	Compat   bool          `name:"compat" help:"Write fluent.conf as upstream does, with what it loses."`
	S3Bucket string        `name:"s3-bucket" help:"Write a fluent.conf that keeps audit events in this bucket, not one that prints them."`
	S3Region string        `name:"s3-region" default:"us-east-1" help:"Region of the bucket."`
	Endpoint string        `name:"s3-endpoint" help:"URL of an S3 store that is not Amazon's."`

	Version string `kong:"-"` // what the linker was told
}

// The files that have fixed names.
const (
	roleFile   = "teleport-event-handler-role.yaml"
	fluentFile = "fluent.conf"
	tomlFile   = "teleport-event-handler.toml"
	helmFile   = "teleport-plugin-event-handler-values.yaml"
)

// Validate implements kong's check of a command line.
func (c *ConfigureCmd) Validate() error {
	switch {
	case c.Out == "" && c.CN == "" && len(c.Hosts) == 0 && len(c.DNSNames) == 0:
		return errors.New(`expected "<out>": the folder for the files, . for the present one`)
	case c.TTL <= 0:
		return fmt.Errorf("--ttl %v is not above zero", c.TTL)
	case c.S3Bucket != "" && c.Compat:
		return errors.New("--compat writes what upstream writes, and that knows no --s3-bucket")
	}
	stems := map[string]bool{}
	for _, stem := range []string{c.CA, c.Server, c.Client} {
		if stem == "" || strings.ContainsAny(stem, "/\x00\n") || stems[stem] {
			return fmt.Errorf("file name %q is empty, a path, or there twice", stem)
		}
		stems[stem] = true
	}
	return nil
}

// setup is one run of configure.
type setup struct {
	cmd    *ConfigureCmd
	dir    string
	dns    []string
	ips    []net.IP
	ask    *asker
	out    io.Writer
	lookup func(ctx context.Context, name string) ([]net.IP, error)
	now    time.Time

	passphrase string // of the server's key
	given      bool   // it came from standard input
}

// Run writes the files and prints the numbered summary. When stdin is a pipe or a
// file it holds the passphrase of the server's key; when it is a terminal it
// answers questions.
func (c *ConfigureCmd) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	s := &setup{cmd: c, ask: newAsker(stdin, stdout, c.Yes), out: stdout, lookup: lookupHost, now: time.Now()}
	return s.run(ctx, stdin)
}

func (s *setup) run(ctx context.Context, stdin io.Reader) error {
	if err := s.cmd.Validate(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Teleport event handler %s\n\n", cli.ReadBuild(s.cmd.Version))
	var err error
	if s.dir, err = outFolder(s.cmd.Out); err != nil {
		return err
	}
	if err := s.resolveNames(ctx); err != nil {
		return err
	}
	if s.passphrase, s.given, err = readPassphrase(ctx, stdin, s.out); err != nil {
		return err
	}
	plan, err := s.plan(ctx)
	if err != nil {
		return err
	}
	files, err := s.makeCertificates(plan)
	if err != nil {
		return err
	}
	for _, f := range s.texts(plan) {
		files = append(files, state.File{Path: s.path(f.name), Data: f.text})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := state.WriteFiles(files...); err != nil {
		return err
	}
	s.summary(plan)
	return nil
}

// outFolder is the folder for the files, absolute. It must be there: a folder made
// of a mistyped argument would only hide the mistake.
func outFolder(out string) (string, error) {
	if out == "" {
		out = "."
	}
	dir, err := filepath.Abs(out)
	if err != nil {
		return "", fmt.Errorf("find the folder: %w", err)
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return dir, nil
	case err == nil:
		return "", fmt.Errorf("%s is a file; the first argument is the folder for the files", dir)
	case strings.Contains(out, ":"):
		return "", fmt.Errorf("%s is no folder; the folder comes before the address: configure . %s", out, out)
	}
	return "", fmt.Errorf("%s is no folder; make it with: mkdir -p %s", dir, dir)
}

func (s *setup) path(name string) string { return filepath.Join(s.dir, name) }

// shown is a file as the person who typed the command sees it: from the working
// folder, unless that would lead upwards.
func (s *setup) shown(name string) string {
	path := s.path(name)
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return rel
		}
	}
	return path
}

func (s *setup) shownAll(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = s.shown(name)
	}
	return strings.Join(all, ", ")
}

// summary is the numbered list that upstream prints. What was kept is said.
func (s *setup) summary(p *plan) {
	pairs := append(append(pairFiles(s.cmd.CA), pairFiles(s.cmd.Server)...), pairFiles(s.cmd.Client)...)
	for i, step := range []struct {
		what  string
		files []string
	}{
		{"mTLS certificates", pairs},
		{"Teleport role and user", []string{roleFile}},
		{"fluentd configuration", []string{fluentFile}},
		{"plugin configuration", []string{tomlFile}},
		{"Helm values", []string{helmFile}},
	} {
		var made, kept []string
		for _, f := range step.files {
			if p.writes[f] {
				made = append(made, f)
			} else if s.there(f) {
				kept = append(kept, f)
			}
		}
		var parts []string
		if len(made) > 0 {
			parts = append(parts, fmt.Sprintf("Generated %s: %s", step.what, s.shownAll(made)))
		}
		if len(kept) > 0 {
			parts = append(parts, fmt.Sprintf("Kept what was there: %s", s.shownAll(kept)))
		}
		fmt.Fprintf(s.out, "[%d] %s\n", i+1, strings.Join(parts, ". "))
	}
	if p.declined && !s.ask.asks() {
		fmt.Fprintln(s.out, "\nFiles that were there are kept, as nobody could be asked; --yes overwrites them.")
	}
	for _, note := range p.notes {
		fmt.Fprintln(s.out, "\nWarning:", note)
	}
	s.next()
}

// next is what is left to do, in commands that can be typed as they stand.
func (s *setup) next() {
	conf, where := s.shown(fluentFile), ""
	if s.dir != "/keys" {
		where = fmt.Sprintf("    sed -i 's,/keys/,%s/,' %s    (not for a container that has this folder as /keys)\n", s.dir, conf)
	}
	yesterday := s.now.UTC().AddDate(0, 0, -1).Format("2006-01-02T00:00:00Z")
	fmt.Fprintf(s.out, `
Next:
    tctl create -f %s
    tctl auth sign --user=teleport-event-handler --out=identity    (or let tbot write it)
%s    relay -c %s
    handler start --config %s --start-time %s    (read from then on; without it, from now on)

The guide:
https://goteleport.com/docs/admin-guides/management/export-audit-events/fluentd/
`, s.shown(roleFile), where, conf, s.shown(tomlFile), yesterday)
}

func pairFiles(stem string) []string { return []string{stem + ".crt", stem + ".key"} }

func (c *ConfigureCmd) keyKind() pki.KeyType {
	if c.KeyType == "ecdsa" {
		return pki.ECDSA
	}
	return pki.RSA
}
