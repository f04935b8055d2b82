package output

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// copying sends each event to every <store>. All stores are one transaction: a
// store that is full refuses the request before any of them wrote.
type copying struct {
	env    plugin.Env
	mode   string
	deep   bool
	nodes  []*conf.Node
	stores []store
}

type store struct {
	out           plugin.Acceptor
	ignoreError   bool
	ifPrevSuccess bool
	name          string
}

// NewCopy makes a copy output.
func NewCopy(env plugin.Env) plugin.Passer { return &copying{env: env} }

func (o *copying) Params(p *param.Set) {
	p.String("copy_mode", &o.mode, "no_copy", "How records are passed to the stores: no_copy shares them, shallow, deep and marshal give each its own.").
		Enum("no_copy", "shallow", "deep", "marshal")
	p.Bool("deep_copy", &o.deep, false, "Give each store its own copy.").Deprecated("write copy_mode deep")
	p.Nodes("store", &o.nodes, "An output that gets the events. <store ignore_error> goes on when it fails; <store ignore_if_prev_success> is skipped when the one before it took the events.").Required()
}

// Check builds the stores.
func (o *copying) Check() error {
	for i, n := range o.nodes {
		s := store{
			ignoreError:   strings.Contains(n.Arg, "ignore_error"),
			ifPrevSuccess: strings.Contains(n.Arg, "ignore_if_prev_success"),
			name:          fmt.Sprintf("store %d (%s)", i+1, n.Text("@type")),
		}
		if i == 0 && s.ifPrevSuccess {
			return errors.New("ignore_if_prev_success must not be used with the first <store>")
		}
		var err error
		if s.out, err = o.env.Acceptor(n); err != nil {
			return err
		}
		o.stores = append(o.stores, s)
	}
	return nil
}

// Accept plans the events for every store.
func (o *copying) Accept(tx *plugin.Tx, tag string, es event.Stream) error {
	prevFailed := false
	for _, s := range o.stores {
		if s.out == nil || s.ifPrevSuccess && !prevFailed {
			prevFailed = false
			continue
		}
		mine := o.copyOf(es)
		if !s.ignoreError {
			if err := s.out.Accept(tx, tag, mine); err != nil {
				return err
			}
			prevFailed = false
			continue
		}
		prevFailed = false
		tx.IgnoreErrors(func() error { return s.out.Accept(tx, tag, mine) }, func(err error) {
			prevFailed = true
			o.env.Log.Error("ignore emit error", "store", s.name, "error", err.Error())
		})
	}
	return nil
}

func (o *copying) copyOf(es event.Stream) event.Stream {
	if o.mode == "no_copy" && !o.deep {
		return es
	}
	own := make(event.Stream, len(es))
	for i, e := range es {
		own[i] = event.Event{Time: e.Time, Record: e.Record.Clone()}
	}
	return own
}
