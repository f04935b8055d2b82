package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// testStore is an acceptor that fails when, and as, its section says: fails now
// (while the request is planned) or later (while it is committed).
type testStore struct {
	name, fails string
	got         *[]string
}

var errStore = errors.New("store is broken")

func (s *testStore) Accept(tx *plugin.Tx, _ string, es event.Stream) error {
	if s.fails == "now" {
		return errStore
	}
	tx.After(func(context.Context) error {
		if s.fails == "later" {
			return errStore
		}
		*s.got = append(*s.got, s.name)
		es[0].Record.Set("seen", s.name)
		return nil
	})
	return nil
}

// passer decodes a copy or roundrobin section whose stores are testStores.
func passer(t *testing.T, build func(plugin.Env) plugin.Passer, text string) (plugin.Passer, *[]string, *bytes.Buffer, error) {
	t.Helper()
	tree, err := conf.Parse("t.conf", []byte(text), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	got := &[]string{}
	env := plugin.Env{Log: slog.New(slog.NewTextHandler(&log, nil)), Node: tree, Acceptor: func(n *conf.Node) (plugin.Acceptor, error) {
		if n.Text("weight") != "" {
			t.Error("the store's output sees weight")
		}
		return &testStore{name: n.Text("@id"), fails: n.Text("fails"), got: got}, nil
	}}
	p := build(env)
	problems := &conf.Problems{}
	param.DecodePlugin(tree, "match", problems, p)
	return p, got, &log, problems.Err()
}

func commit(t *testing.T, p plugin.Passer, es event.Stream) error {
	t.Helper()
	tx := plugin.Begin(t.Context())
	if err := p.Accept(tx, "t", es); err != nil {
		tx.Abort(err)
		return err
	}
	return tx.Commit(t.Context())
}

func TestCopyStores(t *testing.T) {
	store := func(arg, id, fails string) string {
		return fmt.Sprintf("<store %s>\n@id %s\nfails %s\n</store>\n", arg, id, fails)
	}
	both := "ignore_error ignore_if_prev_success"
	for name, tc := range map[string]struct {
		stores []string
		got    string
		fails  bool
	}{
		"all":                            {[]string{store("", "a", "no"), store("", "b", "no")}, "a b", false},
		"first fails, planned":           {[]string{store("", "a", "now"), store("", "b", "no")}, "", true},
		"first fails, committed":         {[]string{store("", "a", "later"), store("", "b", "no")}, "", true},
		"ignored, planned":               {[]string{store("ignore_error", "a", "now"), store("", "b", "no")}, "b", false},
		"ignored, committed":             {[]string{store("ignore_error", "a", "later"), store("", "b", "no")}, "b", false},
		"stand-in is not needed":         {[]string{store("ignore_error", "a", "no"), store("ignore_if_prev_success", "b", "no")}, "a", false},
		"stand-in, planned":              {[]string{store("ignore_error", "a", "now"), store("ignore_if_prev_success", "b", "no")}, "b", false},
		"stand-in, committed":            {[]string{store("ignore_error", "a", "later"), store("ignore_if_prev_success", "b", "no")}, "b", false},
		"stand-in fails, committed":      {[]string{store("ignore_error", "a", "later"), store("ignore_if_prev_success", "b", "later")}, "", true},
		"stand-in fails, planned":        {[]string{store("ignore_error", "a", "later"), store("ignore_if_prev_success", "b", "now")}, "", true},
		"stand-in of the stand-in":       {[]string{store("ignore_error", "a", "later"), store(both, "b", "now"), store("ignore_if_prev_success", "c", "no")}, "c", false},
		"neither stand-in is needed":     {[]string{store("ignore_error", "a", "no"), store(both, "b", "no"), store("ignore_if_prev_success", "c", "no")}, "a", false},
		"what stands behind goes on":     {[]string{store("ignore_error", "a", "later"), store("ignore_if_prev_success", "b", "no"), store("", "c", "no")}, "c b", false},
		"behind one that may not fail":   {[]string{store("", "a", "no"), store("ignore_if_prev_success", "b", "no"), store("", "c", "no")}, "a c", false},
		"nobody is there to stand in":    {[]string{store("ignore_error", "a", "later")}, "", false},
		"a stand-in that may fail fails": {[]string{store("ignore_error", "a", "later"), store(both, "b", "later")}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, got, log, err := passer(t, NewCopy, strings.Join(tc.stores, ""))
			if err != nil {
				t.Fatal(err)
			}
			err = commit(t, p, event.Stream{{Record: event.NewRecord("n", int64(1))}})
			if (err != nil) != tc.fails || strings.Join(*got, " ") != tc.got {
				t.Errorf("got %v, error %v; want %s, error %v", *got, err, tc.got, tc.fails)
			}
			dropped := strings.Contains(name, "ignored") || strings.Contains(name, "stand-in,")
			if dropped && !strings.Contains(log.String(), "ignore emit error in a") {
				t.Errorf("the log does not say that a failed:\n%s", log)
			}
		})
	}
}

