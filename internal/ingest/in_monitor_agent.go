package ingest

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/status"
)

// inMonitor is `source @type monitor_agent`: what each plugin does, as JSON or LTSV
// over HTTP, and as events when it has a tag. Shapes and names are Fluentd's.
type inMonitor struct {
	env        plugin.Env
	bind       string
	port       int
	tag        string
	interval   time.Duration
	withConfig bool
	withRetry  bool
	withDebug  bool
	board      board
	tally      *tally
	matchedBy  func(tag string) (id string, ok bool)
	ln         net.Listener
}

// board is what is asked of a *status.Board.
type board interface{ Plugins() []status.Plugin }

// noBoard is there before the relay has given its own.
type noBoard struct{}

func (noBoard) Plugins() []status.Plugin { return nil }

// NewMonitorAgent makes a monitor_agent source. It shows nothing before SetBoard.
func NewMonitorAgent(env plugin.Env) plugin.Input {
	return &inMonitor{env: env, board: noBoard{}, tally: newTally(env)}
}

// SetBoard gives the source the board of the pipeline that it is in, before Run.
func (in *inMonitor) SetBoard(b *status.Board) { in.board = b }

// SetMatcher tells which output takes a tag, by its plugin id, before Run.
func (in *inMonitor) SetMatcher(find func(tag string) (id string, ok bool)) { in.matchedBy = find }

func (in *inMonitor) Params(p *param.Set) {
	p.String("bind", &in.bind, "0.0.0.0", "Address to listen on.")
	p.Port("port", &in.port, 24220, "Port to listen on.")
	p.String("tag", &in.tag, "", "Emit what each plugin does as events with this tag.")
	p.Time("emit_interval", &in.interval, 60*time.Second, "How often that is.")
	p.Bool("include_config", &in.withConfig, false, "Show the plugins' configurations too, secrets masked; with_config=no in the query leaves them out.")
	p.Bool("include_retry", &in.withRetry, false, "Show retries too; with_retry=no in the query leaves them out.")
	p.Bool("include_debug_info", &in.withDebug, false, "Accepted; there is no Ruby to show the inside of.")
}

// Check holds the rules between parameters.
func (in *inMonitor) Check() error {
	if in.tag != "" && in.interval <= 0 {
		return param.Errorf("emit_interval", "", "%s is no interval", in.interval)
	}
	return nil
}

// Address is where the source listens.
func (in *inMonitor) Address() string { return net.JoinHostPort(in.bind, strconv.Itoa(in.port)) }

// Status is the source's snapshot.
func (in *inMonitor) Status() status.Plugin { return in.tally.status() }

// Listen opens the port.
func (in *inMonitor) Listen(ctx context.Context) (err error) {
	in.ln, err = in.env.Sockets.Listen(ctx, "tcp", in.Address(), 0)
	return err
}

// Run serves, and emits where a tag is set, until ctx ends.
func (in *inMonitor) Run(ctx context.Context, e plugin.Emitter) error {
	beside := func(ctx context.Context) error { in.emit(ctx, e); return nil }
	return serve(ctx, smallServer(in.routes(), in.env.Log), limitConnections(in.ln, smallLimit), new(leaving), beside)
}

func (in *inMonitor) routes() http.Handler {
	r := chi.NewRouter()
	r.Get("/api/plugins", func(w http.ResponseWriter, r *http.Request) { writeLTSV(w, in.list(r)) })
	r.Get("/api/plugins.json", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, event.NewRecord("plugins", in.list(r)), pretty(r))
	})
	r.Get("/api/config", func(w http.ResponseWriter, _ *http.Request) { writeLTSV(w, []any{in.process()}) })
	r.Get("/api/config.json", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, in.process(), pretty(r))
	})
	notFound := func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, event.NewRecord("message", "Not found"), false)
	}
	r.NotFound(notFound)
	r.MethodNotAllowed(notFound)
	return r
}

// emit sends a snapshot of every plugin now and then.
func (in *inMonitor) emit(ctx context.Context, e plugin.Emitter) {
	if in.tag == "" {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(in.interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := event.Now()
		var es event.Stream
		for _, p := range in.board.Plugins() {
			es = append(es, event.Event{Time: now, Record: in.show(p, in.withConfig, in.withRetry)})
		}
		if len(es) == 0 {
			continue
		}
		// The next snapshot says the same; this one is not worth a wait.
		if err := e.Emit(ctx, in.tag, es); err != nil {
			in.tally.drop("emit failed", len(es))
			in.env.Log.Warn("emit transaction failed:", "error", err, "tag", in.tag)
			continue
		}
		in.tally.add(len(es), 0)
	}
}

// list is the plugins that the query asks for; all without one.
func (in *inMonitor) list(r *http.Request) []any {
	q := r.URL.Query()
	wants := func(status.Plugin) bool { return true }
	first := func(names ...string) (string, bool) {
		for _, name := range names {
			if q.Has(name) {
				return q.Get(name), true
			}
		}
		return "", false
	}
	if tag, ok := first("tag"); ok {
		id, found := in.outputOf(tag)
		wants = func(p status.Plugin) bool { return found && p.ID == id && p.Category == "output" }
	} else if id, ok := first("@id", "id"); ok {
		wants = func(p status.Plugin) bool { return p.ID == id }
	} else if typ, ok := first("@type", "type"); ok {
		wants = func(p status.Plugin) bool { return p.Type == typ }
	}
	config := in.withConfig && !no(q.Get("with_config"))
	retry := in.withRetry && !no(q.Get("with_retry"))
	list := []any{}
	for _, p := range in.board.Plugins() {
		if wants(p) {
			list = append(list, in.show(p, config, retry))
		}
	}
	return list
}

func (in *inMonitor) outputOf(tag string) (string, bool) {
	if in.matchedBy == nil {
		return "", false
	}
	return in.matchedBy(tag)
}

// no reports whether a query's value turns something off.
func no(text string) bool {
	yes, err := conf.ParseBool(text)
	return text != "" && (err != nil || !yes)
}

func pretty(r *http.Request) bool { return r.URL.Query().Has("debug") }

// process is /api/config.
func (in *inMonitor) process() *event.Record {
	path := ""
	if in.env.Node != nil {
		path = in.env.Node.Pos.File
	}
	return event.NewRecord("pid", os.Getpid(), "ppid", os.Getppid(), "config_path", path, "pid_file", nil, "plugin_dirs", []any{}, "log_path", nil)
}
