package event

import (
	"encoding/hex"
	"testing"
	"time"
)

func TestChunkID(t *testing.T) {
	now := time.UnixMicro(1_700_000_000_123_456)
	a, b := NewChunkID(now), NewChunkID(now)
	if a == b {
		t.Error("two chunks have one id")
	}
	for _, id := range []ChunkID{a, b} {
		if got := id.String()[:13]; got != "60a2418202240" {
			t.Errorf("the id begins with %s", got)
		}
	}
}

func TestFingerprints(t *testing.T) {
	ids := map[ID]string{}
	for name, id := range map[string]ID{
		"content": ContentID("t", []byte("{}")), "other tag": ContentID("t2", []byte("{}")), "other content": ContentID("t", []byte(`{"a":1}`)),
		"field": FieldID("t", "{}"), "border": ContentID("t{", []byte("}")), "no tag": ContentID("", []byte("t{}")),
	} {
		if had, ok := ids[id]; ok {
			t.Errorf("%s and %s have one id", name, had)
		}
		ids[id] = name
	}
	// The ids are kept on disk, so they must not change from release to release.
	if got := hex.EncodeToString(func() []byte { id := ContentID("test.log", []byte(`{"a":1}`)); return id[:] }()); got != "442e22c8e327927cd95d30c2f9bc0d5b" {
		t.Errorf("content id %s", got)
	}
	body := make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { ContentID("t", body) }); n >= 1 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
