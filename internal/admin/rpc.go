package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
)

// RPC is Fluentd's HTTP RPC, `<system> rpc_endpoint`: GET /api/... does what a
// signal does. It has no authentication, so it belongs on a loopback address.
type RPC struct {
	Addr string // "127.0.0.1:24444"
	Log  *slog.Logger
	// Actions are the calls by name, such as "plugins.flushBuffers". They return
	// at once; what they ask for happens after the answer.
	Actions map[string]func()
	// Config is the running configuration, secrets masked, for config.getDump; nil:
	// that call is not there.
	Config func() string

	ln net.Listener
}

// Listen opens the address.
func (s *RPC) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listen on rpc_endpoint %s: %w", s.Addr, err)
	}
	s.ln = ln
	return nil
}

// Run serves until ctx ends.
func (s *RPC) Run(ctx context.Context) error { return serve(ctx, s.ln, s.routes()) }

// rpcOK is the answer to every call.
const rpcOK = `{"ok":true}`

func (s *RPC) routes() http.Handler {
	r := chi.NewRouter()
	for name, act := range s.Actions {
		r.Get("/api/"+name, func(w http.ResponseWriter, _ *http.Request) {
			s.Log.Debug("RPC", "call", name)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Connection", "Keep-Alive")
			w.Header().Set("Content-Length", strconv.Itoa(len(rpcOK)))
			_, _ = w.Write([]byte(rpcOK))
			_ = http.NewResponseController(w).Flush() // the answer goes first: the call may end the process
			act()
		})
	}
	if s.Config != nil {
		r.Get("/api/config.getDump", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(struct {
				Conf string `json:"conf"`
				OK   bool   `json:"ok"`
			}{s.Config(), true})
		})
	}
	return r
}
