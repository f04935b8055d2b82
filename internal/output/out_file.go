package output

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/plugin"
)

// file writes chunks into files whose path holds the slice of time, the tag or
// fields: path /var/log/app gives /var/log/app.20200913_0.log, _1 and so on, and
// with append one /var/log/app.20200913.log.
type file struct {
	env             plugin.Env
	path            string
	append          bool
	addSuffix       bool
	suffix          string
	compress        string
	again           bool
	sliceFormat     string
	symlink         string
	symlinkRelative bool
	formatter       plugin.Formatter
	inject          plugin.Inject

	buffer   buffer.Config
	template *pathTemplate
	target   fileTarget
	link     *chunkLink // nil without symlink_path
	asSecond bool
}

// NewFile makes a file output.
func NewFile(env plugin.Env) plugin.Output { return &file{env: env} }

func (o *file) Params(p *param.Set) {
	p.String("path", &o.path, "", "Where files go. ${tag}, ${key} and %Y%m%d are filled in from the chunk; without the latter the slice of time is put behind, or in place of a *.").Required()
	p.Bool("append", &o.append, false, "Write chunks one behind the other into one file; else each chunk gets a file of its own: _0, _1 and so on.")
	p.Bool("add_path_suffix", &o.addSuffix, true, "Put path_suffix behind the path.")
	p.String("path_suffix", &o.suffix, ".log", "What the names of files end in.")
	p.String("compress", &o.compress, "text", "How files are packed: gzip adds .gz to the name, zstd .zst.").Enum("text", "gzip", "gz", "zstd")
	p.Bool("recompress", &o.again, false, "Unpack and pack again what the buffer has packed in the same way.")
	p.String("time_slice_format", &o.sliceFormat, "", "How the slice of time is written in names.").Deprecated("write %Y%m%d and so on into path")
	p.String("symlink_path", &o.symlink, "", "Symbolic link to the chunk that fills just now, in the file buffer.")
	p.Bool("symlink_path_use_relative", &o.symlinkRelative, false, "Let the link hold a relative path.")
	param.Plugin(p, "format", &o.formatter, "out_file", o.env.Formatter, "How an event is written; out_file is time, tag and JSON, separated by tabs.")
	o.inject.Params(p)
}

// BufferDefaults are Fluentd's: chunks of a day, in files.
func (o *file) BufferDefaults(c *buffer.Config) {
	c.Type, c.ChunkKeys, c.Timekey = "file", "time", 24*time.Hour
}

// BufferPath is where the buffer is when <buffer> does not say so: the folder of
// the same name as path, beside the files.
func (o *file) BufferPath() string { return o.path }

// AsSecondary tells that the chunks are another output's.
func (o *file) AsSecondary(string) error { o.asSecond = true; return nil }

// SetBuffer compiles the path for the buffer's chunk keys.
func (o *file) SetBuffer(c buffer.Config, _ int) error {
	o.buffer = c
	text, err := o.wholePath()
	if err != nil {
		return err
	}
	if err := checkPlaceholders("path", text, c); err != nil {
		return err
	}
	if o.template, err = newPathTemplate("path", text, c.Zone()); err != nil {
		return err
	}
	compress := o.compress
	if compress == "gz" {
		compress = "gzip"
	}
	o.target = fileTarget{append: o.append, compress: compress, again: o.again, name: indexBeforeSuffix}
	if o.symlink == "" || o.asSecond || !c.OnDisk() {
		return nil
	}
	link, err := placeholder.Compile(o.symlink)
	if err != nil {
		return param.Errorf("symlink_path", "", "%w", err)
	}
	o.link = &chunkLink{log: o.env.Log, template: link, zone: c.Zone(), relative: o.symlinkRelative}
	return nil
}

// indexMark stands in a path where the index of a chunk's own file goes.
const indexMark = "_**"

func indexBeforeSuffix(path string, i int) string {
	return strings.Replace(path, indexMark, "_"+strconv.Itoa(i), 1)
}

