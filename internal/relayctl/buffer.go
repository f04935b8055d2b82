package relayctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/state"
)

// BufferUsage is what `relay buffer --help` prints.
const BufferUsage = `usage: relay buffer COMMAND [--json] DIR [ID...]

  ls DIR            chunks: state, tag, time, events, bytes, age, object key
  show DIR ID...    everything about chunks
  cat DIR [ID...]   the events of chunks, as they will be written
  verify DIR        read every checksum; exit code 1 when one is wrong
  export DIR OUT    the chunks as Fluentd's .log and .meta files
  requeue DIR ID... put chunks back that went to the backup folder
  drop DIR ID...    delete chunks; --yes is needed

ls, show, cat, verify and export look only and work while the relay runs. requeue
and drop need it stopped. IDs may be shortened.
`

// Buffer is `relay buffer`: it looks into a buffer folder and mends it.
type Buffer struct {
	JSON, Yes bool
	Out       io.Writer
}

// errDamaged is what verify ends with.
var errDamaged = errors.New("there are damaged chunks")

// Run does one command.
func (b *Buffer) Run(command, dir string, args []string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	switch command {
	case "ls":
		return b.ls(dir)
	case "show":
		return b.show(dir, args)
	case "cat":
		return b.cat(dir, args)
	case "verify":
		return b.verify(dir)
	case "export":
		return b.export(dir, args)
	case "requeue":
		return b.exclusively(dir, func() error { return b.requeue(dir, args) })
	case "drop":
		return b.exclusively(dir, func() error { return b.drop(dir, args) })
	}
	return fmt.Errorf("unknown command %q\n\n%s", command, BufferUsage)
}

// exclusively runs a change while no relay uses the folder.
func (b *Buffer) exclusively(dir string, change func() error) (err error) {
	locks, err := filepath.Glob(filepath.Join(dir, ".*lock"))
	if err != nil {
		return err
	}
	for _, path := range locks {
		lock, lockErr := buffer.Disk().Lock(path)
		if errors.Is(lockErr, buffer.ErrLocked) {
			return fmt.Errorf("%s is in use: stop the relay first", dir)
		}
		if lockErr != nil {
			return lockErr
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	return change()
}

// chunks reads all chunk files, or those whose id begins as one of ids does.
func chunks(dir string, ids []string) ([]*buffer.ChunkFile, error) {
	paths, err := buffer.ChunkFiles(buffer.Disk(), dir)
	if err != nil {
		return nil, err
	}
	var all []*buffer.ChunkFile
	for _, path := range paths {
		c, err := buffer.ReadChunkFile(buffer.Disk(), path)
		if err != nil {
			c = &buffer.ChunkFile{Path: path, Damage: err.Error()}
			if info, statErr := os.Stat(path); statErr == nil {
				c.FileSize = info.Size()
			} else {
				continue // delivered while we looked
			}
		}
		if chosen(c, ids) {
			all = append(all, c)
		}
	}
	if len(all) == 0 && len(ids) > 0 {
		return nil, fmt.Errorf("no chunk in %s has an id that begins with %s", dir, strings.Join(ids, " or "))
	}
	return all, nil
}

func chosen(c *buffer.ChunkFile, ids []string) bool {
	for _, id := range ids {
		if strings.HasPrefix(c.ID.String(), id) {
			return true
		}
	}
	return len(ids) == 0
}

func (b *Buffer) cat(dir string, ids []string) error {
	all, err := chunks(dir, ids)
	if err != nil {
		return err
	}
	for _, c := range all {
		r, err := c.Open(buffer.Disk())
		if err != nil {
			return err
		}
		_, err = io.Copy(b.Out, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(c.Path), err)
		}
	}
	return nil
}

func (b *Buffer) verify(dir string) error {
	all, err := chunks(dir, nil)
	if err != nil {
		return err
	}
	damaged := 0
	for _, c := range all {
		problem := c.Damage
		if problem == "" {
			problem = readThrough(c)
		}
		if problem != "" {
			damaged++
			fmt.Fprintf(b.Out, "%s: %s\n", filepath.Base(c.Path), problem)
		}
	}
	fmt.Fprintf(b.Out, "%s, %d damaged\n", count(len(all), "chunk"), damaged)
	if damaged > 0 {
		return errDamaged
	}
	return nil
}

func readThrough(c *buffer.ChunkFile) string {
	r, err := c.Open(buffer.Disk())
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// drop deletes chunks for good: their events are lost, and are counted here.
func (b *Buffer) drop(dir string, ids []string) error {
	if len(ids) == 0 {
		return errors.New("name the chunks to drop; relay buffer ls lists them")
	}
	all, err := chunks(dir, ids)
	if err != nil {
		return err
	}
	var events int64
	for _, c := range all {
		events += c.Events
	}
	if !b.Yes {
		return fmt.Errorf("%d events in %s would be lost; add --yes when that is meant", events, count(len(all), "chunk"))
	}
	for _, c := range all {
		if err := state.Remove(c.Path); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.Out, "dropped %s, %d events\n", count(len(all), "chunk"), events)
	return nil
}

func age(c *buffer.ChunkFile) string {
	if c.Created.IsZero() {
		return "-"
	}
	return time.Since(c.Created).Round(time.Second).String()
}
