//go:build !race

// Under the race detector pools forget on purpose, so allocations are not counted there.

package router_test

import "testing"

// What an event holds costs no allocation: it is copied from the body to the batch,
// whether or not the published filter puts a new time in.
func TestNoAllocationPerField(t *testing.T) {
	for name, text := range map[string]string{"no filter": "", "published filter": publishedFilter} {
		h := newHotPath(t, text)
		var counts []float64
		for _, fields := range []int{5, 40} {
			body := bodyOf(fields, 1)
			counts = append(counts, testing.AllocsPerRun(200, func() {
				if err := h.plan(body); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if counts[1] > counts[0]+0.5 {
			t.Errorf("%s: %v allocations with 12 fields, %v with 82", name, counts[0], counts[1])
		}
	}
}
