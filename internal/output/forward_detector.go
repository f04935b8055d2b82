package output

import (
	"math"
	"time"
)

// detectorOptions says when a server counts as away.
type detectorOptions struct {
	interval    time.Duration // between heartbeats
	recoverWait time.Duration
	hardTimeout time.Duration
	phi         bool
	threshold   int
}

// detector finds out from the gaps between heartbeats whether a server is away: the
// phi accrual failure detector (Hayashibara and others, 2004) with Fluentd's
// numbers. Later gaps weigh more.
type detector struct {
	detectorOptions
	last time.Time // heartbeat; zero after a reset
	gaps []time.Duration
}

// maxGaps bounds the memory.
const maxGaps = 1000

func newDetector(o detectorOptions, now time.Time) *detector {
	return &detector{detectorOptions: o, last: now, gaps: []time.Duration{o.interval}}
}

// add takes a heartbeat.
func (d *detector) add(now time.Time) {
	if len(d.gaps) == 0 {
		d.gaps = append(d.gaps, d.interval)
	} else {
		d.gaps = append(d.gaps, now.Sub(d.last))
		if len(d.gaps) > maxGaps {
			d.gaps = d.gaps[1:]
		}
	}
	d.last = now
}

// recovered reports whether a server that was away has answered for long enough.
func (d *detector) recovered() bool {
	return len(d.gaps) > int(d.recoverWait/d.interval)
}

// silent reports whether the hard timeout is over.
func (d *detector) silent(now time.Time) bool { return now.Sub(d.last) > d.hardTimeout }

// level is phi: how unlikely it is, as a power of ten, that the server is there and
// only late.
func (d *detector) level(now time.Time) float64 {
	if len(d.gaps) == 0 {
		return 0
	}
	sum, weights := 0.0, 0.0
	for i, gap := range d.gaps {
		w := float64(i + 1)
		sum += gap.Seconds() * w
		weights += w
	}
	interval := d.interval.Seconds()
	mean := sum/weights - interval + 1
	return (now.Sub(d.last).Seconds() - interval + 1) / mean / math.Ln10
}

// reset forgets everything.
func (d *detector) reset() { d.gaps, d.last = nil, time.Time{} }
