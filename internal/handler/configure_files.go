package handler

import (
	"fmt"
	"slices"
	"strings"
)

// outText is a file of text that is written into the folder.
type outText struct {
	name string
	text []byte
}

// texts are the files beside the certificates: those of a plan, or without one
// all of them.
func (s *setup) texts(p *plan) []outText {
	all := []outText{{roleFile, []byte(roleYAML)}, {fluentFile, s.fluentConf()}, {tomlFile, s.toml()}, {helmFile, s.helmValues()}}
	if p == nil {
		return all
	}
	return slices.DeleteFunc(all, func(f outText) bool { return !p.writes[f.name] })
}

// roleYAML lets the handler read events and sessions.
const roleYAML = `kind: role
metadata:
  name: teleport-event-handler
spec:
  allow:
    rules:
      - resources: ['event', 'session']
        verbs: ['list', 'read']
      # The handler locks users with --lock-enabled only if it may:
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

// fluentConf is the receiver's configuration: what the guide publishes, with each
// event's time whole and in its record, and its buffer where it counts. --compat
// writes what upstream writes.
func (s *setup) fluentConf() []byte {
	text := s.fluentSource()
	switch {
	case s.cmd.Compat:
		return []byte(text + compatRest)
	case s.cmd.S3Bucket != "":
		return []byte(text + losslessParse + s.s3Match() + sessionMatch)
	}
	return []byte(text + losslessParse + stdoutMatch + commented(s.s3Match()) + sessionMatch)
}

func (s *setup) fluentSource() string {
	key := func(file string) string { return fluentQuote("/keys/" + file) }
	text := `<source>
    @type http
    port 8888
    <transport tls>
        client_cert_auth true
` + s.keysComment() + `        ca_path ` + key(s.cmd.CA+".crt") + `
        cert_path ` + key(s.cmd.Server+".crt") + `
        private_key_path ` + key(s.cmd.Server+".key") + "\n"
	if s.passphrase != "" {
		text += "        private_key_passphrase " + fluentQuote(s.passphrase) + "\n"
	}
	return text + "    </transport>\n"
}

// keysComment says where the files are; upstream does not.
func (s *setup) keysComment() string {
	if s.cmd.Compat {
		return ""
	}
	return `        # In a container the folder of these files is mounted as /keys; elsewhere write
        # the path that it has.
`
}

// losslessParse: %iso8601 takes any RFC 3339 time. (%Y-%m-%dT%H:%M:%S.%N%z would
// refuse Teleport's events of a whole second, which have no fraction.)
const losslessParse = `    <parse>
      @type json
      # Each event's time as Teleport wrote it, with its fraction and its zone; it
      # stays in the record, so that no filter has to put it back.
      time_type string
      time_format %iso8601
      keep_time_key true
    </parse>
</source>

`

const stdoutMatch = `# Audit events, on standard output to begin with. Nothing is kept of what is
# printed: 200 is answered without a copy on disk.
<match test.log>
  @type stdout
</match>

# To keep them in S3, remove the lines of the <match> above, take the # away from
# those below, and replace what begins with REPLACE_.
`

const sessionMatch = `
# Session recordings; the tag is session.<session id>.log. They are printed, and
# nothing is kept of them: give them an output with a file buffer of its own if you
# need them. Panther's schema knows audit events only; do not send both to one path.
<match session.**>
  @type stdout
</match>
`

// s3Match is the <match> that keeps audit events in S3.
func (s *setup) s3Match() string {
	bucket, credentials, endpoint := "REPLACE_s3_bucket", `  aws_key_id REPLACE_aws_access_key
  aws_sec_key REPLACE_aws_secret_access_key
`, ""
	if s.cmd.S3Bucket != "" {
		bucket = fluentPlain(s.cmd.S3Bucket)
		credentials = `  # Credentials come from the environment, the AWS profile or the machine's role;
  # or write aws_key_id and aws_sec_key.
`
	}
	if s.cmd.Endpoint != "" {
		endpoint = "  s3_endpoint " + fluentPlain(s.cmd.Endpoint) + `
  force_path_style true
  # Not every store can be asked not to overwrite: no two chunks share a key.
  s3_object_key_format %{path}%{time_slice}_${chunk_id}.%{file_extension}
`
	}
	return `<match test.log>
  @type s3