// A copy within a store that may fail: what stands in for a store within it fails
// with it, not with the request.
func TestCopyWithinCopy(t *testing.T) {
	inner, _, _, err := passer(t, NewCopy, "<store ignore_error>\nfails later\n</store>\n<store ignore_if_prev_success>\nfails later\n</store>")
	if err != nil {
		t.Fatal(err)
	}
	tx := plugin.Begin(t.Context())
	var dropped []error
	err = tx.IgnoreErrors(func() error {
		return inner.Accept(tx, "t", event.Stream{{Record: event.NewRecord()}})
	}, func(err error) error { dropped = append(dropped, err); return nil })
	if err := errors.Join(err, tx.Commit(t.Context())); err != nil || len(dropped) != 1 {
		t.Errorf("error %v, dropped %v", err, dropped)
	}
}

func TestCopyModes(t *testing.T) {
	for mode, shared := range map[string]bool{"no_copy": true, "shallow": false, "deep": false, "marshal": false} {
		p, _, _, err := passer(t, NewCopy, "copy_mode "+mode+"\n<store>\n@id a\n</store>\n")
		if err != nil {
			t.Fatal(err)
		}
		es := event.Stream{{Record: event.NewRecord("n", int64(1))}}
		if err := commit(t, p, es); err != nil {
			t.Fatal(err)
		}
		if _, changed := es[0].Record.Get("seen"); changed != shared {
			t.Errorf("copy_mode %s: the caller's record is changed: %v", mode, changed)
		}
	}
}

func TestStoresThatCanNotBe(t *testing.T) {
	for text, want := range map[string]string{
		"": "'<store>' sections are required",
		"<store ignore_if_prev_success>\n</store>": "ignore_if_prev_success must not be used with the first <store>",
		"copy_mode twice\n<store>\n</store>":       "valid options are no_copy,shallow,deep,marshal but got twice",
	} {
		if _, _, _, err := passer(t, NewCopy, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("copy %q: got %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                             "'<store>' sections are required",
		"<store>\nweight x\n</store>":  `"x" must be a number`,
		"<store>\nweight -1\n</store>": `"-1" must be a number`,
		"<store>\nweight 0\n</store>":  "every <store> has weight 0",
	} {
		if _, _, _, err := passer(t, NewRoundRobin, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("roundrobin %q: got %v, want %s", text, err, want)
		}
	}
}

func TestRoundRobinTurns(t *testing.T) {
	for weights, want := range map[string]string{
		"1 1 1": "a b c a b c",
		"3 1":   "a a b a a a",
		"2 0 2": "a c a c a c",
		"4 2":   "a b a a b a",
	} {
		var text strings.Builder
		for i, w := range strings.Fields(weights) {
			fmt.Fprintf(&text, "<store>\n@id %c\nweight %s\n</store>\n", 'a'+i, w)
		}
		p, got, _, err := passer(t, NewRoundRobin, text.String())
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			if err := commit(t, p, event.Stream{{Record: event.NewRecord()}}); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Join(*got, " ") != want {
			t.Errorf("weights %s: got %s, want %s", weights, strings.Join(*got, " "), want)
		}
	}
}

// A buffer that is full is found while the request is committed; the store that
// stands in must get the events all the same, and nothing else is written before.
func TestCopyStandsInForAFullBuffer(t *testing.T) {
	var main, other recorder
	full, stopFull := open(t, &main, t.TempDir(), "[]>\ntotal_limit_size 10\nflush_mode immediate")
	defer stopFull()
	spare, stopSpare := open(t, &other, t.TempDir(), "[]>\nflush_mode immediate\nflush_at_shutdown true")
	p := &copying{env: plugin.Env{Log: slog.New(slog.DiscardHandler)}, stores: []store{
		{out: full, ignoreError: true, name: "full"}, {out: spare, ifPrevSuccess: true, name: "spare"},
	}}
	if err := commit(t, p, event.Stream{{Record: event.NewRecord("n", strings.Repeat("x", 100))}}); err != nil {
		t.Fatal(err)
	}
	stopSpare()
	if main.all() != "" || !strings.Contains(other.all(), "xxx") {
		t.Errorf("full got %q, spare got %q", main.all(), other.all())
	}
}
