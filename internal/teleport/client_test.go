package teleport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

func TestMain(m *testing.M) {
	undo, err := trustWebCA()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		undo()
		os.Exit(code)
	}))
}

// begin is the first generated event's time: old enough that all are past.
var begin = time.Date(2026, 1, 15, 9, 30, 0, 0, time.UTC)

func start(t *testing.T, o teleporttest.Options) *teleporttest.Server {
	t.Helper()
	o.Dir = t.TempDir()
	if o.Start.IsZero() {
		o.Start = begin
	}
	srv, err := teleporttest.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

func dial(t *testing.T, srv *teleporttest.Server, change ...func(*teleport.Config)) *teleport.Client {
	t.Helper()
	cfg := teleport.Config{Addr: srv.Addr(), Identity: srv.IdentityPath(), Refresh: time.Minute, DialTimeout: 10 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	c, err := teleport.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// searchAll walks one window page by page.
func searchAll(t *testing.T, c *teleport.Client, r teleport.SearchRequest) (ids []string) {
	t.Helper()
	for {
		page, next, err := c.Search(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		if next == "" {
			return ids
		}
		r.Cursor = next
	}
}

func window() teleport.SearchRequest {
	return teleport.SearchRequest{From: begin, To: begin.Add(time.Hour), Limit: 100}
}

func TestSearchBringsEveryEventInOrder(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(1234)
	c := dial(t, srv)
	if got, want := searchAll(t, c, window()), slices.Collect(srv.UIDs()); !slices.Equal(got, want) {
		t.Errorf("%d events came, want %d in the same order", len(got), len(want))
	}
	if srv.Handed() != 1234 {
		t.Errorf("the book says %d handed, want 1234", srv.Handed())
	}
	page, _, err := c.Search(t.Context(), window())
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range srv.Book() {
		if i == len(page) {
			break
		}
		e := page[i]
		if got, want := e.AppendJSON(nil), line.JSON(); !bytes.Equal(got, want) || e.Type != line.Type || !e.Time.Equal(line.Time) {
			t.Fatalf("event %d: %s %v\n got %s\nwant %s", i, e.Type, e.Time, got, want)
		}
		i++
	}
}

func TestSearchFiltersTypesAndKeepsWindow(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1, Step: time.Second})
	srv.Generate(3000)
	c := dial(t, srv)
	r := window()
	r.Types = []string{"user.login", "session.upload"}
	r.From, r.To = begin.Add(10*time.Minute), begin.Add(20*time.Minute)
	got := searchAll(t, c, r)
	var want []string
	for line := range srv.Book() {
		if slices.Contains(r.Types, line.Type) && !line.Time.Before(r.From) && !line.Time.After(r.To) {
			want = append(want, line.ID)
		}
	}
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("got %d events, want %d", len(got), len(want))
	}
}

// TestSearchTail is what a follower of the log relies on: the last page has no
// next cursor, and asked again it brings what has been added behind.
func TestSearchTail(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(250)
	c := dial(t, srv)
	r := window()
	var cursor, next string
	var page []teleport.Event
	for {
		var err error
		r.Cursor = cursor
		if page, next, err = c.Search(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if next == "" {
			break
		}
		cursor = next
	}
	if len(page) != 50 {
		t.Fatalf("last page has %d events, want 50", len(page))
	}
	srv.Generate(20)
	if page, next, _ = c.Search(t.Context(), r); len(page) != 70 || next != "" {
		t.Errorf("the last page again has %d events and next %q, want 70 and none", len(page), next)
	}
	late := teleporttest.Event{Type: "user.login", ID: "late", Time: begin}
	if err := srv.Append(late); err != nil {
		t.Fatal(err)
	}
	if page, _, _ = c.Search(t.Context(), r); len(page) != 70 {
		t.Errorf("a late event came through an old cursor")
	}
	if ids := searchAll(t, c, window()); !slices.Contains(ids, "late") || len(ids) != 271 {
		t.Errorf("a new walk of the window brings %d events, want 271 with the late one", len(ids))
	}
}

func TestSearchFaults(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(250)
	c := dial(t, srv)
	f := srv.Faults()

	first, next, err := c.Search(t.Context(), window())
	if err != nil {
		t.Fatal(err)
	}
	f.RepeatPages(1)
	r := window()
	r.Cursor = next
	again, _, err := c.Search(t.Context(), r)
	if err != nil || again[0].ID != first[0].ID {
		t.Errorf("a repeated page begins with %v (%v), want %v", again[0].ID, err, first[0].ID)
	}
	f.EmptyPages(1)
	if page, key, err := c.Search(t.Context(), r); err != nil || len(page) != 0 || key == "" {
		t.Errorf("an empty page: %d events, key %q, %v", len(page), key, err)
	}
	f.CursorFormat(2)
	if _, _, err := c.Search(t.Context(), r); !teleport.IsBadRequest(err) {
		t.Errorf("a cursor of the old format: %v, want a bad request", err)
	}
	f.CursorFormat(1)
	other := r
	other.From = begin.Add(time.Millisecond)
	if page, key, err := c.Search(t.Context(), other); err != nil || len(page) != 0 || key != "" {
		t.Errorf("a cursor of another window: %d events, key %q, %v", len(page), key, err)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1, Mode: teleporttest.Bulk})
	srv.Generate(200)
	c := dial(t, srv)
	kinds := []struct {
		code codes.Code
		is   func(error) bool
	}{
		{codes.NotFound, teleport.IsNotFound},
		{codes.Unimplemented, teleport.IsNotImplemented},
		{codes.Unavailable, teleport.IsUnavailable},
		{codes.PermissionDenied, teleport.IsAccessDenied},
		{codes.InvalidArgument, teleport.IsBadRequest},
		{codes.ResourceExhausted, teleport.IsTooLarge},
	}
	calls := map[string]func() error{
		"search": func() error { _, _, err := c.Search(t.Context(), window()); return err },
		"chunks": func() error { return drain(c.ExportChunks(t.Context(), begin)) },
		"chunk":  func() error { return drain(c.ExportChunk(t.Context(), begin, srv.Chunks(begin)[0], "")) },
		"session": func() error {
			return drain(c.SessionEvents(t.Context(), firstSession(srv).ID, 0))
		},
		"lock": func() error { return c.UpsertLock(t.Context(), teleport.Lock{Name: "n", User: "u"}) },
	}
	for name, call := range calls {
		for _, k := range kinds {
			srv.Faults().FailNext(1, k.code)
			err := call()
			for _, other := range kinds {
				if got, want := other.is(err), other.code == k.code; got != want {
					t.Errorf("%s failing with %v: is %v = %v (%v)", name, k.code, other.code, got, err)
				}
			}
		}
		if err := call(); err != nil {
			t.Errorf("%s after the faults: %v", name, err)
		}
	}
}

func drain[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

func firstSession(srv *teleporttest.Server) teleporttest.Session {
	for s := range srv.Sessions() {
		return s
	}
	return teleporttest.Session{}
}

func TestExport(t *testing.T) {
	// The stream crosses midnight.
	srv := start(t, teleporttest.Options{Seed: 2, Mode: teleporttest.Bulk, Start: begin.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second), ChunkSize: 300})
	srv.Generate(2000)
	c := dial(t, srv)
	var got []string
	for _, date := range []time.Time{begin, begin.Add(24 * time.Hour)} {
		chunks := 0
		for chunk, err := range c.ExportChunks(t.Context(), date) {
			if err != nil {
				t.Fatal(err)
			}
			chunks++
			for e, err := range c.ExportChunk(t.Context(), date, chunk, "") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.ID)
			}
		}
		if chunks < 4 {
			t.Errorf("%s has %d chunks, want at least 4", date.Format(time.DateOnly), chunks)
		}
	}
	want := slices.Sorted(srv.UIDs())
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%d events came, want each of %d once", len(got), len(want))
	}
	if err := drain(c.ExportChunks(t.Context(), time.Now().Add(48*time.Hour))); err != nil {
		t.Errorf("a date without chunks: %v", err)
	}
}

