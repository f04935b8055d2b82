package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"strconv"
	"strings"
)

// limitMemory fits the garbage collector to the machine: in a container it
// collects before the kernel's limit is reached, and everywhere it may use some
// memory to save CPU. GOGC and GOMEMLIMIT, when they are set, are left alone.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		tuneCollector(0)
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

// headroom is what the heap may grow by before it is collected, however little of
// it is alive: mostly it is a few megabytes, and collecting them at the usual
// double would cost more CPU than the requests themselves.
const headroom = 20 << 20

// percentFor is the GOGC that gives a heap of which so much is alive its headroom,
// and never less than the usual 100, which doubles it. A fixed percentage would fit
// the few megabytes of an idle relay or the ids of a busy handler, not both.
func percentFor(live uint64) int {
	const least = 4 << 20 // Go counts a smaller heap as this
	return int(max(headroom*100/max(live, least), 100))
}

// tuneCollector sets GOGC now and after each collection.
func tuneCollector(before int) {
	sample := []rtmetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	rtmetrics.Read(sample)
	// Setting it stops the world for a moment: only when it makes a difference.
	percent := percentFor(sample[0].Value.Uint64())
	if percent > before+before/4 || percent < before-before/4 {
		debug.SetGCPercent(percent)
	} else {
		percent = before
	}
	// What nobody points to is found dead by the next collection.
	runtime.AddCleanup(new([16]byte), tuneCollector, percent)
}
