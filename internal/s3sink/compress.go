package s3sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// packing is one value of store_as.
type packing struct {
	extension, contentType string
	// open packs what is written into it onto w. The bytes depend on what is
	// written and on the level only, so that every attempt sends the same.
	open func(p *packer, w io.Writer, level int) (io.WriteCloser, error)
	// varies means that the bytes may differ from one time to the next.
	varies bool
}

// packings is the table of fluent-plugin-s3: extensions and content types are
// its own, and none sets a Content-Encoding.
func packings() map[string]packing {
	gz := packing{extension: "gz", contentType: "application/x-gzip", open: (*packer).gzip}
	return map[string]packing{
		"gzip":         gz,
		"gzip_command": gz,
		"zstd":         {extension: "zst", contentType: "application/x-zst", open: (*packer).zstd},
		"lzma2":        {extension: "xz", contentType: "application/x-xz", open: (*packer).xz},
		"lzo":          {extension: "lzo", contentType: "application/x-lzop", open: (*packer).lzop, varies: true},
		"text":         {extension: "txt", contentType: "text/plain", open: plain},
		"json":         {extension: "json", contentType: "application/json", open: plain},
	}
}

// gzipLevel of klauspost/compress, for store_as gzip. Measured on a mix of audit
// events, 474 bytes each, per million of them: level 2 takes 1.8 s of CPU and
// leaves 96 bytes an event, level 3 2.1 s and 94, level 5 3.7 s and 86; the
// standard library's level 6, which is zlib's default, 7.8 s and 82.
const gzipLevel = 2

// packer packs chunks.
type packer struct {
	name    string
	level   int
	command string
	table   map[string]packing
	spools  spoolOptions

	gzips sync.Pool // of *gzip.Writer at level
	zstds sync.Pool // of *zstd.Encoder at level
}

var errNoLzop = errors.New("'lzop' utility must be in PATH for LZO compression")

// newPacker finds what store_as names. A name that is not known is text, and
// unknown says so.
func newPacker(o *storeOptions) (p *packer, unknown bool, err error) {
	p = &packer{name: o.as, command: o.command, table: packings()}
	p.spools.prepare()
	if o.as == "parquet" {
		return nil, false, errors.New("store_as parquet is not there yet")
	}
	if _, ok := p.table[o.as]; !ok {
		p.name, unknown = "text", true
	}
	switch p.name {
	case "gzip":
		p.level = gzipLevel
	case "gzip_command":
		p.level, err = commandLevel(o.command, 6)
	case "zstd":
		p.level = o.zstd
		if p.level < 1 || p.level > 22 {
			err = fmt.Errorf("level %d of zstd is not between 1 and 22", p.level)
		}
	case "lzma2":
		p.level, err = commandLevel(o.command, 0)
	case "lzo":
		if _, missing := exec.LookPath("lzop"); missing != nil {
			err = errNoLzop
		}
	}
	return p, unknown, err
}

// commandLevel reads the level from the parameters of gzip or xz, such as -qf0;
// all else that they may hold does not change the object.
func commandLevel(command string, def int) (int, error) {
	for field := range strings.FieldsSeq(command) {
		switch {
		case strings.HasPrefix(field, "--"):
			return 0, fmt.Errorf("%s means nothing here: the bytes are packed without the command", field)
		case strings.HasPrefix(field, "-"):
			for _, c := range field[1:] {
				if c >= '0' && c <= '9' {
					def = int(c - '0')
				}
			}
		}
	}
	return def, nil
}

func (p *packer) extension() string { return p.table[p.name].extension }

