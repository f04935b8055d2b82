package relay

import (
	"github.com/sluicelog/sluice/internal/filter"
	"github.com/sluicelog/sluice/internal/formatter"
	"github.com/sluicelog/sluice/internal/ingest"
	"github.com/sluicelog/sluice/internal/output"
	"github.com/sluicelog/sluice/internal/parser"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/s3sink"
)

// Plugins is the catalogue: every plugin that a configuration can name.
func Plugins() *plugin.Table {
	return &plugin.Table{
		Inputs: map[string]func(plugin.Env) plugin.Input{
			"http":                      ingest.NewHTTP,
			"forward":                   ingest.NewForward,
			"tcp":                       ingest.NewTCP,
			"udp":                       ingest.NewUDP,
			"syslog":                    ingest.NewSyslog,
			"unix":                      ingest.NewUnix,
			"sample":                    ingest.NewSample,
			"dummy":                     ingest.NewSample,
			"monitor_agent":             ingest.NewMonitorAgent,
			"prometheus":                ingest.NewPrometheus,
			"prometheus_monitor":        ingest.NewPrometheusMonitor,
			"prometheus_output_monitor": ingest.NewPrometheusOutputMonitor,
			"prometheus_tail_monitor":   ingest.NewPrometheusTailMonitor,
			"debug_agent":               ingest.NewDebugAgent,
		},
		Filters: map[string]func(plugin.Env) plugin.Filter{
			"record_transformer": filter.NewRecordTransformer,
			"grep":               filter.NewGrep,
			"parser":             filter.NewParser,
			"stdout":             filter.NewStdout,
			"prometheus":         filter.NewPrometheus,
		},
		Outputs: map[string]func(plugin.Env) plugin.Output{
			"s3":             s3sink.New,
			"file":           output.NewFile,
			"http":           output.NewHTTP,
			"forward":        output.NewForward,
			"secondary_file": output.NewSecondaryFile,
			"buffer":         output.NewBuffer,
			"stdout":         output.NewBufferedStdout,
		},
		Directs: map[string]func(plugin.Env) plugin.Direct{
			"stdout": output.NewStdout,
			"null":   output.NewNull,
		},
		Passers: map[string]func(plugin.Env) plugin.Passer{
			"copy":       output.NewCopy,
			"relabel":    output.NewRelabel,
			"roundrobin": output.NewRoundRobin,
		},
		Parsers: map[string]func(plugin.Env) plugin.Parser{
			"json":         parser.NewJSON,
			"none":         parser.NewNone,
			"apache":       parser.NewApache,
			"apache2":      parser.NewApache2,
			"apache_error": parser.NewApacheError,
			"nginx":        parser.NewNginx,
			"csv":          parser.NewCSV,
			"tsv":          parser.NewTSV,
			"ltsv":         parser.NewLTSV,
			"msgpack":      parser.NewMsgpack,
			"multiline":    parser.NewMultiline,
			"regexp":       parser.NewRegexp,
			"syslog":       parser.NewSyslog,
		},
		Formatters: map[string]func(plugin.Env) plugin.Formatter{
			"json":         formatter.NewJSON,
			"out_file":     formatter.NewOutFile,
			"stdout":       formatter.NewStdout,
			"csv":          formatter.NewCSV,
			"tsv":          formatter.NewTSV,
			"ltsv":         formatter.NewLTSV,
			"hash":         formatter.NewHash,
			"msgpack":      formatter.NewMsgpack,
			"single_value": formatter.NewSingleValue,
		},
		Absent: absent,
	}
}

