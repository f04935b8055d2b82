package main

import "testing"

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 500}, {1 << 20, 500}, {4 << 20, 500}, {10 << 20, 200}, {20 << 20, 100}, {50 << 20, 100}, {5 << 30, 100},
	} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("%d MB alive: %d, want %d", c.live>>20, got, c.want)
		}
	}
}
