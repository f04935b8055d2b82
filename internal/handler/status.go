package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// StatusCmd is `handler status`: what the state folder says, and what the running
// process says when it has a metrics address.
type StatusCmd struct {
	FolderOptions
	AdminOptions
	JSON bool `name:"json" help:"Print JSON."`
}

// statusReport is what `handler status --json` prints.
type statusReport struct {
	Folders []*FolderStatus `json:"folders"`
	Process *ProcessStatus  `json:"process,omitempty"`
	Asked   string          `json:"process_error,omitempty"` // why the process could not be asked
}

// Operate prints the status. What can not be read is an error; a handler that does
// not run, or is not well, is not: the output says it.
func (c *StatusCmd) Operate(ctx context.Context, out io.Writer) error {
	views, done, err := c.views(ctx)
	if err != nil {
		return err
	}
	defer done()
	r := &statusReport{}
	for _, v := range views {
		f, err := v.inspect(ctx)
		if err != nil {
			return err
		}
		r.Folders = append(r.Folders, f)
	}
	if c.MetricsAddr != "" && c.MetricsAddr != "off" {
		if r.Process, err = askProcess(ctx, c.MetricsAddr); err != nil {
			r.Asked = err.Error()
		}
	}
	if c.JSON {
		return printJSON(out, r)
	}
	return r.print(out, time.Now())
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// askProcess asks a running handler at its metrics address.
func askProcess(ctx context.Context, addr string) (*ProcessStatus, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("metrics-addr: %w", err)
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("nobody answers at %s", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the running handler: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the running handler: %s answered %s", addr, resp.Status)
	}
	p := &ProcessStatus{}
	if err := json.NewDecoder(resp.Body).Decode(p); err != nil {
		return nil, fmt.Errorf("ask the running handler: %w", err)
	}
	return p, nil
}

// rows prints two columns.
type rows struct{ w *tabwriter.Writer }

func newRows(out io.Writer) rows { return rows{tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)} }

func (r rows) add(name, format string, args ...any) {
	fmt.Fprintf(r.w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
}

func (r *statusReport) print(out io.Writer, now time.Time) error {
	t := newRows(out)
	for _, f := range r.Folders {
		f.printSummary(t, now)
	}
	switch {
	case r.Asked != "":
		t.add("Process", "%s", r.Asked)
	case r.Process != nil:
		r.Process.print(t, now)
	}
	return t.w.Flush()
}

func (f *FolderStatus) printSummary(t rows, now time.Time) {
	t.add("State", "%s", f.Folder)
	switch {
	case f.Holder != "" && f.Running:
		t.add("Handler", "%s holds the state, or died with it", f.Holder)
	case f.Holder != "":
		t.add("Handler", "none holds the state")
	case f.Running && f.PID != "":
		t.add("Handler", "runs, pid %s", f.PID)
	case f.Running:
		t.add("Handler", "runs")
	default:
		t.add("Handler", "does not run")
	}
	t.add("Start time", "%s", or(f.StartTime, "not set yet"))
	switch f.Reading {
	case "":
		t.add("Reading", "nothing was read yet")
	case "search":
		t.add("Reading", "by searching, behind %s%s", or(f.Search.ID, "no event yet"), ago(f.Search.At, now))
	case "bulk":
		last := f.Dates[len(f.Dates)-1]
		t.add("Reading", "in bulk, %s to %s", f.Dates[0].Date, last.Date)
		t.add("Chunks", "%s", f.chunkCounts())
	}
	if !f.Written.IsZero() {
		t.add("Progress", "written %s", ago(f.Written, now)[2:])
	}
	t.add("Recordings", "%d to be sent, %d missing, %d given up", len(f.Sessions), len(f.Missing), len(f.GivenUp))
	t.add("Dead letters", "%d", f.DeadLetters)
	if len(f.Skipped) > 0 {
		t.add("Left out", "%d events, by state skip", len(f.Skipped))
	}
}

func (f *FolderStatus) chunkCounts() string {
	done, partial := 0, 0
	for _, d := range f.Dates {
		done += d.Completed
		partial += len(d.Partial)
	}
	return fmt.Sprintf("%d complete, %d partly read", done, partial)
}

func (p *ProcessStatus) print(t rows, now time.Time) {
	t.add("Process", "pid %d, version %s, up %s", p.PID, p.Version, round(now.Sub(p.Since)))
	if p.Ready {
		t.add("Ready", "yes")
	} else {
		t.add("Ready", "no: %s", strings.Join(p.Problems, "; "))
	}
	if lag, known := p.Numbers["handler_lag_seconds"]; known {
		t.add("Lag", "%s", round(time.Duration(lag*float64(time.Second))))
	}
	n := func(name string) int64 { return int64(p.Numbers["handler_"+name]) }
	t.add("Events", "%d read, %d delivered (with those of recordings), %d in flight, %d set aside, %d left out", n("events_read_total"), n("events_delivered_total"), n("events_in_flight"), n("dead_letters_total"), n("events_skipped_total"))
	t.add("Posts", "%d, %d of them again", n("posts_total"), n("post_retries_total"))
	t.add("Sessions", "%d sent, %d waiting, %d missing, %d given up", n("sessions_total"), n("sessions_waiting"), n("recordings_missing"), n("recordings_given_up_total"))
	if locks := n("locks_total"); locks > 0 {
		t.add("Lock calls", "%d", locks)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Ends)) {
		end := time.Unix(int64(p.Ends[name]), 0).UTC()
		if end.Before(now) {
			t.add("Certificate", "%s ended %s (%s ago)", name, end.Format(time.RFC3339), round(now.Sub(end)))
			continue
		}
		t.add("Certificate", "%s ends %s (in %s)", name, end.Format(time.RFC3339), round(end.Sub(now)))
	}
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// ago is ", TIME (DURATION ago)", "" for no time.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf(", %s (%s ago)", t.UTC().Format(time.RFC3339), round(now.Sub(t)))
}

// round leaves as many digits as people read.
func round(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Minute:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}
