package output

import (
	"cmp"
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
			name:          cmp.Or(n.Text("@id"), fmt.Sprintf("store %d (%s)", i+1, n.Text("@type"))),
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
	for i := 0; i < len(o.stores); i = o.after(i) {
		if err := o.give(tx, i, tag, es); err != nil {
			return err
		}
	}
	return nil
}

// after is the first store behind i that does not wait for another to fail.
func (o *copying) after(i int) int {
	for i++; i < len(o.stores) && o.stores[i].ifPrevSuccess; {
		i++
	}
	return i
}

// give plans the events for store i. When it may fail and does, be it only while
// the request is committed, the next store gets them if it stands in for this one.
func (o *copying) give(tx *plugin.Tx, i int, tag string, es event.Stream) error {
	s := o.stores[i]
	if s.out == nil {
		return nil // its section is wrong, and said to be
	}
	plan := func() error { return s.out.Accept(tx, tag, o.copyOf(es)) }
	if !s.ignoreError {
		return plan()
	}
	failed := false
	return tx.IgnoreErrors(plan, func(err error) error {
		o.env.Log.Error("ignore emit error in "+s.name, "error", err.Error())
		if failed || i+1 == len(o.stores) || !o.stores[i+1].ifPrevSuccess {
			return nil
		}
		failed = true
		return o.give(tx, i+1, tag, es)
	})
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