func TestExportResumesAtCursor(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 2, Mode: teleporttest.Bulk})
	srv.Generate(100)
	c := dial(t, srv)
	chunk := srv.Chunks(begin)[0]
	srv.Faults().CutStreams(1, 40)
	var ids []string
	cursor := ""
	for range 2 {
		for e, err := range c.ExportChunk(t.Context(), begin, chunk, cursor) {
			if err != nil {
				if !teleport.IsUnavailable(err) {
					t.Fatalf("cut stream: %v", err)
				}
				break
			}
			ids, cursor = append(ids, e.ID), e.Cursor
		}
		if len(ids) != 40 && len(ids) != 100 {
			t.Fatalf("%d events", len(ids))
		}
	}
	if want := slices.Collect(srv.UIDs()); !slices.Equal(ids, want) {
		t.Errorf("cut and resumed, %d events came, want %d", len(ids), len(want))
	}
	srv.Faults().CursorFormat(2)
	if err := drain(c.ExportChunk(t.Context(), begin, chunk, cursor)); !teleport.IsBadRequest(err) {
		t.Errorf("a cursor of the old format: %v", err)
	}
	if err := drain(c.ExportChunk(t.Context(), begin, "nonsense", "")); !teleport.IsNotFound(err) {
		t.Errorf("a chunk that is not there: %v", err)
	}
}