// wholePath is path with what Fluentd adds to it: the slice of time where the path
// does not hold it, the index, and the suffixes.
func (o *file) wholePath() (string, error) {
	end := map[string]string{"text": "", "gzip": ".gz", "gz": ".gz", "zstd": ".zst"}[o.compress]
	if o.addSuffix {
		end = o.suffix + end
	}
	index := indexMark
	if o.append {
		index = ""
	}
	star := strings.Contains(o.path, "*")
	if !o.buffer.Timekeyed() {
		if star {
			return "", param.Errorf("path", "write <buffer time>", "path including '*' must be used with buffer chunk key 'time'")
		}
		return o.path + index + end, nil
	}
	parts := directives(o.buffer.Timekey)
	slice := strings.Join(parts, "")
	written := func(d string) bool { return strings.Contains(o.path, d) }
	switch {
	case star && o.sliceFormat != "":
		return strings.ReplaceAll(o.path, "*", o.sliceFormat+index) + end, nil
	case star:
		return strings.ReplaceAll(o.path, "*", slice+index) + end, nil
	case o.sliceFormat != "":
		return o.path + "." + o.sliceFormat + index + end, nil
	case !slices.ContainsFunc(parts, written):
		return o.path + "." + slice + index + end, nil
	case slices.ContainsFunc(parts, func(d string) bool { return !written(d) }):
		return "", param.Errorf("path", "a timekey of this length needs "+slice, "insufficient timestamp placeholders in path")
	}
	return o.path + index + end, nil
}

// Start looks whether files can be written at all.
func (o *file) Start(context.Context) error {
	if err := writable(o.template.base + "x"); err != nil {
		return param.Errorf("path", "make the folder and let the relay's user write to it", "out_file: `%s` is not writable: %w", o.template.base, err)
	}
	if o.buffer.Timekeyed() && o.env.Node != nil && !saysTimekey(o.env) {
		o.env.Log.Warn("default timekey interval (1d) will be used. To change the output frequency, please modify the timekey value")
	}
	return nil
}

func saysTimekey(env plugin.Env) bool {
	for _, child := range env.Node.Children {
		if _, ok := child.Get("timekey"); ok && child.Name == "buffer" {
			return true
		}
	}
	return false
}

// BufferOpened begins to follow the buffer's newest chunk.
func (o *file) BufferOpened(folder string) error {
	if o.link == nil {
		return nil
	}
	return o.link.follow(folder)
}

// Close ends that.
func (o *file) Close(context.Context) error {
	if o.link == nil {
		return nil
	}
	return o.link.close()
}

// Format writes an event as <inject> and <format> say.
func (o *file) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	return o.formatter.Format(dst, tag, o.inject.Apply(tag, e))
}

// Write puts the chunk into its file and syncs it.
func (o *file) Write(_ context.Context, c *buffer.Chunk) error { return o.write(c) }

func (o *file) write(c chunk) error {
	path, err := o.template.expand(c.Meta())
	if err != nil {
		return err
	}
	return o.target.write(c, path)
}

// pathTemplate is a path with placeholders that stays where its text says: what
// tags and fields put into it may not lead out of the folder that stands in front
// of the first placeholder, for clients choose them.
type pathTemplate struct {
	*placeholder.Template
	base string // ends in a slash; "" is the working folder
	zone *time.Location
}

// placeholderName is a placeholder that a tag or a field fills in.
var placeholderName = regexp.MustCompile(`\$\{[^}]*\}`)

func newPathTemplate(name, text string, zone *time.Location) (*pathTemplate, error) {
	t, err := placeholder.Compile(text)
	if err != nil {
		return nil, param.Errorf(name, "", "%w", err)
	}
	fixed := text
	if at := placeholderName.FindStringIndex(text); at != nil {
		fixed = text[:at[0]]
	}
	base, _ := filepath.Split(fixed)
	if i := strings.IndexByte(base, '%'); i >= 0 {
		base, _ = filepath.Split(base[:i])
	}
	return &pathTemplate{Template: t, base: base, zone: zone}, nil
}

var errLeavesFolder = errors.New("a tag or field leads out of the folder")

// expand is the path for a chunk.
func (t *pathTemplate) expand(m event.Meta) (string, error) {
	path, err := t.Expand(m, t.zone)
	if err != nil {
		return "", plugin.Permanent(err)
	}
	base := filepath.Clean(t.base + ".")
	inside, err := filepath.Rel(base, filepath.Clean(path))
	if err != nil || inside == ".." || strings.HasPrefix(inside, "../") || strings.ContainsRune(path, 0) {
		return "", plugin.Permanent(fmt.Errorf("%w %s", errLeavesFolder, base))
	}
	return path, nil
}
