package forward

import (
	"errors"
	"fmt"
	"io"

	"github.com/sluicelog/sluice/internal/event"
)

// Decoder reads messages from a stream. It holds one message in memory, of at
// most Limit bytes; what is larger is passed over without being kept. Memory grows
// with the bytes that have come, never with the lengths that they announce.
type Decoder struct {
	// Limit is the largest message in bytes; 0 is none.
	Limit int64
	// Unpacked bounds what a compressed message may unpack to; 0 is none.
	Unpacked int64
	// Begin, if set, is called when the first bytes of a message are there and the
	// rest has to be waited for; once for each message.
	Begin func()
	// Grow, if set, is asked before the memory of a message grows to so many bytes
	// beyond the usual; its error ends the reading.
	Grow func(size int64) error

	r     io.Reader
	buf   []byte // what was read and not used yet
	json  bool
	seen  bool // the first byte decided between msgpack and JSON
	begun bool // Begin was called for the present message
}

// NewDecoder reads from r.
func NewDecoder(r io.Reader) *Decoder { return &Decoder{r: r} }

const (
	// firstRoom is the memory of a connection that has said nothing yet, and the
	// least that is asked of the stream at once.
	firstRoom = 4 << 10
	// usualRoom is what every connection may hold without asking.
	usualRoom = 8 << 10
)

// Next reads one message. The error is io.EOF at the end between messages,
// ErrMalformed when the stream can not be read on, an [InvalidError] or
// [TooLargeError] when just this message is lost, or the stream's own error. The
// message points into the decoder's memory and is good until the next call.
func (d *Decoder) Next() (*Message, error) {
	if !d.seen {
		if err := d.detect(); err != nil {
			return nil, err
		}
	}
	if d.json {
		raw, err := d.value(new(jsonFrame))
		if err != nil {
			return nil, err
		}
		return decodeJSON(raw, d.Unpacked, d.Grow)
	}
	raw, err := d.value(newFrame())
	for err == nil && len(raw) == 1 && raw[0] == nilByte {
		raw, err = d.value(newFrame()) // a heartbeat
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeMessage(raw, d.Unpacked, d.Grow)
	if err == nil && m.entries.stream != nil {
		m.entries.stream.Grow = d.Grow
	}
	return m, err
}

// nilByte alone is a message that says only that its sender is there.
const nilByte = 0xc0

// Value reads one msgpack value, for the handshake's messages.
func (d *Decoder) Value() (any, error) {
	d.seen = true
	raw, err := d.value(newFrame())
	if err != nil {
		return nil, err
	}
	v, _, err := event.ReadMsgpack(raw)
	return v, err
}

// Entry reads one [time, record] of a stream of such, as a chunk of a forward
// output is one. The error is io.EOF at the end, or an [InvalidError] when a value
// is no entry.
func (d *Decoder) Entry() (event.Event, error) {
	d.seen = true
	raw, err := d.value(newFrame())
	if err != nil {
		return event.Event{}, err
	}
	v, _, err := event.ReadMsgpack(raw) // of our own making, so of any size
	if err != nil {
		return event.Event{}, err
	}
	e, ok := eventOf(v)
	if !ok {
		return e, &InvalidError{Reason: "entry is no time and record", Value: v}
	}
	return e, nil
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

// finder finds the end of a value in bytes that arrive bit by bit: frame for
// msgpack, jsonFrame for JSON.
type finder interface {
	// more goes on in b, which holds everything from the value's first byte on.
	more(b []byte) (done bool, err error)
	// need is the least that the value is long, as far as that is known by now.
	need() int64
	// at is how far more has got; the value's end when it is done.
	at() int
	// drop takes the first at() bytes of b away, which are not needed any more.
	drop(b []byte) []byte
	// end is what of b[:at()] belongs to the value's last element.
	end(b []byte) []byte
}

// value returns the next value whole.
func (d *Decoder) value(f finder) ([]byte, error) {
	d.begun = false
	for {
		done, err := f.more(d.buf)
		switch {
		case err != nil:
			return nil, err
		case done:
			return d.cut(f)
		case d.tooLarge(f.need()):
			return nil, d.passOver(f)
		}
		if err := d.readOn(); err != nil {
			return nil, err
		}
	}
}

// tooLarge holds JSON, which is read as one value, to what one value may be.
func (d *Decoder) tooLarge(n int64) bool {
	return d.Limit > 0 && (n > d.Limit || d.json && n > largestValue)
}

// cut takes the first n bytes out of the buffer. Memory that a large message took
// must not be held by the silence that follows it.
func (d *Decoder) cut(f finder) ([]byte, error) {
	n, option := f.at(), f.end(d.buf)
	raw := d.buf[:n:n]
	d.buf = d.buf[n:]
	if len(d.buf) == 0 && n > firstRoom {
		d.buf = nil
	}
	if d.tooLarge(int64(n)) {
		return nil, &TooLargeError{Tag: tagAtStart(raw), Size: int64(n), Option: optionOf(option)}
	}
	return raw, nil
}

// passOver reads to the end of a value that is too large, keeping nothing of it but
// what it ends with: there the sender says who it is, and what to call the message.
func (d *Decoder) passOver(f finder) error {
	lost := &TooLargeError{Tag: tagAtStart(d.buf)}
	d.begin()
	for option := []byte(nil); ; {
		lost.Size += int64(f.at())
		option = keepOption(option, f.end(d.buf))
		if d.buf = f.drop(d.buf); len(d.buf) == 0 {
			d.buf = nil
		}
		if err := d.readOn(); err != nil {
			return err
		}
		done, err := f.more(d.buf)
		if err != nil {
			return err
		}
		if done {
			lost.Size += int64(f.at())
			lost.Option = optionOf(keepOption(option, f.end(d.buf)))
			d.buf = f.drop(d.buf)
			return lost
		}
	}
}

// keptOption is how much of a message that is passed over is kept.
const keptOption = 4 << 10

// keepOption appends more of an option; one byte too many says that it is too long.
func keepOption(option, more []byte) []byte {
	return append(option, more[:min(len(more), keptOption+1-len(option))]...)
}

func optionOf(raw []byte) *event.Record {
	if len(raw) == 0 || len(raw) > keptOption {
		return nil
	}
	v, _, err := event.ReadMsgpack(raw)
	if err != nil {
		return nil
	}
	option, _ := v.(*event.Record)
	return option
}

// readOn reads more of a value; an end in the middle of it is no clean end.
func (d *Decoder) readOn() error {
	if len(d.buf) > 0 {
		d.begin()
	}
	err := d.read()
	if d.begun && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *Decoder) begin() {
	if !d.begun && d.Begin != nil {
		d.Begin()
	}
	d.begun = true
}

// read appends to buf. Its memory is taken anew when what was used has left no
// room in front, so that a message which is still in use stays as it is.
func (d *Decoder) read() error {
	if cap(d.buf)-len(d.buf) < firstRoom/4 {
		size := max(2*len(d.buf), firstRoom)
		if size > usualRoom && d.Grow != nil {
			if err := d.Grow(int64(size)); err != nil {
				return err
			}
		}
		grown := make([]byte, len(d.buf), size)
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