func TestSearchOnlyClusterHasNoExport(t *testing.T) {
	srv := start(t, teleporttest.Options{})
	c := dial(t, srv)
	if err := drain(c.ExportChunks(t.Context(), begin)); !teleport.IsNotImplemented(err) {
		t.Errorf("list chunks: %v, want not implemented", err)
	}
}

func TestSessionEvents(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 4, RecordAccess: true})
	srv.Generate(640)
	c := dial(t, srv)
	want := firstSession(srv)
	var got []teleport.Event
	for e, err := range c.SessionEvents(t.Context(), want.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != len(want.Events) {
		t.Fatalf("%d events, want %d", len(got), len(want.Events))
	}
	for i, e := range got {
		if e.ID != want.Events[i].ID || !bytes.Equal(e.AppendJSON(nil), want.Events[i].JSON()) || e.Index != int64(i) {
			t.Errorf("event %d is %s index %d, want %s", i, e.ID, e.Index, want.Events[i].ID)
		}
	}
	for e, err := range c.SessionEvents(t.Context(), want.ID, 3) {
		if err != nil || e.Index != 3 {
			t.Errorf("resumed at 3 it begins with %d (%v)", e.Index, err)
		}
		break
	}
	if srv.Count() != 642 {
		t.Errorf("two streams left %d access events, want 2", srv.Count()-640)
	}
	f := srv.Faults()
	f.MissingRecording(want.ID, true)
	if err := drain(c.SessionEvents(t.Context(), want.ID, 0)); !teleport.IsNotFound(err) {
		t.Errorf("a missing recording: %v", err)
	}
	f.MissingRecording(want.ID, false)
	f.CorruptRecording(want.ID, true)
	if err := drain(c.SessionEvents(t.Context(), want.ID, 0)); err == nil || teleport.IsNotFound(err) || teleport.IsUnavailable(err) {
		t.Errorf("a corrupt recording: %v", err)
	}
}

// TestStreamsAreCancelled: a loop that is left early must not leave a stream
// behind in the cluster's memory.
func TestStreamsAreCancelled(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 4, Mode: teleporttest.Bulk})
	srv.Generate(640)
	c := dial(t, srv)
	srv.Faults().SlowEvents(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	sid, chunk := firstSession(srv).ID, srv.Chunks(begin)[0]
	for name, err := range map[string]error{
		"session": drain(c.SessionEvents(ctx, sid, 0)),
		"chunk":   drain(c.ExportChunk(ctx, begin, chunk, "")),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s stream: %v", name, err)
		}
	}
	// Stop waits for the server's handlers, which wait an hour unless cancelled.
	srv.Stop()
}

