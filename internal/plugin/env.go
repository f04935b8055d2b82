package plugin

import (
	"log/slog"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/metrics"
)

// Env is what a plugin is given when it is made. Each plugin gets its own copy.
type Env struct {
	ID       string       // @id, or a name made for the run ("object:3f8")
	HasID    bool         // @id was written
	Type     string       // @type as written
	Log      *slog.Logger // carries the plugin's id
	Metrics  *metrics.Registry
	Hostname string
	RootDir  string // <system> root_dir; "" when there is none
	Node     *conf.Node
	Sockets  *Sockets // to listen on; nil: sockets that no reload passes on

	// Ruby evaluates nothing here: expressions are compiled by the plugins that
	// allow them. What follows makes the plugins that another plugin holds.
	Parser    func(typ string) (Parser, error)
	Formatter func(typ string) (Formatter, error)
	// Acceptor builds the output of a section such as <store>, buffer and all.
	Acceptor func(n *conf.Node) (Acceptor, error)
	// Label finds the pipeline of a label, "@ROOT" included, when Emit asks for
	// it; nil when there is none.
	Label func(name string) Acceptor
}
