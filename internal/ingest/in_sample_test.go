package ingest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
)

// run lets a sample source work for a while of a test's own time.
func runSample(t *testing.T, text string, d time.Duration, prepare func(*pipeline)) (events []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		env, _ := testEnv("s", "sample")
		in, err := decodeSource(t, env, text, NewSample)
		if err != nil {
			t.Fatal(err)
		}
		out := newPipeline()
		if prepare != nil {
			prepare(out)
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		if err := in.Run(ctx, out); err != nil {
			t.Error(err)
		}
		events = out.take()
	})
	return events
}

func TestSample(t *testing.T) {
	for name, c := range map[string]struct {
		conf string
		of   time.Duration
		want []string
	}{
		"default":        {"tag t", 2500 * time.Millisecond, []string{`t {"message":"sample"}`, `t {"message":"sample"}`}},
		"in turn":        {"tag t\nrate 3\nsample [{\"a\":1},{\"a\":2}]", 1050 * time.Millisecond, []string{`t {"a":1}`, `t {"a":2}`, `t {"a":1}`}},
		"one, with size": {"tag t\nsize 2\nsample {\"a\":1}", 1050 * time.Millisecond, []string{`t {"a":1}`, `t {"a":1}`}},
		"increment":      {"tag t\nrate 3\nauto_increment_key n\ndummy {\"a\":1}", 1050 * time.Millisecond, []string{`t {"a":1,"n":0}`, `t {"a":1,"n":1}`, `t {"a":1,"n":2}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range runSample(t, c.conf, c.of, nil) {
				tag, rest, _ := strings.Cut(e, " ")
				_, record, _ := strings.Cut(rest, " ")
				got = append(got, tag+" "+record)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A full buffer holds the source up, and afterwards it does not catch up on hours.
func TestSampleWhileFull(t *testing.T) {
	got := runSample(t, "tag t\nrate 10", time.Hour+1050*time.Millisecond, func(p *pipeline) {
		until := time.Now().Add(time.Hour)
		p.failWith(func(string) error {
			if time.Now().Before(until) {
				return buffer.ErrFull
			}
			return nil
		})
	})
	if len(got) < 10 || len(got) > 30 {
		t.Errorf("%d events in the second after an hour of a full buffer, want what is due in a second or two", len(got))
	}
}

func TestSampleEmitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, log := testEnv("s", "sample")
		in, err := decodeSource(t, env, "tag t", NewSample)
		if err != nil {
			t.Fatal(err)
		}
		out := newPipeline()
		out.failWith(func(string) error { return errors.New("disk is gone") })
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := in.Run(ctx, out); err != nil {
			t.Error(err)
		}
		if counted(t, env.Metrics, "relay_events_dropped_total", "reason", "emit failed") != 1 || !strings.Contains(log.String(), "disk is gone") {
			t.Errorf("not counted or not said: %s", log.String())
		}
	})
}

func TestSampleConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		"tag t\nsample \"{\"":        "invalid JSON",
		"tag t\nsample [1]":          "0th element of sample is not a hash",
		"tag t\nsample []":           "there is no record",
		"tag t\nrate 0":              "must be at least 1",
		"tag t\nsize 0":              "must be at least 1",
		"sample {\"message\":\"x\"}": "tag: parameter is required",
	} {
		env, _ := testEnv("s", "sample")
		if _, err := decodeSource(t, env, text, NewSample); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
