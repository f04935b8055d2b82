package router

import (
	"strings"
	"testing"
)

// Routes are remembered by tags that clients choose: neither their number nor their
// length may fill the memory.
func TestRoutesAreBounded(t *testing.T) {
	p := New("@ROOT", Hooks{})
	if a, b := p.find("a"), p.find("a"); a != b {
		t.Error("a route is not remembered")
	}
	long := strings.Repeat("x", cachedTag+1)
	if p.find(long); p.routes[long] != nil {
		t.Error("a long tag is remembered")
	}
	for i := range 3 * cacheLimit {
		p.find(strings.Repeat("y", i%cachedTag) + string(rune('a'+i%7)) + string(rune('a'+i/1000)))
	}
	if len(p.routes) > cacheLimit {
		t.Errorf("%d routes are remembered", len(p.routes))
	}
}
