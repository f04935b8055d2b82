package output

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// discovery is a <service_discovery> section: servers that are written in it, in a
// file that is followed, or in the SRV records of a name (forward_srv.go).
type discovery struct {
	typ      string
	static   []forwardServer
	path     string
	fileType string
	encoding string
	srv      srv

	mu      sync.Mutex
	text    []byte // of the file, as it was read last
	current []forwardServer
}

func (d *discovery) params(p *param.Set) {
	p.String("@type", &d.typ, "static", "static for <service> sections, file for a file that is followed, srv for a DNS name.")
	param.Sections(p, "service", &d.static, func(p *param.Set, s *forwardServer) { s.params(p) }, "A server, of type static.")
	p.String("path", &d.path, "", "The file, of type file: a list of objects with the fields of <server>, in YAML or JSON.")
	p.String("file_type", &d.fileType, "", "Accepted; YAML is read and JSON is a part of it.").Enum("yml", "yaml", "json")
	p.String("conf_encoding", &d.encoding, "utf-8", "Accepted; the file is UTF-8.")
	d.srv.params(p)
}

func (d *discovery) check(secured bool) error {
	switch {
	case d.typ == "file" && d.path == "":
		return param.Errorf("path", "add `path /etc/relay/servers.yml`", "parameter is required")
	case d.typ == "file":
		return nil
	case d.typ == "srv":
		return d.srv.check(secured)
	case d.typ != "static":
		return param.Errorf("@type", "there are static, file and srv; a name with several addresses needs only a <server> and dns_round_robin", "Unknown service_discovery plugin '%s'. Sluice has no gems", d.typ)
	}
	for i := range d.static {
		if err := d.static[i].check(secured); err != nil {
			return err
		}
	}
	return nil
}

func (d *discovery) servers() []forwardServer {
	if d.typ == "static" {
		return d.static
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// load reads the file for the first time; without it the relay does not start. A
// name that does not resolve may do so later.
func (d *discovery) load(ctx context.Context, env plugin.Env) error {
	switch d.typ {
	case "static":
		for i := range d.static {
			if err := d.static[i].open(env); err != nil {
				return err
			}
		}
		return nil
	case "srv":
		d.reload(ctx, env.Log)
		return nil
	}
	text, err := os.ReadFile(d.path)
	if err != nil {
		return param.Errorf("path", "", "%w", err)
	}
	servers, err := parseServers(text)
	if err != nil {
		return param.Errorf("path", "", "%s: %w", d.path, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text, d.current = text, servers
	return nil
}

// reload looks again; true when there are other servers. What can not be read
// leaves the old ones in use.
func (d *discovery) reload(ctx context.Context, log *slog.Logger) bool {
	switch d.typ {
	case "file":
		return d.reloadFile(log)
	case "srv":
		servers, changed := d.srv.look(ctx, log)
		if changed {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.current = servers
		}
		return changed
	}
	return false
}

func (d *discovery) reloadFile(log *slog.Logger) bool {
	text, err := os.ReadFile(d.path)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || bytes.Equal(text, d.text) {
		return false
	}
	d.text = text // complain once
	servers, err := parseServers(text)
	if err != nil {
		log.Error("sd_file: the file can not be used; the servers stay what they were", "path", d.path, "error", err)
		return false
	}
	d.current = servers
	return true
}

func parseServers(text []byte) ([]forwardServer, error) {
	var nodes []yaml.Node
	if err := yaml.Unmarshal(text, &nodes); err != nil {
		return nil, fmt.Errorf("read list of servers: %w", err)
	}
	servers := make([]forwardServer, len(nodes))
	for i := range nodes {
		s := &servers[i]
		s.Port, s.Weight = 24224, 60
		if err := nodes[i].Decode(s); err != nil {
			return nil, fmt.Errorf("read server %d: %w", i+1, err)
		}
		if err := s.check(true); err != nil {
			return nil, fmt.Errorf("server %d: %w", i+1, err)
		}
	}
	return servers, nil
}
