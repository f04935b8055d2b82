package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/strftime"
)

// System is the <system> section.
type System struct {
	RootDir            string
	LogLevel           string
	SuppressRepeated   bool
	EmitErrorInterval  time.Duration
	IgnoreRepeated     time.Duration
	IgnoreSame         time.Duration
	WithoutSource      bool
	WithSourceOnly     bool
	SuppressDump       bool
	StrictValue        bool
	Workers            int
	ProcessName        string
	IncludeDir         string
	FilePermission     string
	DirPermission      string
	RPCEndpoint        string
	EnableGetDump      bool
	EnableInputMetrics bool
	EnableSizeMetrics  bool
	AdminBind          string
	AdminPort          int
	AdminSet           bool
	MaxAge             time.Duration
	Log                SystemLog
}

// SystemLog is <log> within <system>.
type SystemLog struct {
	Format, TimeFormat string
	RotateAge          string
	RotateSize         int64
	Path               string
}

// AppendTime writes a log line's time as time_format says; nil: as Fluentd does
// without one.
func (l *SystemLog) AppendTime() func(dst []byte, t time.Time) []byte {
	layout, err := strftime.Compile(l.TimeFormat)
	if l.TimeFormat == "" || err != nil {
		return nil
	}
	return func(dst []byte, t time.Time) []byte { return layout.Append(dst, t) }
}

// decodeSystem reads the <system> section; a second one is an error.
func decodeSystem(tree *conf.Node, problems *conf.Problems) System {
	var s System
	merged := &conf.Node{Name: "system", Pos: tree.Pos}
	for i, n := range sections(tree, "system") {
		if i > 0 {
			problems.Fail(&conf.Error{Pos: n.Pos, Err: errors.New("<system> is duplicated. <system> should be only one"), Hint: "put both contents into one <system> section"})
		}
		merged.Pos = n.Pos
		merged.Params = append(merged.Params, n.Params...)
		merged.Children = append(merged.Children, n.Children...)
	}
	param.Decode(merged, "system", problems, s.params)
	if line, ok := merged.Get("workers"); ok && s.Workers > 1 {
		problems.Warn(&conf.Error{Pos: line.Pos, Path: "system", Err: fmt.Errorf("workers %d: the relay is one process and serves as worker 0", s.Workers), Hint: "one process uses all cores; leave the line out"})
	}
	return s
}

func (s *System) params(p *param.Set) {
	p.Int("workers", &s.Workers, 1, "Number of worker processes in Fluentd. The relay is one process that uses all cores.")
	p.String("root_dir", &s.RootDir, "", "Folder under which buffers without a path are kept.")
	p.String("log_level", &s.LogLevel, "info", "Least level of what is logged.").Enum("trace", "debug", "info", "warn", "error", "fatal")
	p.Bool("suppress_repeated_stacktrace", &s.SuppressRepeated, true, "Accepted; stack traces are not logged.")
	p.Time("emit_error_log_interval", &s.EmitErrorInterval, 0, "Log errors of one kind at most once in this time.")
	p.Time("ignore_repeated_log_interval", &s.IgnoreRepeated, 0, "Log a line that repeats at most once in this time.")
	p.Time("ignore_same_log_interval", &s.IgnoreSame, 0, "Log the same line at most once in this time.")
	p.Bool("without_source", &s.WithoutSource, false, "Run without sources, to empty the buffers.")
	p.Bool("with_source_only", &s.WithSourceOnly, false, "Run only the sources; what comes in waits in the buffers.")
	p.Bool("suppress_config_dump", &s.SuppressDump, false, "Do not log the configuration at start.")
	p.Bool("strict_config_value", &s.StrictValue, false, "Treat numbers that are none as errors.")
	p.String("process_name", &s.ProcessName, "", "Accepted; the process keeps its name.")
	p.String("file_permission", &s.FilePermission, "", "Mode of files, octal; 0600 without it.")
	p.String("dir_permission", &s.DirPermission, "", "Mode of folders, octal; 0700 without it.")
	p.String("rpc_endpoint", &s.RPCEndpoint, "", "Address of the HTTP RPC API.")
	p.String("config_include_dir", &s.IncludeDir, "", "Folder whose .conf, .yaml and .yml files are read after the configuration; without it that is $FLUENT_CONF_INCLUDE_DIR, else /etc/fluent/conf.d. Empty is none.")
	p.Bool("enable_get_dump", &s.EnableGetDump, false, "Serve the configuration at /api/config.getDump.")
	p.Bool("enable_input_metrics", &s.EnableInputMetrics, true, "Count what comes in.")
	p.Bool("enable_size_metrics", &s.EnableSizeMetrics, false, "Count sizes of what goes through.")
	p.String("admin_bind", &s.AdminBind, "127.0.0.1", "Address of health, metrics and status page.")
	p.Int("admin_port", &s.AdminPort, 24220, "Port of health, metrics and status page.").Present(&s.AdminSet)
	p.Time("ready_max_age", &s.MaxAge, 0, "Not ready while the oldest event that has not left is older than this; 0 is never.")
	for name, why := range ignoredSystem {
		p.Ignore(name, why)
	}
	param.Section(p, "log", &s.Log, func(p *param.Set, l *SystemLog) {
		p.String("format", &l.Format, "text", "text or json.").Enum("text", "json")
		p.String("time_format", &l.TimeFormat, "%Y-%m-%d %H:%M:%S %z", "How times are written.")
		p.String("rotate_age", &l.RotateAge, "", "How many old files are kept, or daily, weekly, monthly.")
		p.Size("rotate_size", &l.RotateSize, 0, "Start a new file at this size.")
		p.String("path", &l.Path, "", "Log to this file.")
	}, "How the relay logs.")
}

// ignoredSystem is what <system> may say in Fluentd and means nothing here.
var ignoredSystem = map[string]string{
	"restart_worker_interval":     "the relay is one process; the service manager starts it again",
	"enable_msgpack_time_support": "times are always kept whole",
	"disable_shared_socket":       "there is one process and nothing to share",
	"log_event_verbose":           "",
	"umask":                       "files are made with the modes that file_permission says",
	"enable_jit":                  "there is no Ruby",
	"<source_only_buffer>":        "with_source_only keeps what comes in in the outputs' own buffers",
	"<metrics>":                   "metrics are always on; see admin_bind",
	"<event_limit>":               "",
}

// levels are Fluentd's level names in slog's numbers.
var levels = map[string]slog.Level{
	"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "fatal": slog.LevelError + 4,
}

// Level is <system> log_level in slog's numbers.
func (s *System) Level() slog.Level { return levels[s.LogLevel] }

// leveled is a log handler with a level of its own, above or below the relay's.
type leveled struct {
	slog.Handler
	least slog.Level
}

func (h *leveled) Enabled(_ context.Context, l slog.Level) bool { return l >= h.least }

func (h *leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &leveled{h.Handler.WithAttrs(attrs), h.least}
}

func (h *leveled) WithGroup(name string) slog.Handler { return h }