// pack reads the whole chunk and packs it as the plan says.
func (p *packer) pack(ctx context.Context, c chunk, plan *plan) (*spool, error) {
	how, ok := p.table[plan.storeAs]
	if !ok {
		return nil, fmt.Errorf("the chunk was planned as %s, which this version does not know", plan.storeAs)
	}
	write := func(ctx context.Context, w io.Writer) error { return p.copy(ctx, c, w, how, plan.level) }
	s := newSpool(&p.spools, write, !how.varies)
	s.contentType = how.contentType
	if err := s.fill(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (p *packer) copy(ctx context.Context, c chunk, w io.Writer, how packing, level int) error {
	bodies, err := c.Open()
	if err != nil {
		return err
	}
	defer bodies.Close()
	packed, err := how.open(p, w, level)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(onlyWriter{packed}, &cancelReader{ctx, bodies}, make([]byte, 64<<10)); err != nil {
		packed.Close()
		return err
	}
	return packed.Close()
}

// onlyWriter hides ReadFrom, which zstd's encoder would use with a buffer of its
// own size.
type onlyWriter struct{ io.Writer }

// cancelReader stops a long compression when the relay does.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *cancelReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func plain(_ *packer, w io.Writer, _ int) (io.WriteCloser, error) { return nopCloser{w}, nil }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// gzip writes a header without time and name.
func (p *packer) gzip(w io.Writer, level int) (io.WriteCloser, error) {
	if level != p.level { // planned by another configuration
		z, err := gzip.NewWriterLevel(w, level)
		if err != nil {
			return nil, err
		}
		z.ModTime = time.Unix(0, 0)
		return z, nil
	}
	z, ok := p.gzips.Get().(*gzip.Writer)
	if !ok {
		var err error
		if z, err = gzip.NewWriterLevel(w, level); err != nil {
			return nil, err
		}
	}
	z.Reset(w)
	z.ModTime = time.Unix(0, 0) // the library would write that of year 1
	return &pooled{z, &p.gzips}, nil
}

// zstdWindow bounds the encoder's memory.
const zstdWindow = 1 << 20

func (p *packer) zstd(w io.Writer, level int) (io.WriteCloser, error) {
	options := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true),
	}
	if level != p.level {
		return zstd.NewWriter(w, options...)
	}
	z, ok := p.zstds.Get().(*zstd.Encoder)
	if !ok {
		var err error
		if z, err = zstd.NewWriter(w, options...); err != nil {
			return nil, err
		}
	}
	z.Reset(w)
	return &pooled{z, &p.zstds}, nil
}

// pooled gives an encoder back when it is closed.
type pooled struct {
	io.WriteCloser
	pool *sync.Pool
}

func (p *pooled) Close() error {
	err := p.WriteCloser.Close()
	if err == nil {
		p.pool.Put(p.WriteCloser)
	}
	return err
}

// xzDictionaries are xz' own sizes for the presets 0 to 9 (man xz), cut at 8 MB
// to bound memory.
var xzDictionaries = [10]int{256 << 10, 1 << 20, 2 << 20, 4 << 20, 4 << 20, 8 << 20, 8 << 20, 8 << 20, 8 << 20, 8 << 20}

func (p *packer) xz(w io.Writer, level int) (io.WriteCloser, error) {
	if level < 0 || level > 9 {
		return nil, fmt.Errorf("level %d of xz is not between 0 and 9", level)
	}
	return xz.WriterConfig{DictCap: xzDictionaries[level], BufSize: 4096}.NewWriter(w)
}

// lzop runs the command, as Fluentd does; there is no good library.
func (p *packer) lzop(w io.Writer, _ int) (io.WriteCloser, error) {
	args := strings.Fields(p.command)
	if len(args) == 0 {
		args = []string{"-qf1"}
	}
	cmd := exec.Command("lzop", append(args, "-c")...) //nolint:gosec // the administrator's own parameters
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run lzop: %w", err)
	}
	return &command{stdin, cmd}, nil
}

type command struct {
	io.WriteCloser
	cmd *exec.Cmd
}

// Close waits for the command: what it has not written yet comes now.
func (c *command) Close() error {
	return errors.Join(c.WriteCloser.Close(), c.cmd.Wait())
}
