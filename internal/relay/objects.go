package relay

import (
	"fmt"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/s3sink"
)

const uniqueKeyHint = "put ${chunk_id} into s3_object_key_format, or %{hex_random} with hex_random_length 12 or more"

// objectPrefix is a prefix of a store that may not honour If-None-Match, under which
// keys repeat, with who writes there.
type objectPrefix struct {
	first   *conf.Node
	writers int
	reasons []string
}

// CheckObjects reports, as errors, S3 outputs whose objects could be overwritten: keys
// that two chunks can share, on a store that has not proved that it refuses the second,
// written by more than one. A relay proves a store when it runs; a check asks nobody.
// Where one alone writes here it warns, since it can not know of other relays.
func (r *Relay) CheckObjects(problems *conf.Problems) {
	prefixes := map[string]*objectPrefix{}
	var order []string
	for _, o := range r.outputs {
		for _, w := range o.Writers() {
			s, ok := w.(interface{ Sharing() s3sink.Sharing })
			if !ok || s.Sharing().Guarded {
				continue
			}
			is := s.Sharing()
			p := prefixes[is.Prefix]
			if p == nil {
				p = &objectPrefix{first: o.Node()}
				prefixes[is.Prefix] = p
				order = append(order, is.Prefix)
			}
			p.add(o.Node(), is.Threads)
		}
	}
	for _, prefix := range order {
		prefixes[prefix].report(prefix, r.System.Workers, problems)
	}
}

func (p *objectPrefix) add(n *conf.Node, threads int) {
	p.writers++
	if p.writers > 1 {
		p.reasons = append(p.reasons, "so does the section at "+n.Pos.String())
	}
	if threads > 1 {
		p.reasons = append(p.reasons, fmt.Sprintf("%d flush threads do", threads))
	}
}

func (p *objectPrefix) report(prefix string, workers int, problems *conf.Problems) {
	if workers > 1 {
		p.reasons = append(p.reasons, fmt.Sprintf("<system> asks for %d workers", workers))
	}
	found := &conf.Error{Pos: p.first.Pos, Path: pathOf(p.first), Param: "s3_object_key_format", Hint: uniqueKeyHint}
	if line, ok := p.first.Get(found.Param); ok {
		found.Pos = line.Pos
	}
	if len(p.reasons) == 0 {
		found.Err = fmt.Errorf("object keys under %s can repeat, and the store is not known to refuse to overwrite: no other relay may write there", prefix)
		problems.Warn(found)
		return
	}
	found.Err = fmt.Errorf("object keys under %s can repeat, the store is not known to refuse to overwrite, and more than one may write there (%s)",
		prefix, strings.Join(p.reasons, ", "))
	problems.Fail(found)
}
