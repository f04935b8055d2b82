package handler

import (
	"time"
)

// Names, defaults, environment and help of every flag are declared here once, in
// groups that the commands beside start use too. Where two environment names are
// listed the older spelling counts first, as upstream has it; FDWRD is upstream's
// slip of the pen.

// ReceiverOptions say where events go.
type ReceiverOptions struct {
	FluentdURL            []string      `name:"fluentd-url" env:"FDFWD_FLUENTD_URL" help:"URL that audit events go to: https://host:port/tag, or forward+tls://host:port/tag for the forward protocol. Several are chosen from by the event's id." sep:","`
	FluentdSessionURL     string        `name:"fluentd-session-url" env:"FDFWD_FLUENTD_SESSION_URL" help:"URL that recordings go to; .<session id>.log is put behind it. Several, by commas, are chosen from by the session's id."`
	FluentdCert           string        `name:"fluentd-cert" env:"FDWRD_FLUENTD_CERT,FDFWD_FLUENTD_CERT" help:"Client certificate for the receiver." type:"existingfile"`
	FluentdKey            string        `name:"fluentd-key" env:"FDWRD_FLUENTD_KEY,FDFWD_FLUENTD_KEY" help:"Key of the client certificate." type:"existingfile"`
	FluentdCA             string        `name:"fluentd-ca" env:"FDWRD_FLUENTD_CA,FDFWD_FLUENTD_CA" help:"CA of the receiver's certificate." type:"existingfile"`
	FluentdMaxConnections int           `name:"fluentd-max-connections" env:"FDWRD_MAX_CONNECTIONS,FDFWD_MAX_CONNECTIONS" help:"Connections to the receiver; below 1 is twice the concurrency."`
	FluentdMaxBatch       int           `name:"fluentd-max-batch" env:"FDFWD_FLUENTD_MAX_BATCH" default:"0" help:"Most events in one request; 0 is as many as a relay offers and one towards anybody else."`
	FluentdMaxBatchBytes  int           `name:"fluentd-max-batch-bytes" env:"FDFWD_FLUENTD_MAX_BATCH_BYTES" default:"1048576" help:"Most bytes in one request of several events."`
	FluentdFailoverAfter  time.Duration `name:"fluentd-failover-after" env:"FDFWD_FLUENTD_FAILOVER_AFTER" default:"30s" help:"With several URLs: how long one may be away before another gets its events, which may then be stored twice."`
	FluentdGzip           bool          `name:"fluentd-gzip" env:"FDFWD_FLUENTD_GZIP" help:"Compress request bodies."`
	FluentdHTTP2          bool          `name:"fluentd-http2" env:"FDFWD_FLUENTD_HTTP2" help:"Speak HTTP/2 when the receiver offers it."`
}

// AddrOptions say which cluster is meant; the state folder is named after it.
type AddrOptions struct {
	TeleportAddr string `name:"teleport-addr" env:"FDFWD_TELEPORT_ADDR" default:"localhost:3025" help:"Teleport's Auth service or proxy."`
}

// TeleportOptions say which cluster is read, and as whom.
type TeleportOptions struct {
	AddrOptions
	TeleportIdentity        string        `name:"teleport-identity" env:"FDFWD_TELEPORT_IDENTITY" help:"Identity file." type:"existingfile"`
	TeleportCA              string        `name:"teleport-ca" env:"FDFWD_TELEPORT_CA" help:"CA of Teleport's certificate, with --teleport-cert and --teleport-key." type:"existingfile"`
	TeleportCert            string        `name:"teleport-cert" env:"FDWRD_TELEPORT_CERT,FDFWD_TELEPORT_CERT" help:"Client certificate for Teleport." type:"existingfile"`
	TeleportKey             string        `name:"teleport-key" env:"FDFWD_TELEPORT_KEY" help:"Key of the client certificate for Teleport." type:"existingfile"`
	TeleportRefreshEnabled  bool          `name:"teleport-refresh-enabled" env:"FDFWD_TELEPORT_REFRESH_ENABLED" help:"Read the identity file again at intervals."`
	TeleportRefreshInterval time.Duration `name:"teleport-refresh-interval" env:"FDFWD_TELEPORT_REFRESH_INTERVAL" default:"1m" help:"How often the identity file is read again."`
}

