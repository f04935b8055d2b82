package handler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// DeadLetterCmd is `handler dead-letter`. None of its commands needs the handler
// to be stopped.
type DeadLetterCmd struct {
	Ls     DeadLetterLsCmd     `cmd:"" help:"List the events that were set aside."`
	Show   DeadLetterShowCmd   `cmd:"" help:"Print one of them whole, with the event's content."`
	Resend DeadLetterResendCmd `cmd:"" help:"Post events that were set aside again."`
}

// storedLetter is a dead letter with its place in the file.
type storedLetter struct {
	Number int `json:"number"` // of its line, from 1
	DeadLetter
	key string // of the line, for resentName; of a shared state, the object's name
}

// readDeadLetters lists what was set aside and not sent again.
func readDeadLetters(dir string) ([]storedLetter, error) {
	resent := map[string]bool{}
	if text, err := os.ReadFile(filepath.Join(dir, resentName)); err == nil {
		for _, key := range strings.Fields(string(text)) {
			resent[key] = true
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []storedLetter
	number := 0
	err := eachLine(filepath.Join(dir, deadLetterName), func(line []byte) error {
		number++
		l := storedLetter{Number: number, key: letterKey(line)}
		if resent[l.key] {
			return nil
		}
		if err := json.Unmarshal(line, &l.DeadLetter); err != nil {
			return fmt.Errorf("read %s line %d: %w", filepath.Join(dir, deadLetterName), number, err)
		}
		all = append(all, l)
		return nil
	})
	return all, err
}

// letters lists what was set aside in the folder that the command is about.
func (o *FolderOptions) letters(ctx context.Context) ([]storedLetter, error) {
	v, done, err := o.view(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return v.letters(ctx)
}

func letterKey(line []byte) string {
	sum := sha256.Sum256(bytes.TrimSpace(line))
	return hex.EncodeToString(sum[:16])
}

// body is the event as it was sent.
func (l *storedLetter) body() []byte {
	if len(l.Event) > 0 {
		return l.Event
	}
	return l.Raw
}

// DeadLetterLsCmd is `handler dead-letter ls`.
type DeadLetterLsCmd struct {
	FolderOptions
	JSON bool `name:"json" help:"Print a line of JSON for each, without the event's content."`
}

// Operate lists.
func (c *DeadLetterLsCmd) Operate(ctx context.Context, out io.Writer) error {
	letters, err := c.letters(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(out)
		for _, l := range letters {
			l.Event, l.Raw = nil, nil
			if err := e.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	if len(letters) == 0 {
		fmt.Fprintln(out, "No events were set aside.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tSET ASIDE\tTYPE\tID\tSTATUS\tREASON")
	for _, l := range letters {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%.60s\n", l.Number, l.At.Format(time.RFC3339), l.Type, l.ID, l.Status, firstLine(l.Reason))
	}
	return w.Flush()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// choose picks letters by number or id.
func choose(letters []storedLetter, which []string) ([]storedLetter, error) {
	var chosen []storedLetter
	for _, w := range which {
		found := slices.DeleteFunc(slices.Clone(letters), func(l storedLetter) bool { return l.ID != w && strconv.Itoa(l.Number) != w })
		if len(found) == 0 {
			return nil, fmt.Errorf("no event that was set aside has the number or id %s", w)
		}
		chosen = append(chosen, found...)
	}
	return chosen, nil
}

// DeadLetterShowCmd is `handler dead-letter show`.
type DeadLetterShowCmd struct {
	FolderOptions
	Which []string `arg:"" help:"Numbers or ids, as ls prints them."`
}

// Operate prints.
func (c *DeadLetterShowCmd) Operate(ctx context.Context, out io.Writer) error {
	letters, err := c.letters(ctx)
	if err != nil {
		return err
	}
	chosen, err := choose(letters, c.Which)
	if err != nil {
		return err
	}
	for _, l := range chosen {
		if err := printJSON(out, l); err != nil {
			return err
		}
	}
	return nil
}

// DeadLetterResendCmd is `handler dead-letter resend`.
type DeadLetterResendCmd struct {
	FolderOptions
	ReceiverOptions
	All   bool     `name:"all" help:"Send all of them."`
	Which []string `arg:"" optional:"" help:"Numbers or ids, as ls prints them."`
}

// Operate posts each event once, alone. One that is taken is no dead letter any
// more; one that is refused again stays; anything else ends the command.
func (c *DeadLetterResendCmd) Operate(ctx context.Context, out io.Writer) error {
	v, done, err := c.view(ctx)
	if err != nil {
		return err
	}
	defer done()
	letters, err := v.letters(ctx)
	if err != nil {
		return err
	}
	if !c.All {
		if len(c.Which) == 0 {
			return errors.New("nothing to send: give numbers or ids, or --all")
		}
		if letters, err = choose(letters, c.Which); err != nil {
			return err
		}
	}
	if len(letters) == 0 {
		fmt.Fprintln(out, "No events were set aside.")
		return nil
	}
	post, err := c.poster()
	if err != nil {
		return err
	}
	sent, refused := 0, 0
	for _, l := range letters {
		err := post(ctx, l)
		if final := new(refusal); errors.As(err, &final) {
			refused++
			fmt.Fprintf(out, "%d %s: refused again with %d: %s\n", l.Number, l.ID, final.status, firstLine(final.text))
			continue
		}
		if err != nil {
			return fmt.Errorf("send event %d (%s): %w; %d were sent before it", l.Number, l.ID, err, sent)
		}
		if err := v.resent(ctx, l); err != nil {
			return err
		}
		sent++
		fmt.Fprintf(out, "%d %s: sent\n", l.Number, l.ID)
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d events were refused again", refused, len(letters))
	}
	return nil
}

// poster posts a letter to where it was refused: the URL of audit events, or the
// session's.
func (c *DeadLetterResendCmd) poster() (func(context.Context, storedLetter) error, error) {
	if len(c.FluentdURL) == 0 {
		return nil, errors.New("no receiver is given: name it with --fluentd-url, or the TOML file with --config")
	}
	start := &StartCmd{ReceiverOptions: c.ReceiverOptions}
	d, err := start.newDialing(&handler{log: slog.New(slog.DiscardHandler)}, &identity{})
	if err != nil {
		return nil, err
	}
	audit, err := d.relays(c.FluentdURL)
	if err != nil {
		return nil, err
	}
	recordings, err := d.relays(start.sessionURLs())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, l storedLetter) error {
		batch := []*Read{{Type: l.Type, ID: l.ID, Time: timeOf(l.body()), SID: l.SID, Body: l.body()}}
		switch {
		case l.SID == "":
			return homeOf(audit, l.ID).post(ctx, "", batch)
		case len(recordings) == 0:
			return errors.New("it is a recording's, and no --fluentd-session-url is given")
		}
		return homeOf(recordings, l.SID).post(ctx, "."+l.SID+".log", batch)
	}, nil
}

// timeOf is an event's own time; now for one that says none.
func timeOf(body []byte) time.Time {
	var e struct{ Time time.Time }
	if json.Unmarshal(body, &e) != nil || e.Time.IsZero() {
		return time.Now()
	}
	return e.Time
}
