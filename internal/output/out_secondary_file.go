package output

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/plugin"
)

// secondaryFile keeps the chunks that another output could not deliver, as that
// output formatted them: `<secondary> @type secondary_file`.
type secondaryFile struct {
	directory, basename string
	append              bool
	compress            string

	template *pathTemplate
	target   fileTarget
	asSecond bool
}

// NewSecondaryFile makes a secondary_file output.
func NewSecondaryFile(plugin.Env) plugin.Output { return &secondaryFile{} }

func (o *secondaryFile) Params(p *param.Set) {
	p.String("directory", &o.directory, "", "Folder for the files; ${tag}, ${key}, ${chunk_id} and %Y%m%d are filled in from the chunk.").Required()
	p.String("basename", &o.basename, "dump.bin", "Name of the files, with the same placeholders; .0, .1 and so on is put behind it.")
	p.Bool("append", &o.append, false, "Write chunks one behind the other into one file; else each chunk gets a file of its own.")
	p.String("compress", &o.compress, "text", "How files are packed: gzip adds .gz to the name, zstd .zst.").Enum("text", "gzip", "gz", "zstd")
}

// AsSecondary tells that the output stands in a <secondary> section.
func (o *secondaryFile) AsSecondary(string) error { o.asSecond = true; return nil }

// SetBuffer holds the placeholders against the chunk keys of the primary output.
func (o *secondaryFile) SetBuffer(c buffer.Config, _ int) error {
	if !o.asSecond {
		return errors.New("This plugin can only be used in the <secondary> section") //nolint:staticcheck // Fluentd's own words
	}
	if strings.Contains(o.basename, "/") {
		return param.Errorf("basename", "put folders into directory", "basename should not include `/`")
	}
	text := strings.TrimSuffix(o.directory, "/") + "/" + o.basename
	if err := o.compatible(text, c); err != nil {
		return err
	}
	if o.compress == "gz" {
		o.compress = "gzip"
	}
	suffix := map[string]string{"gzip": ".gz", "zstd": ".zst"}[o.compress]
	o.target = fileTarget{append: o.append, compress: o.compress, name: func(path string, i int) string {
		if o.append {
			return path + suffix
		}
		return path + "." + strconv.Itoa(i) + suffix
	}}
	var err error
	o.template, err = newPathTemplate("directory", text, c.Zone())
	return err
}

// compatible refuses placeholders that the primary's chunks can not fill in.
func (o *secondaryFile) compatible(text string, c buffer.Config) error {
	t, err := placeholder.Compile(text)
	if err != nil {
		return param.Errorf("basename", "", "%w", err)
	}
	const what = "out_secondary_file: basename or directory has an incompatible placeholder"
	if t.UsesTime() && !c.Timekeyed() {
		return param.Errorf("basename", "", what+", remove time formats, like `%%Y%%m%%d`, from basename or directory")
	}
	if t.UsesTag() && !c.KeyedByTag() {
		return param.Errorf("basename", "", what+" tag, remove tag placeholder, like `${tag}`, from basename or directory")
	}
	fields, _ := c.FieldKeys()
	if unknown := without(t.Keys(), fields); len(unknown) > 0 {
		return param.Errorf("basename", "", what+" %s, remove variable placeholder, like `${varname}`, from basename or directory", unknown[0])
	}
	return nil
}

// Start looks whether files can be written at all.
func (o *secondaryFile) Start(context.Context) error {
	if err := writable(o.template.base + "x"); err != nil {
		return param.Errorf("directory", "make the folder and let the relay's user write to it", "out_secondary_file: `%s` should be writable: %w", o.directory, err)
	}
	return nil
}

// Format is never asked: a secondary gets chunks that are formatted.
func (o *secondaryFile) Format(dst []byte, _ string, _ event.Event) ([]byte, error) { return dst, nil }

// Write puts the chunk into its file and syncs it.
func (o *secondaryFile) Write(_ context.Context, c *buffer.Chunk) error { return o.write(c) }

func (o *secondaryFile) write(c chunk) error {
	path, err := o.template.expand(c.Meta())
	if err != nil {
		return err
	}
	return o.target.write(c, path)
}