func TestStalledStreamIsGivenUp(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 4})
	srv.Generate(64)
	c := dial(t, srv, func(cfg *teleport.Config) {
		cfg.StallTimeout, cfg.CallTimeout = 30*time.Millisecond, 30*time.Millisecond
	})
	srv.Faults().SlowEvents(time.Hour)
	if err := drain(c.SessionEvents(t.Context(), firstSession(srv).ID, 0)); !teleport.IsUnavailable(err) || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("a stalled stream: %v", err)
	}
	srv.Faults().SlowCalls(time.Hour)
	if _, _, err := c.Search(t.Context(), window()); !teleport.IsUnavailable(err) {
		t.Errorf("a call without answer: %v", err)
	}
}

func TestLargeEventPasses(t *testing.T) {
	srv := start(t, teleporttest.Options{})
	body := fmt.Appendf(nil, `{"event":"db.session.query","uid":"big","code":"TDB02I","db_query":%q}`, strings.Repeat("x", 9<<20))
	if err := srv.Append(teleporttest.Event{Type: "db.session.query", Time: begin, Body: body}); err != nil {
		t.Fatal(err)
	}
	page, _, err := dial(t, srv).Search(t.Context(), window())
	if err != nil || len(page) != 1 || len(page[0].AppendJSON(nil)) < 9<<20 {
		t.Fatalf("%d events: %v", len(page), err)
	}
	small := dial(t, srv, func(cfg *teleport.Config) { cfg.MaxReceive = 1 << 20 })
	if _, _, err := small.Search(t.Context(), window()); !teleport.IsTooLarge(err) {
		t.Errorf("an event over the limit: %v", err)
	}
}

// TestEventOverTheLimit: one that no page and no stream may bring is received alone, and
// what stands around it as ever; over the larger limit it is said to be too large.
func TestEventOverTheLimit(t *testing.T) {
	srv := start(t, teleporttest.Options{Mode: teleporttest.Bulk})
	var events []teleporttest.Event
	for i := range 9 {
		size := 10
		if i%4 == 0 { // the first and the last one, too
			size = 3 << 20
		}
		body := fmt.Appendf(nil, `{"event":"t","uid":"u%d","x":%q}`, i, strings.Repeat("x", size))
		events = append(events, teleporttest.Event{Type: "t", ID: fmt.Sprint("u", i), Index: int64(i), Time: begin.Add(time.Duration(i) * time.Second), Body: body})
	}
	if err := errors.Join(srv.Append(events...), srv.AppendRecording("s", events...)); err != nil {
		t.Fatal(err)
	}
	chunk := srv.Chunks(begin)[0]
	ways := map[string]func(*teleport.Client) ([]string, error){
		"search": func(c *teleport.Client) (ids []string, err error) {
			for r := window(); ; {
				r.Limit = 1
				page, next, err := c.Search(t.Context(), r)
				for _, e := range page {
					ids = append(ids, e.ID)
				}
				if r.Cursor = next; err != nil || next == "" {
					return ids, err
				}
			}
		},
		"export": func(c *teleport.Client) (ids []string, err error) {
			for e, err := range c.ExportChunk(t.Context(), begin, chunk, "") {
				if err != nil {
					return ids, err
				}
				ids = append(ids, e.ID)
			}
			return ids, nil
		},
		"session": func(c *teleport.Client) (ids []string, err error) {
			for e, err := range c.SessionEvents(t.Context(), "s", 0) {
				if err != nil {
					return ids, err
				}
				ids = append(ids, e.ID)
			}
			return ids, nil
		},
	}
	limited := dial(t, srv, func(cfg *teleport.Config) { cfg.MaxReceive = 1 << 20 })
	tight := dial(t, srv, func(cfg *teleport.Config) { cfg.MaxReceive, cfg.MaxAlone = 1<<20, 2<<20 })
	for name, read := range ways {
		if ids, err := read(limited); err != nil || strings.Join(ids, " ") != "u0 u1 u2 u3 u4 u5 u6 u7 u8" {
			t.Errorf("%s: got %q, %v", name, ids, err)
		}
		if ids, err := read(tight); !teleport.IsTooLarge(err) || len(ids) > 0 {
			t.Errorf("%s over the larger limit: got %q, %v", name, ids, err)
		}
	}
}

