package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// relayConf is the configuration that Teleport's guide for Panther publishes,
// with its paths filled in, the local S3 endpoint added, and what it loses cured:
// the time keeps its fraction and zone and stays in the record, the buffer is
// where it counts, the object path ends in a slash, and session.** takes the
// recordings.
const relayConf = `<system>
  admin_port {{ADMIN}}
</system>
<source>
    @type http
    bind 127.0.0.1
    port {{PORT}}
    <transport tls>
        client_cert_auth true
        ca_path "{{DIR}}/keys/ca.crt"
        cert_path "{{DIR}}/keys/server.crt"
        private_key_path "{{DIR}}/keys/server.key"
        private_key_passphrase "{{PASSPHRASE}}"
    </transport>
    <parse>
      @type json
      json_parser oj
      time_type string
      time_format %iso8601
      keep_time_key true
    </parse>
</source>
<source>
    @type forward
    bind 127.0.0.1
    port {{FORWARD}}
    <transport tls>
        client_cert_auth true
        ca_path "{{DIR}}/keys/ca.crt"
        cert_path "{{DIR}}/keys/server.crt"
        private_key_path "{{DIR}}/keys/server.key"
        private_key_passphrase "{{PASSPHRASE}}"
    </transport>
</source>
<match test.log>
  @type s3
  aws_key_id quickstart
  aws_sec_key quickstart
  s3_bucket {{BUCKET}}
  s3_region us-west-2
  s3_endpoint {{S3}}
  force_path_style true
  path teleport/logs/
  <buffer>
    @type file
    path {{DIR}}/buffer/s3-events
    timekey 60
    timekey_wait 0
    timekey_use_utc true
    flush_mode interval
    flush_interval 1s
    flush_at_shutdown true
    retry_wait 0.2
    retry_max_interval 2
    retry_forever true
    chunk_limit_size 256m
    dedup_key $.uid
  </buffer>
  time_slice_format %Y%m%d%H%M%S
  <format>
    @type json
  </format>
</match>
<match session.**>
  @type stdout
</match>
`

const bucketName = "audit-logs"

// writeRelayConf fills relayConf in.
func (s *stage) writeRelayConf() error {
	passphrase, err := passphraseOf(filepath.Join(s.o.dir, "keys", "fluent.conf"))
	if err != nil {
		return err
	}
	text := strings.NewReplacer("{{DIR}}", s.o.dir, "{{PORT}}", s.port, "{{FORWARD}}", s.forwardPort, "{{ADMIN}}", s.adminPort, "{{S3}}", s.s3.URL(),
		"{{BUCKET}}", bucketName, "{{PASSPHRASE}}", passphrase).Replace(relayConf)
	return os.WriteFile(s.path("relay.conf"), []byte(text), 0o600)
}

// passphraseOf reads what `handler configure` chose for the server's key.
func passphraseOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if _, value, ok := strings.Cut(line, "private_key_passphrase "); ok {
			return strings.Trim(strings.TrimSpace(value), `"`), nil
		}
	}
	return "", fmt.Errorf("%s has no private_key_passphrase", path)
}

func (s *stage) path(name string) string { return filepath.Join(s.o.dir, name) }

// ports gives ports that nobody listens at, each once. They lie below those that
// clients are given, one of which would else have a port before the process that it
// is meant for.
type ports struct{ last int }

func (p *ports) free() (string, error) {
	if p.last == 0 {
		p.last = 12_000 + rand.IntN(3_900) //nolint:gosec // no secret
	}
	var err error
	for range 50 {
		p.last++
		port := strconv.Itoa(p.last)
		var ln net.Listener
		if ln, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return port, ln.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
