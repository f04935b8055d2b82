package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/plugin"
)

// file writes chunks into local files: <path>.<time>.log with append, else
// <path>.<time>_<n>.log with the first free number. A chunk is on disk, synced,
// before it leaves the buffer.
type file struct {
	env       plugin.Env
	path      string
	append    bool
	addSuffix bool
	suffix    string
	compress  string
	formatter plugin.Formatter
	inject    plugin.Inject
	template  *placeholder.Template
	zone      *time.Location
}

// NewFile makes a file output.
func NewFile(env plugin.Env) plugin.Output { return &file{env: env} }

func (o *file) Params(p *param.Set) {
	p.String("path", &o.path, "", "Where files are made; placeholders of the chunk are filled in.").Required()
	p.Bool("append", &o.append, false, "Write a chunk to the end of the file that is there, not into a new one.")
	p.Bool("add_path_suffix", &o.addSuffix, true, "Put path_suffix behind the name.")
	p.String("path_suffix", &o.suffix, ".log", "What file names end in.")
	p.String("compress", &o.compress, "text", "text, or gzip.").Enum("text", "gzip", "gz")
	param.Plugin(p, "format", &o.formatter, "out_file", o.env.Formatter, "How a line looks.")
	o.inject.Params(p)
}

// BufferDefaults is a buffer of files, a chunk a day.
func (o *file) BufferDefaults(c *buffer.Config) {
	c.ChunkKeys, c.Timekey = "time", 24*time.Hour
}

// SetBuffer learns by what the file names differ.
func (o *file) SetBuffer(c buffer.Config, _ int) error {
	o.zone = c.Zone()
	path := o.path
	if c.Timekeyed() && !strings.Contains(path, "%") {
		path += "." + sliceName(c.Timekey)
	}
	if !o.append {
		path += indexMark
	}
	if o.addSuffix {
		path += o.suffix
	}
	if o.compress != "text" {
		path += ".gz"
	}
	var err error
	o.template, err = placeholder.Compile(path)
	return err
}

// indexMark stands for the number of a file that is not appended to.
const indexMark = "\x00"

func sliceName(timekey time.Duration) string {
	switch {
	case timekey < time.Minute:
		return "%Y%m%d%H%M%S"
	case timekey < time.Hour:
		return "%Y%m%d%H%M"
	case timekey < 24*time.Hour:
		return "%Y%m%d%H"
	}
	return "%Y%m%d"
}

// Format appends a line.
func (o *file) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	return o.formatter.Format(dst, tag, o.inject.Apply(tag, e))
}

// Write appends the chunk to its file, or makes a new one.
func (o *file) Write(_ context.Context, c *buffer.Chunk) error {
	path, err := o.template.Expand(c.Meta(), o.zone)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // logs are read by groups
		return fmt.Errorf("make folder: %w", err)
	}
	f, before, err := o.open(path)
	if err != nil {
		return err
	}
	err = o.fill(f, c)
	if err != nil {
		// What a failed attempt wrote must not stay: the next one writes all again.
		err = errors.Join(err, f.Truncate(before))
	}
	return errors.Join(err, f.Close())
}

func (o *file) open(path string) (f *os.File, size int64, err error) {
	if o.append {
		f, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // logs are read by groups
		if err != nil {
			return nil, 0, fmt.Errorf("open file: %w", err)
		}
		info, err := f.Stat()
		return f, info.Size(), err
	}
	for i := 0; ; i++ {
		name := strings.Replace(path, indexMark, fmt.Sprintf("_%d", i), 1)
		f, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // logs are read by groups
		if errors.Is(err, os.ErrExist) {
			continue
		}
		return f, 0, err
	}
}

func (o *file) fill(f *os.File, c *buffer.Chunk) error {
	body, err := c.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	var w io.Writer = f
	if o.compress != "text" {
		zw := gzip.NewWriter(f)
		defer zw.Close()
		w = zw
		if _, err := io.Copy(w, body); err != nil {
			return err
		}
		if err := zw.Close(); err != nil {
			return err
		}
		return f.Sync()
	}
	if _, err := io.Copy(w, body); err != nil {
		return err
	}
	return f.Sync()
}
