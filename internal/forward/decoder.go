package forward

import (
	"errors"
	"fmt"
	"io"
)

// Decoder reads messages from a stream. It holds one message in memory, of at
// most Limit bytes; what is larger is passed over without being kept.
type Decoder struct {
	// Limit is the largest message in bytes; 0 is none.
	Limit int64
	// Unpacked bounds what a compressed message may unpack to; 0 is none.
	Unpacked int64

	r    io.Reader
	buf  []byte // what was read and not used yet
	json bool
	seen bool // the first byte decided between msgpack and JSON
}

// NewDecoder reads from r.
func NewDecoder(r io.Reader) *Decoder { return &Decoder{r: r} }

// firstRead is how much is asked of the stream at once.
const firstRead = 16 << 10

// Next reads one message. The error is io.EOF at the end between messages,
// ErrMalformed when the stream can not be read on, an [InvalidError] or
// ErrTooLarge when just this message is lost, or the stream's own error. The
// message's records point into the decoder's memory until the next call.
func (d *Decoder) Next() (*Message, error) {
	if !d.seen {
		if err := d.detect(); err != nil {
			return nil, err
		}
	}
	if d.json {
		return d.nextJSON()
	}
	raw, err := d.value()
	if err != nil {
		return nil, err
	}
	return decodeMessage(raw, d.Unpacked)
}

// detect looks at the first byte: JSON begins with { [ or white space, msgpack
// arrays do not.
func (d *Decoder) detect() error {
	for len(d.buf) == 0 {
		if err := d.read(); err != nil {
			return err
		}
	}
	d.seen = true
	d.json = d.buf[0] == '{' || d.buf[0] == '['
	return nil
}

// value returns the next msgpack value whole.
func (d *Decoder) value() ([]byte, error) {
	f := newFrame()
	for {
		done, err := f.more(d.buf)
		switch {
		case err != nil:
			return nil, err
		case done:
			raw := d.buf[:f.pos]
			d.buf = d.buf[f.pos:]
			if d.Limit > 0 && int64(len(raw)) > d.Limit {
				return nil, &TooLargeError{Tag: tagAtStart(raw), Size: int64(len(raw))}
			}
			return raw, nil
		case d.Limit > 0 && f.need() > d.Limit:
			return nil, d.passOver(f)
		}
		if err := d.readInto(len(d.buf) > 0); err != nil {
			return nil, err
		}
	}
}

// passOver reads to the end of a value that is too large, keeping nothing of it.
func (d *Decoder) passOver(f frame) error {
	lost := &TooLargeError{Tag: tagAtStart(d.buf)}
	for {
		d.buf = d.buf[f.pos:]
		lost.Size += int64(f.pos)
		f.pos = 0
		done, err := f.more(d.buf)
		if err != nil {
			return err
		}
		if done {
			d.buf = d.buf[f.pos:]
			lost.Size += int64(f.pos)
			return lost
		}
		if f.pos == len(d.buf) {
			lost.Size += int64(f.pos)
			d.buf, f.pos = d.buf[:0], 0
		}
		if err := d.readInto(true); err != nil {
			return err
		}
	}
}

// readInto reads more; an end in the middle of a value is no clean end.
func (d *Decoder) readInto(inside bool) error {
	err := d.read()
	if inside && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read appends to buf. Its memory is taken anew when what was used has left no
// room in front, so that messages which are still in use stay as they are.
func (d *Decoder) read() error {
	if cap(d.buf)-len(d.buf) < firstRead/4 {
		grown := make([]byte, len(d.buf), max(2*len(d.buf), firstRead))
		copy(grown, d.buf)
		d.buf = grown
	}
	n, err := d.r.Read(d.buf[len(d.buf):cap(d.buf)])
	d.buf = d.buf[:len(d.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return fmt.Errorf("read message: %w", io.ErrNoProgress)
	}
	return err
}
