package relay

import (
	"errors"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// CheckFiles reports what is wrong with the certificates of the sources: a key that
// the passphrase does not open, a pair that does not fit, and, as a warning, what has
// ended. Files that are not on this machine are not missed.
func (r *Relay) CheckFiles(problems *conf.Problems, now time.Time) {
	for _, in := range r.inputs {
		c, ok := in.plugin.(interface{ CheckFiles(time.Time) error })
		if !ok {
			continue
		}
		err := c.CheckFiles(now)
		switch {
		case errors.Is(err, tlsconf.ErrEnded):
			problems.Warn(in.placed(err))
		case err != nil:
			problems.Fail(in.placed(err))
		}
	}
}

// placed gives an error its source's place, or that of the parameter that it names.
func (in *input) placed(err error) *conf.Error {
	return param.Place(err, in.node, pathOf(in.node))
}
