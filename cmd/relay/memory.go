package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory fits the garbage collector to the machine: in a container it
// collects before the kernel's limit is reached, and everywhere it may use some
// memory to save CPU, since the live heap is a few megabytes. GOGC and
// GOMEMLIMIT, when they are set, are left alone.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && limit > 0 && limit < 1<<50 { // beyond that it means no limit
			debug.SetMemoryLimit(limit / 10 * 9)
		}
		return
	}
}