` + credentials + `  s3_bucket ` + bucket + `
  s3_region ` + fluentPlain(s.cmd.S3Region) + `
` + endpoint + `  path teleport/logs/
  time_slice_format %Y%m%d%H%M%S
  <buffer time>
    @type file
    path /var/lib/relay/buffer/s3-events
    timekey 60
    timekey_wait 0
    timekey_use_utc true
    chunk_limit_size 256m
    flush_thread_count 2
    retry_forever true
    retry_max_interval 30
    # An event that is sent again, after a crash or a lost answer, is stored once.
    dedup_key $.uid
  </buffer>
  <format>
    @type json
  </format>
</match>
`
}

func commented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("# " + line)
	}
	return b.String()
}

// compatRest is what upstream's configure writes behind the transport. It drops
// the fraction and the zone of each time, takes the time out of the record, and has
// its buffer in the source, where nothing reads it.
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

// receiver is the name in URLs: one that the server's certificate is good for.
func (s *setup) receiver() string {
	for _, name := range s.dns {
		if strings.EqualFold(name, "localhost") {
			return "localhost"
		}
	}
	for _, name := range s.dns {
		if !strings.HasPrefix(name, "*.") {
			return name
		}
	}
	if len(s.ips) == 0 {
		return "localhost"
	}
	if ip := s.ips[0]; ip.To4() == nil {
		return "[" + ip.String() + "]"
	}
	return s.ips[0].String()
}

func (s *setup) toml() []byte {
	quoted := func(name string) string { return quoteBasic(s.path(name)) }
	return []byte(`# Where the handler keeps how far it has got. Keep it: without it, it begins anew.
storage = "./storage"
timeout = "10s"
batch = 20
# Span of time that one search asks Teleport for; shorten it when the backend can not
# manage so many events at once.
window-size = "24h"
# /healthz, /readyz and /metrics; "off" serves nothing.
metrics-addr = "127.0.0.1:8081"

[forward.fluentd]
ca = ` + quoted(s.cmd.CA+".crt") + `
cert = ` + quoted(s.cmd.Client+".crt") + `
key = ` + quoted(s.cmd.Client+".key") + `
url = ` + quoteBasic("https://"+s.receiver()+":8888/test.log") + `
# Recordings go to this URL with .<session id>.log behind it.
session-url = ` + quoteBasic("https://"+s.receiver()+":8888/session") + `

[teleport]
addr = ` + quoteBasic(s.cmd.Addr) + `
identity = "identity"
refresh.enabled = true
`)
}

func (s *setup) helmValues() []byte {
	return []byte(`eventHandler:
  storagePath: "./storage"
  timeout: "10s"
  batch: 20
  windowSize: "24h"

teleport:
  address: ` + quoteBasic(s.cmd.Addr) + `
  identitySecretName: teleport-event-handler-identity
  identitySecretPath: identity

fluentd:
  url: "https://fluentd.fluentd.svc.cluster.local/test.log"
  sessionUrl: "https://fluentd.fluentd.svc.cluster.local/session"
  certificate:
    secretName: "teleport-event-handler-client-tls"
    caPath: ` + quoteBasic(s.cmd.CA+".crt") + `
    certPath: ` + quoteBasic(s.cmd.Client+".crt") + `
    keyPath: ` + quoteBasic(s.cmd.Client+".key") + `

persistentVolumeClaim:
  enabled: true
`)
}

// quoteBasic quotes text so that TOML and YAML both read it back.
func quoteBasic(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// fluentQuote quotes text for fluent.conf, where "#{" in double quotes is Ruby.
func fluentQuote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `#{`, `\#{`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text) + `"`
}

// fluentUnquote reads back what fluentQuote writes, or a bare word.
func fluentUnquote(text string) string {
	inner, quoted := strings.CutPrefix(text, `"`)
	if !quoted {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(inner) && inner[i] != '"'; i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
			if control := strings.IndexByte("nrt", inner[i]); control >= 0 {
				b.WriteByte("\n\r\t"[control])
				continue
			}
		}
		b.WriteByte(inner[i])
	}
	return b.String()
}

// fluentPlain leaves what needs no quotes as people write it.
func fluentPlain(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'#\[{`, r) }) {
		return fluentQuote(text)
	}
	return text
}
