package handler

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootClock is the time since the machine started, the time that it slept
// included; Go's own monotonic clock stops in a suspend.
func bootClock() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every Linux since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}
