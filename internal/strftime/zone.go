package strftime

import (
	"sync/atomic"
	"time"
)

// instant is when a clock in loc shows wall, counted in seconds since 1970 as if
// it were UTC. A time that the clock jumps over is as much after the jump as it
// would be without one. A time that it shows twice is the first, as the strptime
// gem has it, or with last the second, as Time.local has it.
func instant(wall int64, loc *time.Location, last bool) int64 {
	if loc == time.UTC {
		return wall
	}
	// The offsets in force a day before and a day after; a zone does not change
	// twice within two days.
	before, after := offsetAt(wall-86400, loc), offsetAt(wall+86400, loc)
	first, second := wall-before, wall-after
	switch {
	case before == after:
		return first
	case offsetAt(second, loc) == after && (last || offsetAt(first, loc) != before):
		return second
	}
	return first
}

func offsetAt(unix int64, loc *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(loc).Zone()
	return int64(offset)
}

// zoneCache keeps the last zone that a text named, so that not every time makes
// a new one.
type zoneCache struct{ last atomic.Pointer[fixedZone] }

type fixedZone struct {
	offset int
	loc    *time.Location
}

// fixed is the zone without a name at an offset; UTC for 0.
func (c *zoneCache) fixed(offset int) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	if z := c.last.Load(); z != nil && z.offset == offset {
		return z.loc
	}
	z := &fixedZone{offset, time.FixedZone("", offset)}
	c.last.Store(z)
	return z.loc
}
