package handler

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func testRelays(urls ...string) []*relay {
	var all []*relay
	for _, u := range urls {
		all = append(all, &relay{url: u})
	}
	return newRelays(all)
}

// An event's home is a matter of its id and the addresses: the order of the list
// does not count, and an address less moves only what was there.
func TestHome(t *testing.T) {
	t.Parallel()
	abc, cba, ab := testRelays("a", "b", "c"), testRelays("c", "b", "a"), testRelays("a", "b")
	count := map[string]int{}
	for _, id := range numbered("e", 3000) {
		home := homeOf(abc, id).url
		count[home]++
		if got := homeOf(cba, id).url; got != home {
			t.Fatalf("%s: %s in one order, %s in another", id, home, got)
		}
		if got := homeOf(ab, id).url; home != "c" && got != home {
			t.Fatalf("%s moved from %s to %s though only c is gone", id, home, got)
		}
	}
	for url, n := range count {
		if n < 800 || n > 1200 {
			t.Errorf("%s has %d of 3000", url, n)
		}
	}
}

// A relay that is away keeps its events for the patience, then the same other one
// gets them; it is tried again by one request per interval, and comes back.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relays := testRelays("a", "b", "c")
		a := relays[0]
		const patience = 30 * time.Second
		a.failed(patience)
		time.Sleep(patience - 1)
		if got := a.pick(patience); got != a {
			t.Errorf("%s stands in too early", got.url)
		}
		time.Sleep(time.Nanosecond)
		stand := a.pick(patience)
		if stand == a || stand != a.others[0] {
			t.Errorf("got %s, want %s", stand.url, a.others[0].url)
		}
		stand.failed(patience)
		time.Sleep(patience)
		probes := 0
		for range 100 {
			if a.pick(patience) == a {
				probes++
				a.failed(patience)
			}
			time.Sleep(probeInterval / 10)
		}
		if probes < 9 || probes > 11 {
			t.Errorf("%d tries in %v, want one each %v", probes, 10*probeInterval, probeInterval)
		}
		if got := a.pick(patience); got != a && got != a.others[1] {
			t.Errorf("got %s, want the last one that works", got.url)
		}
		a.worked()
		if a.pick(patience) != a {
			t.Error("it works again and is not used")
		}
	})
}

// One of two relays ends under load: nothing is lost, what the other took for it
// is counted, and the other's own events never waited.
func TestOneOfTwoRelaysIsKilled(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var seen atomic.Int64
	a := newInbox(t, func(http.ResponseWriter, *http.Request, []string) int {
		if seen.Add(1) >= 200 {
			down.Store(true)
		}
		if down.Load() {
			panic(http.ErrAbortHandler) // no answer, as from a process that was killed
		}
		return 0
	})
	b := newInbox(t, nil)
	a.Start()
	b.Start()
	d := newTestDelivery(t, func(s *StartCmd) { s.FluentdFailoverAfter = 300 * time.Millisecond }, a.URL+"/test.log", b.URL+"/test.log")
	ids := numbered("e", 2000)
	d.sendAll(t, ids...)
	both := slices.Concat(a.got(), b.got())
	slices.Sort(both)
	sameSet(t, "taken by one or both", slices.Compact(both), ids)
	moved := 0
	for _, id := range b.got() {
		moved += boolInt(d.sender.home(id) == d.sender.relays[0])
	}
	if got := d.metric(t, "handler_events_failed_over_total"); moved == 0 || int(got) != moved {
		t.Errorf("%v events counted as moved, %d were", got, moved)
	}
}

// Before the patience is over nothing moves, so nothing is doubled.
func TestShortOutageMovesNothing(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	a := newInbox(t, func(http.ResponseWriter, *http.Request, []string) int {
		if refused.Add(1) <= 3 {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	b := newInbox(t, nil)
	a.Start()
	b.Start()
	d := newTestDelivery(t, nil, a.URL+"/test.log", b.URL+"/test.log")
	ids := numbered("e", 300)
	d.sendAll(t, ids...)
	sameSet(t, "taken", slices.Concat(a.got(), b.got()), ids)
	if got := d.metric(t, "handler_events_failed_over_total"); got != 0 {
		t.Errorf("%v events moved", got)
	}
}

// An event that was tried at two relays counts as moved also when its own one took
// it in the end: the other may have stored it.
func TestMovedBackCounts(t *testing.T) {
	t.Parallel()
	var d *testDelivery
	a := newInbox(t, nil)
	b := newInbox(t, func(http.ResponseWriter, *http.Request, []string) int {
		d.sender.relays[0].worked() // it comes back just now
		return http.StatusBadGateway
	})
	a.Start()
	b.Start()
	d = newTestDelivery(t, nil, a.URL+"/test.log", b.URL+"/test.log")
	home, other := d.sender.relays[0], d.sender.relays[1]
	d.sender.patience = 0
	home.failed(0)
	if err := d.sender.send(t.Context(), home, "", []*Read{testEvent("a")}); err != nil {
		t.Fatal(err)
	}
	if got := d.metric(t, "handler_events_failed_over_total"); got != 1 || other.since.IsZero() {
		t.Errorf("%v events counted as moved, want 1", got)
	}
	sameSet(t, "taken", a.got(), []string{"a"})
}

// A refusal says that a relay works.
func TestRefusalIsNoOutage(t *testing.T) {
	t.Parallel()
	in := newInbox(t, func(http.ResponseWriter, *http.Request, []string) int { return http.StatusBadRequest })
	in.Start()
	d := newTestDelivery(t, nil, in.URL+"/test.log", "https://127.0.0.1:1/test.log")
	home := d.sender.relays[0]
	home.failed(0)
	err := d.sender.send(t.Context(), home, "", []*Read{testEvent("a")})
	if !errors.As(err, new(*refusal)) || !home.since.IsZero() {
		t.Errorf("got %v, failing since %v", err, home.since)
	}
}
