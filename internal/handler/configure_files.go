package handler

import (
	"fmt"
	"path/filepath"
	"strings"
)

// roleYAML lets the handler read events and sessions. Locking needs more; the
// lines are there to be uncommented.
const roleYAML = `kind: role
metadata:
  name: teleport-event-handler
spec:
  allow:
    rules:
      - resources: ['event', 'session']
        verbs: ['list', 'read']
      # For --lock-enabled:
      # - resources: ['lock']
      #   verbs: ['create', 'update']
version: v5
---
kind: user
metadata:
  name: teleport-event-handler
spec:
  roles: ['teleport-event-handler']
version: v2
`

// source is the <source> of fluent.conf up to its <parse>.
func (set *configured) sourceText() string {
	return fmt.Sprintf(`<source>
    @type http
    port 8888
    <transport tls>
        client_cert_auth true
        ca_path "/keys/%s.crt"
        cert_path "/keys/%s.crt"
        private_key_path "/keys/%s.key"
        private_key_passphrase "%s"
    </transport>
`, set.c.CA, set.c.Server, set.c.Server, set.passphrase)
}

// fluentConf is the relay's configuration. It keeps each event's time whole and in
// the record, and has its buffer where it counts; --compat writes upstream's.
func (set *configured) fluentConf() []byte {
	if set.c.Compat {
		return []byte(set.sourceText() + compatRest)
	}
	text := set.sourceText() + losslessParse
	switch {
	case set.c.S3Bucket != "":
		text += set.s3Match("")
	default:
		text += "# Audit events are printed, which keeps nothing. To keep them in S3, put this in\n# place of the <match test.log> below, with your bucket:\n#\n" +
			set.s3Match("# ") + stdoutMatch
	}
	return []byte(text + sessionMatch)
}

const losslessParse = `    <parse>
      @type json
      # The whole time, fraction and zone; and it stays in the record.
      time_type string
      time_format %iso8601
      keep_time_key true
    </parse>
</source>

`

const stdoutMatch = `<match test.log>
  @type stdout
</match>
`

const sessionMatch = `
# Recordings: session.<session id>.log
<match session.**>
  @type stdout
</match>
`

// s3Match is the <match> that keeps events in S3, each line behind a prefix.
func (set *configured) s3Match(prefix string) string {
	bucket, region, endpoint := set.c.S3Bucket, set.c.S3Region, ""
	if bucket == "" {
		bucket = "REPLACE_s3_bucket"
	}
	if set.c.Endpoint != "" {
		endpoint = "  s3_endpoint " + set.c.Endpoint + "\n  force_path_style true\n"
	}
	text := fmt.Sprintf(`<match test.log>
  @type s3
  # Credentials come from the environment, the profile or the instance; or from
  # aws_key_id and aws_sec_key here.
  s3_bucket %s
  s3_region %s
%s  path teleport/logs/
  time_slice_format %%Y%%m%%d%%H%%M%%S
  <buffer>
    @type file
    path /var/lib/relay/buffer/s3-events
    timekey 60
    timekey_wait 0
    timekey_use_utc true
    chunk_limit_size 256m
    flush_thread_count 2
    retry_forever true
    retry_max_interval 30
    # Each event once, whatever is killed and whenever.
    dedup_key $.uid
  </buffer>
  <format>
    @type json
  </format>
</match>
`, bucket, region, endpoint)
	if prefix == "" {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(prefix + line)
	}
	return b.String()
}

// compatRest is what upstream's configure writes behind the transport: it drops
// the fraction and the zone of each time, takes the time out of the record, and
// has its buffer in the source, where nothing reads it.
const compatRest = `    <parse>
      @type json
      json_parser oj
      time_type string
      time_format %Y-%m-%dT%H:%M:%S
    </parse>
    <buffer>
      @type file
      flush_thread_count 8
      flush_interval 1s
      chunk_limit_size 10M
      queue_limit_length 16
      retry_max_interval 30
      retry_forever true
    </buffer>
</source>

<match test.log>
  @type stdout
</match>

<match session.*.log>
  @type stdout
</match>
`

func (set *configured) toml() []byte {
	c := set.c
	return fmt.Appendf(nil, `storage = "./storage"
timeout = "10s"
batch = 20
# Health and metrics: /healthz, /readyz, /metrics. "off" serves nothing.
metrics-addr = "127.0.0.1:8081"

[forward.fluentd]
ca = %q
cert = %q
key = %q
url = "https://localhost:8888/test.log"
# Recordings go to this URL with .<session id>.log behind it.
session-url = "https://localhost:8888/session"

[teleport]
addr = %q
identity = "identity"
refresh.enabled = true
`, filepath.Join(c.Out, c.CA+".crt"), filepath.Join(c.Out, c.Client+".crt"), filepath.Join(c.Out, c.Client+".key"), c.Addr)
}

func (set *configured) helmValues() []byte {
	c := set.c
	return fmt.Appendf(nil, `eventHandler:
  storagePath: "./storage"
  timeout: "10s"
  batch: 20

teleport:
  address: %q
  identitySecretName: teleport-event-handler-identity
  identitySecretPath: identity

fluentd:
  url: "https://fluentd.fluentd.svc.cluster.local/test.log"
  sessionUrl: "https://fluentd.fluentd.svc.cluster.local/session"
  certificate:
    secretName: "teleport-event-handler-client-tls"
    caPath: "%s.crt"
    certPath: "%s.crt"
    keyPath: "%s.key"

persistentVolumeClaim:
  enabled: true
`, c.Addr, c.CA, c.Client, c.Client)
}
