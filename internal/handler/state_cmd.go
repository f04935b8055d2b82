package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/state"
)

// StateCmd is `handler state`. Looking is always possible; what changes the folder
// needs the handler to be stopped.
type StateCmd struct {
	Show   StateShowCmd   `cmd:"" help:"Print all that the state folder holds."`
	Set    StateSetCmd    `cmd:"" help:"Move the place in the audit log, or have a session sent again."`
	Skip   StateSkipCmd   `cmd:"" help:"Leave out an event, the rest of a chunk, or a recording."`
	Push   StatePushCmd   `cmd:"" help:"Put a folder's state into a bucket, for handlers that share it."`
	Export StateExportCmd `cmd:"" help:"Copy the state in upstream's layout to another folder."`
}

// StateShowCmd is `handler state show`.
type StateShowCmd struct {
	FolderOptions
	JSON bool `name:"json" help:"Print JSON."`
}

// Operate prints the folder's content.
func (c *StateShowCmd) Operate(ctx context.Context, out io.Writer) error {
	views, done, err := c.views(ctx)
	if err != nil {
		return err
	}
	defer done()
	var all []*FolderStatus
	for _, v := range views {
		f, err := v.inspect(ctx)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	if c.JSON {
		return printJSON(out, all)
	}
	t := newRows(out)
	for _, f := range all {
		f.printSummary(t, time.Now())
		f.printAll(t)
	}
	return t.w.Flush()
}

func (f *FolderStatus) printAll(t rows) {
	if s := f.Search; s != nil {
		t.add("Window", "%s", or(s.Window, "none"))
		t.add("Cursor", "%s", or(s.Cursor, "none: the window's start"))
		if !s.Late.IsZero() {
			t.add("Looks back to", "%s", s.Late.Format(time.RFC3339))
		}
	}
	for _, d := range f.Dates {
		t.add("Date "+d.Date, "%d chunks complete, %d partly read", d.Completed, len(d.Partial))
		for _, c := range d.Partial {
			t.add("  "+c.Chunk, "%d events, cursor %s", c.Rows, c.Cursor)
		}
	}
	for _, s := range f.Sessions {
		t.add("Session "+s.SID, "from index %d, since %s", s.Index, s.Uploaded.Format(time.RFC3339))
	}
	for _, s := range f.Missing {
		t.add("Missing "+s.SID, "asked for %d times, uploaded %s", s.Attempts, s.Uploaded.Format(time.RFC3339))
	}
	for _, g := range f.GivenUp {
		t.add("Given up "+g.SID, "at index %d on %s: %s", g.Index, g.At.Format(time.RFC3339), g.Reason)
	}
	for _, id := range f.Skipped {
		t.add("Left out", "%s", id)
	}
	if f.Source != "" {
		t.add("Known to the relay as", "%s, generation %s", f.Source, f.Generation)
	}
}

// StateSetCmd is `handler state set`.
type StateSetCmd struct {
	FolderOptions
	Time    *time.Time `name:"time" help:"Go on here in the audit log (RFC 3339): what is before counts as done, what is after is read."`
	Forget  bool       `name:"forget" help:"With --time: forget which events were sent, so that they are sent again."`
	Session []string   `name:"session" help:"Fetch this session's recording, from its beginning, also when it was sent or given up."`
	Yes     bool       `name:"yes" short:"y" help:"Do it; without, only say what would be done."`
}

// Operate changes the place, or says what it would do.
func (c *StateSetCmd) Operate(ctx context.Context, out io.Writer) (err error) {
	if c.Time == nil && len(c.Session) == 0 {
		return errors.New("nothing to set: give --time or --session")
	}
	dir, release, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	for _, sid := range c.Session {
		if !usableSID(sid) {
			return fmt.Errorf("%q is no session id", sid)
		}
	}
	p := placing{dir: dir, forget: c.Forget}
	if c.Time != nil {
		if err := p.plan(*c.Time, time.Now()); err != nil {
			return err
		}
		fmt.Fprintln(out, p.text())
	}
	for _, sid := range c.Session {
		fmt.Fprintf(out, "The recording of session %s is fetched from its beginning.\n", sid)
	}
	if !c.Yes {
		return errors.New("nothing was changed; add --yes to do it")
	}
	if c.Time != nil {
		if err := p.apply(); err != nil {
			return err
		}
	}
	for _, sid := range c.Session {
		if err := newSessionState(dir).again(sid); err != nil {
			return err
		}
	}
	return nil
}

// StateSkipCmd is `handler state skip`.
type StateSkipCmd struct {
	FolderOptions
	Event   []string `name:"event" help:"Id of an audit event that shall not be sent."`
	Chunk   []string `name:"chunk" help:"Chunk of bulk export whose rest is left out, as DATE/NAME."`
	Session []string `name:"session" help:"Session whose recording is left out."`
}

// Operate notes what is left out.
func (c *StateSkipCmd) Operate(ctx context.Context, out io.Writer) (err error) {
	if len(c.Event)+len(c.Chunk)+len(c.Session) == 0 {
		return errors.New("nothing to skip: give --event, --chunk or --session")
	}
	dir, release, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	for _, name := range c.Chunk {
		if err := skipChunk(dir, name); err != nil {
			return err
		}
		fmt.Fprintf(out, "Chunk %s counts as complete.\n", name)
	}
	for _, sid := range c.Session {
		s := newSessionState(dir)
		if err := s.skip(sid); err != nil {
			return err
		}
		fmt.Fprintf(out, "The recording of session %s is left out.\n", sid)
	}
	if err := addSkips(dir, c.Event); err != nil {
		return err
	}
	for _, id := range c.Event {
		fmt.Fprintf(out, "Event %s is left out.\n", id)
	}
	return nil
}

// skipChunk strikes a chunk off.
func skipChunk(dir, name string) error {
	date, chunk, ok := strings.Cut(name, "/")
	if _, err := time.Parse(time.DateOnly, date); err != nil || !ok || !flatName(chunk) {
		return fmt.Errorf("%q is no chunk; write DATE/NAME as `state show` does", name)
	}
	x := &exportState{dir: dir}
	dates, own, err := x.load()
	if err != nil {
		return err
	}
	if dates[date] == nil {
		return fmt.Errorf("%s is not among the dates that are read", date)
	}
	if dates[date].completed[chunk] {
		return nil
	}
	if err := x.complete(date, []string{chunk}); err != nil {
		return err
	}
	delete(own.Partial, name)
	return x.saveOwn(own)
}

// skipName is a file of ids, a line each, of events that are not sent.
const skipName = "sluice_skip"

func readSkips(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, skipName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}

func addSkips(dir string, ids []string) error {
	for _, id := range ids {
		if id == "" || strings.ContainsAny(id, " \t\r\n") {
			return fmt.Errorf("%q is no event id", id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return state.AppendFile(filepath.Join(dir, skipName), []byte(strings.Join(ids, "\n")+"\n"))
}

// StateExportCmd is `handler state export`.
type StateExportCmd struct {
	FolderOptions
	To string `arg:"" help:"Folder that becomes a storage folder of upstream's handler; it must be empty or absent."`
}

// upstreamFiles are the names that upstream's handler reads.
func upstreamFile(name string) bool {
	switch name {
	case "start_time", "window_time", "cursor", "id", exportFolder:
		return true
	}
	return strings.HasPrefix(name, sessionPrefix) || strings.HasPrefix(name, missingPrefix)
}

// Operate copies. Upstream reads our folder as it is; the copy has nothing else in
// it, and none of our modes.
func (c *StateExportCmd) Operate(ctx context.Context, out io.Writer) (err error) {
	dir, release, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	name, err := folderName(c.TeleportAddr)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(c.To); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", c.To)
	}
	to := filepath.Join(c.To, name)
	if err := state.MkdirAll(to); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	n := 0
	for _, e := range entries {
		if !upstreamFile(e.Name()) {
			continue
		}
		n++
		if err := copyState(filepath.Join(dir, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d entries copied to %s\n", n, to)
	return nil
}

// copyState copies a file, or a folder with what is below it.
func copyState(from, to string) error {
	if !isFolder(from) {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return state.WriteFile(to, text)
	}
	if err := state.MkdirAll(to); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyState(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