// TestReconnects: neither a restart nor many failures in a row may cost a minute.
func TestReconnects(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(10)
	c := dial(t, srv)
	srv.Faults().Down(true)
	for range 50 {
		if _, _, err := c.Search(t.Context(), window()); !teleport.IsUnavailable(err) {
			t.Fatalf("while down: %v", err)
		}
	}
	srv.Faults().Down(false)
	if _, _, err := c.Search(t.Context(), window()); err != nil {
		t.Errorf("after 50 failures: %v", err)
	}
	srv.DropConnections()
	srv.Stop()
	if err := srv.Resume(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, _, err := c.Search(t.Context(), window())
		if err == nil {
			break
		}
		if !teleport.IsUnavailable(err) || time.Now().After(deadline) {
			t.Fatalf("after a restart: %v", err)
		}
	}
}

func TestUpsertLock(t *testing.T) {
	srv := start(t, teleporttest.Options{})
	c := dial(t, srv)
	end := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := c.UpsertLock(t.Context(), teleport.Lock{Name: "a", User: "u", Message: "m", Expires: end}); err != nil {
		t.Fatal(err)
	}
	if err := c.UpsertLock(t.Context(), teleport.Lock{Name: "b", Login: "root"}); err != nil {
		t.Fatal(err)
	}
	want := []teleporttest.Lock{{Name: "a", User: "u", Message: "m", Expires: end}, {Name: "b", Login: "root"}}
	if got := srv.Locks(); !slices.Equal(got, want) {
		t.Errorf("locks %v, want %v", got, want)
	}
	if err := c.UpsertLock(t.Context(), teleport.Lock{Name: "c"}); err == nil {
		t.Error("a lock without a target was taken")
	}
}

func TestGarbageConnectionsDoNoHarm(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(1)
	for _, text := range []string{"SSH-2.0-Go\r\n", "GET /webapi/find HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", ""} {
		c, err := net.Dial("tcp", srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if _, _, err := dial(t, srv).Search(t.Context(), window()); err != nil {
		t.Errorf("after garbage: %v", err)
	}
}

func TestCredentials(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Generate(1)
	dir := t.TempDir()
	cert, key, ca, err := srv.WritePair(dir, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*teleport.Config){
		"identity, refreshed": func(*teleport.Config) {},
		"identity, read once": func(cfg *teleport.Config) { cfg.Refresh = 0 },
		"three files":         func(cfg *teleport.Config) { cfg.Identity, cfg.Cert, cfg.Key, cfg.CA = "", cert, key, ca },
	} {
		c := dial(t, srv, change)
		if _, _, err := c.Search(t.Context(), window()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if end, ok := c.Expiry(); !ok || time.Until(end) < 30*time.Minute {
			t.Errorf("%s: expiry %v %v", name, end, ok)
		}
	}
	other := start(t, teleporttest.Options{})
	expired := filepath.Join(dir, "expired")
	if err := srv.WriteIdentity(expired, -time.Minute); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]struct {
		cfg  teleport.Config
		want string
	}{
		"none":            {teleport.Config{}, "neither an identity file"},
		"both":            {teleport.Config{Identity: "x", Cert: "y"}, "excludes"},
		"no port":         {teleport.Config{Addr: "localhost", Identity: srv.IdentityPath()}, "missing port"},
		"absent":          {teleport.Config{Identity: filepath.Join(dir, "absent")}, "no such file"},
		"empty":           {teleport.Config{Identity: empty, Refresh: time.Minute}, empty + ": it is empty; it must be what"},
		"no identity":     {teleport.Config{Identity: cert}, "could not find SSH cert"},
		"wrong key":       {teleport.Config{Cert: cert, Key: ca, CA: ca}, cert + " and key " + ca},
		"expired":         {teleport.Config{Identity: expired}, "expired at"},
		"expired dynamic": {teleport.Config{Identity: expired, Refresh: time.Minute}, "expired at"},
		"other cluster":   {teleport.Config{Identity: other.IdentityPath()}, "another cluster"},
		"nobody there":    {teleport.Config{Addr: "127.0.0.1:1", Identity: srv.IdentityPath()}, "connect to Teleport at 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused\n  hint: is the address right"},
	} {
		cfg := bad.cfg
		cfg.DialTimeout = time.Second
		if cfg.Addr == "" {
			cfg.Addr = srv.Addr()
		}
		_, err := teleport.Dial(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, bad.want)
		}
		if got, want := teleport.IsExpired(err), strings.HasPrefix(name, "expired"); got != want {
			t.Errorf("%s: expired = %v", name, got)
		}
	}
}

// TestRefresh: a renewed identity is used for the next handshake; a broken file
// is reported once and the old identity kept. Both at intervals, and when the file
// has changed.
func TestRefresh(t *testing.T) {
	for name, change := range map[string]func(*teleport.Config){
		"interval": func(cfg *teleport.Config) { cfg.Refresh = time.Millisecond },
		"change":   func(cfg *teleport.Config) { cfg.Refresh, cfg.Follow = 0, time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) { testRefresh(t, change) })
	}
}

