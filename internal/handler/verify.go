package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
)

// VerifyCmd is `handler verify`: it asks Teleport and the bucket about a stretch of
// time and compares uid by uid. It reads only; the handler may be running.
type VerifyCmd struct {
	TeleportOptions
	StorageOptions
	FilterOptions
	Since    time.Time  `name:"since" required:"" help:"Events from here on (RFC 3339)."`
	Until    *time.Time `name:"until" help:"Events up to here; ten minutes ago when it is left out, since what is younger may be on its way."`
	Bucket   string     `name:"bucket" required:"" help:"Where the relay puts audit events: BUCKET or s3://BUCKET/PREFIX, or a folder (./DIR, /DIR)."`
	Prefix   string     `name:"prefix" help:"Only objects whose keys begin so."`
	Region   string     `name:"region" help:"Region of the bucket; AWS_REGION when it is left out."`
	Endpoint string     `name:"endpoint" help:"URL of an S3 store that is not Amazon's."`
	Page     int        `name:"page" default:"500" help:"Events that Teleport is asked for at a time."`
	JSON     bool       `name:"json" help:"Print JSON."`
}

// settleTime is what an event may need from Teleport to the bucket.
const settleTime = 10 * time.Minute

// VerifyReport is the outcome. Teleport gives some uids to several different
// events; each of those counts.
type VerifyReport struct {
	Since     time.Time     `json:"since"`
	Until     time.Time     `json:"until"`
	Events    int           `json:"events"`           // in Teleport, with a uid
	NoUID     int           `json:"without_uid"`      // in Teleport: can not be compared
	Found     int           `json:"found"`            // of Events, in the bucket
	Aside     int           `json:"set_aside"`        // of Events, dead letters or left out by state skip
	Objects   int           `json:"objects"`          // read
	Lines     int           `json:"lines"`            // in them
	Broken    int           `json:"unreadable_lines"` // no JSON object
	Missing   []VerifyEvent `json:"missing"`
	Doubled   []VerifyEvent `json:"doubled"`
	Strangers int           `json:"unknown_to_teleport"` // in the bucket, of that time, and not in Teleport
}

// VerifyEvent is one uid.
type VerifyEvent struct {
	UID    string    `json:"uid"`
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
	Wanted int       `json:"wanted"`
	Got    int       `json:"got"`
}

// tally is what is known of one uid.
type tally struct {
	kind      string
	at        time.Time
	want, got int
	aside     bool
}

// Operate compares. Missing or doubled events are an error.
func (c *VerifyCmd) Operate(ctx context.Context, out io.Writer) error {
	r, err := c.compare(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(out, r)
	} else {
		err = r.print(out)
	}
	if err == nil && len(r.Missing)+len(r.Doubled) > 0 {
		err = errors.New("the bucket does not hold every event exactly once")
	}
	return err
}

func (c *VerifyCmd) compare(ctx context.Context) (*VerifyReport, error) {
	if err := c.TeleportOptions.check(); err != nil {
		return nil, err
	}
	r := &VerifyReport{Since: c.Since.UTC(), Until: time.Now().UTC().Add(-settleTime), Missing: []VerifyEvent{}, Doubled: []VerifyEvent{}}
	if c.Until != nil {
		r.Until = c.Until.UTC()
	}
	if !r.Since.Before(r.Until) {
		return nil, fmt.Errorf("--since %s is not before %s", r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339))
	}
	bucket, err := c.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	events, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := c.noteAside(ctx, events); err != nil {
		return nil, err
	}
	if err := bucket.count(ctx, r, events); err != nil {
		return nil, err
	}
	r.judge(events)
	return r, nil
}

