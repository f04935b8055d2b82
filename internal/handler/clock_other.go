//go:build !linux

package handler

import "time"

var clockBegan = time.Now()

// bootClock is a clock that only runs forward.
func bootClock() time.Duration { return time.Since(clockBegan) }
