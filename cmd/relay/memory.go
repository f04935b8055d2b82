package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// limitMemory fits the garbage collector to the machine: in a container it
// collects before the kernel's limit is reached, and everywhere it may use some
// memory to save CPU. GOGC and GOMEMLIMIT, when they are set, are left alone.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // a few megabytes are alive, mostly; see keepHeapLow for when more is
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	machine := int64(math.MaxInt64)
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && limit > 0 && limit < 1<<50 { // beyond that it means no limit
			machine = limit / 10 * 9
		}
		break
	}
	keepHeapLow(machine)
}

const (
	quietHeap = 64 << 20 // up to here the collector may take its time
	headroom  = 16 << 20
)

// keepHeapLow lets the process grow with what lives in it, not with its garbage: after
// each collection the limit is set to a quarter more than was found alive, and never below
// quietHeap nor above machine. A flood of large requests leaves nothing behind that
// way, while a relay whose memory buffers are full does not collect without end.
func keepHeapLow(machine int64) {
	debug.SetMemoryLimit(min(quietHeap, machine))
	followCollections(machine)
}

// sentinel is garbage as soon as it is made: the next collection finds it. Without a
// pointer in it, it would share its memory with other small things, and live as long as
// any of them.
type sentinel struct{ _ *sentinel }

func followCollections(machine int64) {
	runtime.AddCleanup(&sentinel{}, func(machine int64) {
		debug.SetMemoryLimit(limitFor(alive(), machine))
		followCollections(machine)
	}, machine)
}

func limitFor(alive, machine int64) int64 {
	return min(max(quietHeap, alive+max(alive/4, headroom)), machine)
}

// alive is what the last collection kept, with the stacks.
func alive() int64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return int64(min(sum, 1<<50)) //nolint:gosec // bounded
}
