package relayctl

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

// listed is a chunk as --json prints it.
type listed struct {
	ID        string            `json:"id"`
	File      string            `json:"file"`
	State     string            `json:"state"`
	Tag       *string           `json:"tag"`
	Timekey   *int64            `json:"timekey"`
	Variables map[string]any    `json:"variables,omitempty"`
	Events    int64             `json:"events"`
	Bytes     int64             `json:"bytes"`
	FileSize  int64             `json:"file_size"`
	Created   time.Time         `json:"created"`
	Sealed    bool              `json:"sealed"`
	Note      map[string]string `json:"note,omitempty"`
	Damage    string            `json:"damage,omitempty"`
}

func listing(c *buffer.ChunkFile) listed {
	l := listed{
		ID: c.ID.String(), File: filepath.Base(c.Path), State: "staged", Events: c.Events, Bytes: c.Bytes, FileSize: c.FileSize,
		Created: c.Created, Sealed: c.Sealed, Note: c.Note, Damage: c.Damage,
	}
	if c.Queued {
		l.State = "queued"
	}
	if c.Damage != "" {
		l.State = "damaged"
	}
	if c.Meta.HasTag {
		l.Tag = &c.Meta.Tag
	}
	if c.Meta.HasTimekey {
		l.Timekey = &c.Meta.Timekey
	}
	for _, v := range c.Meta.Variables {
		if l.Variables == nil {
			l.Variables = map[string]any{}
		}
		l.Variables[v.Key] = event.Text(v.Value)
	}
	return l
}

func (b *Buffer) ls(dir string) error {
	all, err := chunks(dir, nil)
	if err != nil {
		return err
	}
	if b.JSON {
		return b.printJSON(all)
	}
	w := tabwriter.NewWriter(b.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tID\tTAG\tTIME\tEVENTS\tBYTES\tAGE\tKEY")
	for _, c := range all {
		l := listing(c)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", l.State, l.ID, tagText(c), timekeyText(c), l.Events, l.Bytes, age(c), keyText(c))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintln(b.Out, "no chunks")
	}
	return nil
}

func (b *Buffer) printJSON(all []*buffer.ChunkFile) error {
	out := make([]listed, len(all))
	for i, c := range all {
		out[i] = listing(c)
	}
	enc := json.NewEncoder(b.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func (b *Buffer) show(dir string, ids []string) error {
	all, err := chunks(dir, ids)
	if err != nil {
		return err
	}
	if b.JSON {
		return b.printJSON(all)
	}
	for _, c := range all {
		l := listing(c)
		fmt.Fprintf(b.Out, "%s\n  file     %s (%d bytes)\n  state    %s, sealed: %v\n  tag      %s\n  time     %s\n  events   %d (%d bytes)\n  created  %s (%s ago)\n",
			l.ID, c.Path, l.FileSize, l.State, l.Sealed, tagText(c), timekeyText(c), l.Events, l.Bytes, c.Created.Format(time.RFC3339), age(c))
		for k, v := range l.Variables {
			fmt.Fprintf(b.Out, "  key      %s = %v\n", k, v)
		}
		for _, k := range sortedKeys(l.Note) {
			fmt.Fprintf(b.Out, "  note     %s = %s\n", k, l.Note[k])
		}
		if l.Damage != "" {
			fmt.Fprintf(b.Out, "  damage   %s\n", l.Damage)
		}
	}
	return nil
}

func tagText(c *buffer.ChunkFile) string {
	if c.Meta.HasTag {
		return c.Meta.Tag
	}
	return "-"
}

func timekeyText(c *buffer.ChunkFile) string {
	if c.Meta.HasTimekey {
		return time.Unix(c.Meta.Timekey, 0).UTC().Format("2006-01-02T15:04:05Z")
	}
	return "-"
}

// keyText is where a chunk is being written to, when that is decided.
func keyText(c *buffer.ChunkFile) string {
	if key := c.Note["key"]; key != "" {
		return key
	}
	return "-"
}
