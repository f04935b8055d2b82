//go:build race

package event

// raceEnabled: under the race detector pools forget on purpose, so allocations
// can not be counted.
const raceEnabled = true
