package handler

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/teleport"
	"github.com/sluicelog/sluice/internal/teleport/teleporttest"
)

// pages walks a window as upstream's handler does and returns the pages with
// their start cursors.
func pages(t *testing.T, log auditLog, from time.Time, limit int) (all [][]teleport.Event, cursors []string) {
	t.Helper()
	cursor := ""
	for {
		page, next, err := log.Search(t.Context(), teleport.SearchRequest{From: from, To: from.Add(24 * time.Hour), Limit: limit, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		all, cursors = append(all, page), append(cursors, cursor)
		if next == "" {
			return all, cursors
		}
		cursor = next
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSearchTakesOverUpstreamsState: what upstream had sent is not sent again,
// whatever shape a crash left its files in.
func TestSearchTakesOverUpstreamsState(t *testing.T) {
	srv, c := cluster(t, teleporttest.Options{Seed: 1, Step: 10 * time.Second})
	srv.Generate(500)
	all := uids(srv)
	ps, cursors := pages(t, c, begin, 20)
	window := begin.Format(time.RFC3339)
	// Upstream stands in the middle of the sixth page.
	done := 5*20 + 8
	id := all[done-1]
	for name, test := range map[string]struct {
		files map[string]string
		from  int // first event that is expected
	}{
		"whole":                       {map[string]string{"cursor": cursors[5], "id": id, "window_time": window}, done},
		"behind a whole page":         {map[string]string{"cursor": cursors[5], "id": ps[4][19].ID, "window_time": window}, 100},
		"first page":                  {map[string]string{"id": all[3], "window_time": window}, 4},
		"cursor torn":                 {map[string]string{"cursor": "", "id": id, "window_time": window}, done},
		"window torn":                 {map[string]string{"cursor": cursors[5], "id": id, "window_time": "2026-0"}, done},
		"window missing":              {map[string]string{"cursor": cursors[5], "id": id}, done},
		"id torn":                     {map[string]string{"cursor": cursors[5], "id": "", "window_time": window}, 100},
		"cursor of another window":    {map[string]string{"cursor": cursors[5], "id": id, "window_time": begin.Add(-time.Hour).Format(time.RFC3339)}, done},
		"cursor of another format":    {map[string]string{"cursor": "{}", "id": id, "window_time": window}, done},
		"window begun, nothing of it": {map[string]string{"window_time": window}, 0},
		"nothing at all":              {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t.TempDir(), c)
			cfg.batch = 20
			writeFiles(t, cfg.dir, test.files)
			writeFiles(t, cfg.dir, map[string]string{"start_time": cfg.start.UTC().Format(time.RFC3339)})
			sameSet(t, "taken over", readAll(t, cfg), all[test.from:])
			sameSet(t, "afterwards", readAll(t, cfg), nil)
		})
	}
}

// upstreamReads is what upstream's handler would deliver from a state folder:
// the page that the cursor begins, less all up to the known id, and all after.
func upstreamReads(t *testing.T, log auditLog, dir string, limit int) (ids []string) {
	t.Helper()
	u, err := readUpstreamMark(dir)
	if err != nil {
		t.Fatal(err)
	}
	from, err := time.Parse(time.RFC3339, u.Window)
	if err != nil {
		t.Fatal(err)
	}
	cursor, first := u.Cursor, true
	for from.Before(time.Now()) {
		page, next, err := log.Search(t.Context(), teleport.SearchRequest{From: from, To: from.Add(24 * time.Hour), Limit: limit, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		skip := 0
		if first {
			skip = slices.IndexFunc(page, func(e teleport.Event) bool { return e.ID == u.ID }) + 1
		}
		first = false
		for _, e := range page[skip:] {
			ids = append(ids, e.ID)
		}
		if cursor = next; next == "" {
			from = from.Add(24 * time.Hour)
		}
	}
	return ids
}

// TestUpstreamTakesOverSearchState: at any moment upstream's handler could go on
// with our files, and would deliver everything that is not acknowledged.
func TestUpstreamTakesOverSearchState(t *testing.T) {
	srv, c := cluster(t, teleporttest.Options{Seed: 1, Step: 10 * time.Second})
	srv.Generate(300)
	all := uids(srv)
	cfg := testConfig(t.TempDir(), c)
	cfg.batch = 20
	src := openTest(t, cfg)
	n := 0
	var held *Read
	err := src.Run(t.Context(), func(_ context.Context, r *Read) error {
		if n++; n == 131 {
			held = r // never acknowledged
		} else {
			src.Ack(r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if got := upstreamReads(t, c, cfg.dir, 20); !slices.Equal(got, all[130:]) {
		t.Errorf("upstream would read %d events from %.8s on, want %d from %.8s on", len(got), got[0], len(all)-130, held.ID)
	}
	sameSet(t, "we ourselves", readAll(t, cfg), []string{held.ID})
	if got := upstreamReads(t, c, cfg.dir, 20); len(got) != 0 {
		t.Errorf("all is acknowledged, and upstream would read %d events", len(got))
	}
	// Upstream went on by itself for a while, and we come back.
	srv.Generate(100)
	ps, cursors := pages(t, c, cfg.start.Add(24*time.Hour), 20)
	window := cfg.start.Add(24 * time.Hour)
	if len(ps[0]) == 0 {
		ps, cursors = pages(t, c, cfg.start, 20)
		window = cfg.start
	}
	last := ps[len(ps)-2]
	writeFiles(t, cfg.dir, map[string]string{"cursor": cursors[len(ps)-2], "id": last[4].ID, "window_time": window.UTC().Format(time.RFC3339)})
	after := slices.Index(uids(srv), last[4].ID) + 1
	sameSet(t, "after upstream", readAll(t, cfg), uids(srv)[after:])
}

// TestExportTakesOverUpstreamsState: completed chunks stay, partial ones go on at
// their cursors, and a line that a crash cut is no chunk.
func TestExportTakesOverUpstreamsState(t *testing.T) {
	srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: teleporttest.Bulk, Start: time.Now().Add(-time.Minute), ChunkSize: 50})
	srv.Generate(500)
	day := time.Now().Add(-time.Minute).UTC().Truncate(24 * time.Hour)
	if time.Now().UTC().Truncate(24*time.Hour) != day {
		day = time.Now().UTC().Truncate(24 * time.Hour)
	}
	chunks := srv.Chunks(day)
	content := func(chunk string) (ids, cursors []string) {
		for e, err := range c.ExportChunk(t.Context(), day, chunk, "") {
			if err != nil {
				t.Fatal(err)
			}
			ids, cursors = append(ids, e.ID), append(cursors, e.Cursor)
		}
		return ids, cursors
	}
	complete0, _ := content(chunks[0])
	complete1, _ := content(chunks[1])
	partial, cursors := content(chunks[2])
	cfg := testConfig(t.TempDir(), c)
	cfg.start = day
	date := "cursor_v2/" + day.Format(time.DateOnly) + "/"
	writeFiles(t, cfg.dir, map[string]string{
		date + "completed-chunks":       chunks[0] + "\n" + chunks[1] + "\n" + chunks[3][:10],
		date + chunks[2] + ".chunk":     cursors[29] + "\n",
		date + chunks[4] + ".chunk":     "",
		date + chunks[1] + ".chunk":     "left over",
		"cursor_v2/lost+found/whatever": "x",
		"cursor_v2/README":              "x",
		"start_time":                    day.Format(time.RFC3339),
		"window_time":                   day.Format(time.RFC3339), // of before it changed to bulk
		"id":                            "something",
		"sessionaaaa":                   "\x00\x00\x00\x00\x00\x00\x00\x01",
	})
	sent := slices.Concat(complete0, complete1, partial[:30])
	want := difference(uids(srv), sent)
	sameSet(t, "taken over", readAll(t, cfg), want)
	sameSet(t, "afterwards", readAll(t, cfg), nil)
	dates, _, err := (&exportState{dir: cfg.dir}).load()
	if err != nil {
		t.Fatal(err)
	}
	d := dates[day.Format(time.DateOnly)]
	for _, chunk := range chunks {
		if !d.completed[chunk] {
			t.Errorf("chunk %s is not written down as complete", chunk)
		}
	}
	if len(d.completed) != len(chunks) || len(d.cursors) != 0 {
		t.Errorf("%d complete and %d partial, want %d and none", len(d.completed), len(d.cursors), len(chunks))
	}
}

// TestChangeToBulkSendsNothingAgain: the cluster learns bulk export while the
// state is one of searching, ours or upstream's. Searching had got to an event 13
// hours behind the first: on the same date, or on the next while one of the date
// before is still open.
func TestChangeToBulkSendsNothingAgain(t *testing.T) {
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -2) // dates before are closed soon
	for name, begin := range map[string]time.Time{"one date": day.Add(time.Hour), "two dates": day.Add(12 * time.Hour)} {
		for _, whose := range []string{"ours", "upstream's"} {
			t.Run(name+" of "+whose, func(t *testing.T) { changeToBulk(t, begin, whose) })
		}
	}
}

func changeToBulk(t *testing.T, begin time.Time, whose string) {
	srv, c := cluster(t, teleporttest.Options{Seed: 1, Mode: teleporttest.Bulk, Start: begin, Step: 60 * time.Second, ChunkSize: 70})
	srv.Generate(2000)
	all := uids(srv)
	cfg := testConfig(t.TempDir(), c)
	cfg.batch, cfg.lookBack, cfg.start = 20, 2*time.Hour, begin.Add(-time.Hour)
	want := all[777:]
	if whose == "ours" {
		// Searching had acknowledged some events beyond the lowest one open.
		r, err := openSearch(cfg, newLedger(cfg.identity))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		ctx, stop := context.WithCancel(t.Context())
		_ = r.run(ctx, func(_ context.Context, e *Read) error {
			if n++; n != 700 {
				p := e.place.(*place)
				r.acked(p)
				p.ack()
			}
			if n == 777 {
				stop()
				return ctx.Err()
			}
			return nil
		})
		if err := r.save(); err != nil {
			t.Fatal(err)
		}
		want = append([]string{all[699]}, want...)
	} else {
		ps, cursors := pages(t, c, begin, 20)
		writeFiles(t, cfg.dir, map[string]string{
			"cursor": cursors[38], "id": ps[38][16].ID, "window_time": begin.Format(time.RFC3339), "start_time": cfg.start.Format(time.RFC3339),
		})
	}
	src := openTest(t, cfg)
	var got []string
	deliver := func(_ context.Context, r *Read) error {
		got = append(got, r.ID)
		src.Ack(r)
		return nil
	}
	cfg.workers = 1
	src.cfg.workers = 1
	if err := src.Run(t.Context(), deliver); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	sameSet(t, "in bulk", got, want)
	// A late event of the day that searching had done comes as a new chunk.
	late := teleporttest.Event{Type: "user.login", ID: "late", Time: begin.Add(690 * time.Minute)}
	if err := srv.Append(late); err != nil {
		t.Fatal(err)
	}
	sameSet(t, "late", readAll(t, cfg), []string{"late"})
}