// ask goes through Teleport's audit log.
func (c *VerifyCmd) ask(ctx context.Context, r *VerifyReport) (map[string]*tally, error) {
	client, err := c.dial(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	filter := sourceConfig{types: trimAll(c.Types), skip: trimAll(c.SkipEventTypes), log: slog.New(slog.DiscardHandler), start: r.Since}
	s := &searchSource{cfg: filter, limit: max(c.Page, 1)}
	s.cfg.teleport, s.cfg.batch, s.cfg.health = client, s.limit, newHealth()
	events, seen := map[string]*tally{}, map[fingerprint]bool{}
	err = s.walk(ctx, r.Since, r.Until, func(e teleport.Event) error {
		print := fingerprintOf(e.ID, e.AppendJSON(nil))
		if filter.leaveOut(e) || e.Time.After(r.Until) || seen[print] {
			return nil // a page may come twice
		}
		seen[print] = true
		uid := e.Text("uid")
		if uid == "" {
			r.NoUID++
			return nil
		}
		t := events[uid]
		if t == nil {
			t = &tally{kind: e.Type, at: e.Time}
			events[uid] = t
		}
		t.want++
		r.Events++
		return nil
	})
	return events, err
}

// noteAside marks what the handler did not send on purpose, when its state folder
// is known.
func (c *VerifyCmd) noteAside(ctx context.Context, events map[string]*tally) error {
	if c.Storage == "" {
		return nil
	}
	o := FolderOptions{c.StorageOptions, c.AddrOptions}
	v, done, err := o.view(ctx)
	if err != nil {
		return nil //nolint:nilerr // on another machine, mostly; then they are reported as missing
	}
	defer done()
	ids, err := readSkips(v.dir)
	if err != nil {
		return err
	}
	letters, err := v.letters(ctx)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if l.SID == "" {
			ids = append(ids, l.ID)
		}
	}
	for _, id := range ids {
		if t := events[id]; t != nil {
			t.aside = true
		}
	}
	return nil
}

// judge sorts the uids.
func (r *VerifyReport) judge(events map[string]*tally) {
	for _, uid := range slices.SortedFunc(maps.Keys(events), func(a, b string) int {
		return events[a].at.Compare(events[b].at)
	}) {
		t := events[uid]
		e := VerifyEvent{UID: uid, Type: t.kind, Time: t.at, Wanted: t.want, Got: t.got}
		r.Found += min(t.want, t.got)
		switch {
		case t.got > t.want:
			r.Doubled = append(r.Doubled, e)
		case t.got < t.want && t.aside:
			r.Aside += t.want - t.got
		case t.got < t.want:
			r.Missing = append(r.Missing, e)
		}
	}
}

// shownUIDs is how many of each kind are printed; JSON has them all.
const shownUIDs = 20

func (r *VerifyReport) print(out io.Writer) error {
	fmt.Fprintf(out, "%s to %s: %d of %d events are in the bucket, %d missing, %d doubled, %d set aside\n",
		r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339), r.Found, r.Events, len(r.Missing), len(r.Doubled), r.Aside)
	fmt.Fprintf(out, "%d objects with %d events were read\n", r.Objects, r.Lines)
	if r.Events == 0 {
		fmt.Fprintln(out, "Teleport has no events of that time and these types: nothing was compared")
	}
	if r.NoUID > 0 {
		fmt.Fprintf(out, "%d events in Teleport have no uid and can not be compared\n", r.NoUID)
	}
	if r.Strangers > 0 {
		fmt.Fprintf(out, "%d events in the bucket are of that time and unknown to Teleport: of another cluster, or of a type that was left out here\n", r.Strangers)
	}
	if r.Broken > 0 {
		fmt.Fprintf(out, "%d lines in the bucket are no JSON objects\n", r.Broken)
	}
	for _, list := range []struct {
		word   string
		events []VerifyEvent
	}{{"missing", r.Missing}, {"doubled", r.Doubled}} {
		for i, e := range list.events {
			if i == shownUIDs {
				fmt.Fprintf(out, "%s: and %d more; --json lists them\n", list.word, len(list.events)-i)
				break
			}
			fmt.Fprintf(out, "%s: %s %s %s (%d of %d)\n", list.word, e.UID, e.Time.Format(time.RFC3339Nano), e.Type, e.Got, e.Wanted)
		}
	}
	return nil
}
