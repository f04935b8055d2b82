package main

import "testing"

func TestLimitFor(t *testing.T) {
	for _, c := range []struct{ alive, machine, want int64 }{
		{5 << 20, 1 << 40, quietHeap},
		{72 << 20, 1 << 40, 90 << 20},
		{1 << 30, 1 << 40, 5 << 28},
		{1 << 30, 500 << 20, 500 << 20},
		{0, 30 << 20, 30 << 20},
	} {
		if got := limitFor(c.alive, c.machine); got != c.want {
			t.Errorf("%d alive on %d: %d, want %d", c.alive, c.machine, got, c.want)
		}
	}
	if got := alive(); got <= 0 {
		t.Errorf("%d bytes are alive", got)
	}
}