// absent names well-known plugins that are not here, with what is nearest.
var absent = map[string]string{
	"tail":                "read files with Fluentd or Fluent Bit and send them on by forward: source @type forward takes them",
	"exec":                "Sluice starts no programs; let the program post to source @type http",
	"windows_eventlog2":   "Sluice runs on Linux; send from the Windows agent by forward",
	"elasticsearch":       "match @type http posts to a bulk endpoint; or keep a Fluentd behind match @type forward",
	"opensearch":          "match @type http posts to a bulk endpoint; or keep a Fluentd behind match @type forward",
	"kafka":               "match @type forward to a Fluentd or Fluent Bit that has the Kafka plugin",
	"kafka2":              "match @type forward to a Fluentd or Fluent Bit that has the Kafka plugin",
	"splunk_hec":          "match @type http posts to the HTTP event collector",
	"datadog":             "match @type http posts to the intake API",
	"exec_filter":         "filter @type record_transformer with enable_ruby covers most uses",
	"gcs":                 "match @type s3 with s3_endpoint works with stores that speak S3",
	"azurestorage":        "match @type s3 with s3_endpoint works with stores that speak S3",
	"cloudwatch_logs":     "match @type s3, or match @type forward to an agent that has it",
	"geoip":               "let the SIEM enrich the events",
	"windows_eventlog":    "Sluice runs on Linux; send from the Windows agent by forward",
	"systemd":             "read the journal with Fluentd or Fluent Bit and send it on by forward: source @type forward takes it",
	"docker":              "the Docker daemon's fluentd log driver sends to source @type forward",
	"tcp_forward":         "match @type forward",
	"secure_forward":      "match @type forward with transport tls and a <security> section; source @type forward with <transport tls>",
	"record_modifier":     "filter @type record_transformer takes the same <record>; with enable_ruby it knows Ruby",
	"record_reformer":     "filter @type record_transformer changes records; match and relabel route them",
	"kubernetes_metadata": "let Fluentd or Fluent Bit on the nodes add it, and send the events on by forward",
	"concat":              "join lines where they are read, and send whole events",
	"detect_exceptions":   "join lines where they are read, and send whole events",
	"dedot":               "filter @type record_transformer with enable_ruby can rename fields",
	"throttle":            "bound what clients may send at the source; filter @type grep drops what is not wanted",
	"sampling":            "filter @type grep drops what is not wanted",
	"multi_format_parser": "give each format its own source or label, with a <parse> of its own",
	"multi_format":        "give each format its own source or label, with a <parse> of its own",
	"grok":                "@type regexp: grok patterns are regular expressions with names",
	"avro":                "@type json or msgpack",
	"protobuf":            "@type json or msgpack",
	"cri":                 "@type regexp with expression /^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[FP]) (?<message>.*)$/",
	"loki":                "match @type http posts to a push endpoint; or keep a Fluentd behind match @type forward",
	"newrelic":            "match @type http posts to the intake API",
	"sumologic":           "match @type http posts to an HTTP source",
	"logzio_buffered":     "match @type http posts to a listener",
	"webhdfs":             "match @type s3 with s3_endpoint works with stores that speak S3",
	"bigquery":            "match @type s3 and load the objects, or match @type forward to an agent that has it",
	"bigquery_insert":     "match @type s3 and load the objects, or match @type forward to an agent that has it",
	"google_cloud":        "match @type forward to an agent that has it",
	"kinesis_streams":     "match @type s3, or match @type forward to an agent that has it",
	"kinesis_firehose":    "match @type s3, or match @type forward to an agent that has it",
	"sqs":                 "match @type s3, or match @type forward to an agent that has it",
	"mongo":               "match @type forward to a Fluentd that has the plugin",
	"redis":               "match @type forward to a Fluentd that has the plugin",
	"sql":                 "match @type forward to a Fluentd that has the plugin",
	"rdkafka":             "match @type forward to a Fluentd or Fluent Bit that has the Kafka plugin",
	"gelf":                "match @type http, or match @type forward to an agent that has it",
	"remote_syslog":       "match @type http, or match @type forward to an agent that has it",
	"prometheus":          "filter @type prometheus counts the same <metric> sections",
	"stream":              "match @type forward",
	"gc_stat":             "the admin API shows Go's own numbers at /metrics",
	"object_space":        "the admin API shows Go's own numbers at /metrics",
	"rewrite_tag_filter":  "match by label and tag; <match> with several patterns and relabel route most cases",
}