// StorageOptions say where the handler keeps how far it has got.
type StorageOptions struct {
	Storage string `name:"storage" env:"FDFWD_STORAGE" help:"Folder that keeps how far the handler has got; or s3://bucket/prefix, which several handlers share, one of them working."`
}

// FilterOptions say which audit events are wanted.
type FilterOptions struct {
	Types          []string `name:"types" env:"FDFWD_TYPES" help:"Only these event types." sep:","`
	SkipEventTypes []string `name:"skip-event-types" env:"FDFWD_SKIP_EVENT_TYPES" help:"Audit event types to leave out." sep:","`
}

// AdminOptions say where a running handler answers questions.
type AdminOptions struct {
	MetricsAddr string `name:"metrics-addr" env:"FDFWD_METRICS_ADDR" default:"off" help:"Address of /metrics, /healthz, /readyz and /status; off serves nothing."`
}

// StartCmd is `handler start`.
type StartCmd struct {
	ReceiverOptions
	TeleportOptions
	StorageOptions
	FilterOptions
	AdminOptions

	Batch            int           `name:"batch" env:"FDFWD_BATCH" default:"20" help:"Events in one page of a search."`
	SkipSessionTypes []string      `name:"skip-session-types" env:"FDFWD_SKIP_SESSION_TYPES" default:"print,desktop.recording" help:"Event types to leave out of recordings." sep:","`
	StartTime        *time.Time    `name:"start-time" env:"FDFWD_START_TIME" help:"First time to read from (RFC 3339); fixed by the first run."`
	Timeout          time.Duration `name:"timeout" env:"FDFWD_TIMEOUT" default:"5s" help:"Pause before asking for new events again."`
	WindowSize       time.Duration `name:"window-size" env:"FDFWD_WINDOW_SIZE" default:"24h" help:"Span of time that one search asks for."`
	Concurrency      int           `name:"concurrency" env:"FDFWD_CONCURRENCY" default:"5" help:"Recordings fetched at the same time."`
	DryRun           bool          `name:"dry-run" env:"FDFWD_DRY_RUN" help:"Read, but send nothing and keep no state."`
	ExitOnLastEvent  bool          `name:"exit-on-last-event" env:"FDFWD_EXIT_ON_LAST_EVENT" help:"End when there is nothing new."`
	LookBack         time.Duration `name:"look-back" env:"FDFWD_LOOK_BACK" default:"1h" help:"How late an event may appear in the log and still be found (search mode); 0 looks for none, so that what appears in front of the page being read is lost."`
	MissingRetry     time.Duration `name:"missing-recording-age" env:"FDFWD_MISSING_RECORDING_AGE" default:"48h" help:"How long a recording that is not there is asked for again."`
	TakeoverAfter    time.Duration `name:"takeover-after" env:"FDFWD_TAKEOVER_AFTER" default:"30s" help:"With a storage in a bucket: how soon another handler goes on after the one that works has died."`
	Ordered          bool          `name:"ordered" env:"FDFWD_ORDERED" help:"Post one event after the other, in order."`

	LockEnabled             bool          `name:"lock-enabled" env:"FDFWD_LOCKING_ENABLED" help:"Lock users after failed logins."`
	LockFailedAttemptsCount int           `name:"lock-failed-attempts-count" env:"FDFWD_LOCKING_FAILED_ATTEMPTS" default:"3" help:"Failed logins within --lock-period that are let pass."`
	LockPeriod              time.Duration `name:"lock-period" env:"FDFWD_LOCKING_PERIOD" default:"1m" help:"Span of time in which failed logins are counted."`
	LockFor                 time.Duration `name:"lock-for" env:"FDFWD_LOCKING_FOR" help:"How long a lock holds; without it, for ever."`

	LogFormat string `name:"log-format" env:"FDFWD_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`

	Version string `kong:"-"` // what the linker was told
	Started func() `kong:"-"` // called when reading begins; may be nil
}