func testRefresh(t *testing.T, change func(*teleport.Config)) {
	srv := start(t, teleporttest.Options{Seed: 1, IdentityTTL: time.Hour})
	srv.Generate(1)
	lines := make(chan string, 16)
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) { lines <- string(b) }), nil))
	c := dial(t, srv, change, func(cfg *teleport.Config) { cfg.Log = log })
	if err := os.WriteFile(srv.IdentityPath(), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if line := <-lines; !strings.Contains(line, "refresh") {
		t.Errorf("logged %q", line)
	}
	old, _ := c.Expiry()
	if err := srv.WriteIdentity(srv.IdentityPath(), 5*time.Hour); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if end, _ := c.Expiry(); end.After(old) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the renewed identity was never read")
		}
	}
	// The connection that stands is not touched; the next handshake shows the new one.
	srv.DropConnections()
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, _, err := c.Search(t.Context(), window())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestPairFollowsItsFiles: certificate, key and CA in files of their own are read
// again when they have changed, without being asked to.
func TestPairFollowsItsFiles(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	dir := t.TempDir()
	cert, key, ca, err := srv.WritePair(dir, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, srv, func(cfg *teleport.Config) {
		cfg.Identity, cfg.Cert, cfg.Key, cfg.CA, cfg.Refresh, cfg.Follow = "", cert, key, ca, 0, time.Millisecond
	})
	old, _ := c.Expiry()
	if _, _, _, err := srv.WritePair(dir, 5*time.Hour); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if end, _ := c.Expiry(); end.After(old) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the renewed pair was never read")
		}
	}
}

// TestExpiredServerCertificate is refused, and no trouble once it is renewed.
func TestExpiredServerCertificate(t *testing.T) {
	srv := start(t, teleporttest.Options{Seed: 1})
	srv.Faults().ExpiredCertificate(true)
	_, err := teleport.Dial(t.Context(), teleport.Config{Addr: srv.Addr(), Identity: srv.IdentityPath(), DialTimeout: time.Second})
	if !teleport.IsUnavailable(err) || teleport.IsExpired(err) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
	srv.Faults().ExpiredCertificate(false)
	dial(t, srv)
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func BenchmarkSearch(b *testing.B) {
	srv, err := teleporttest.Start(b.Context(), teleporttest.Options{Dir: b.TempDir(), Start: begin})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	srv.Generate(500)
	c, err := teleport.Dial(b.Context(), teleport.Config{Addr: srv.Addr(), Identity: srv.IdentityPath()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := window()
	r.Limit = 500
	var buf []byte
	events := 0
	for b.Loop() {
		page, _, err := c.Search(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range page {
			buf = e.AppendJSON(buf[:0])
		}
		events += len(page)
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
