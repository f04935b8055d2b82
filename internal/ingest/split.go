package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/sluicelog/sluice/internal/param"
)

// splitter cuts a stream of bytes into messages, which end in a delimiter or, with
// counted, begin with their length and a blank (RFC 6587, section 3.4.1). It holds
// at most one message and what one read brought.
type splitter struct {
	r         io.Reader
	delimiter []byte
	counted   bool
	limit     int // bytes of a message
	tooLong   func(size int)

	buf   []byte // what was read and not given out
	start int    // of it, where the next message begins
	skip  int    // bytes of a message that is too long, still to come
	lost  int    // bytes of such a message so far; -1: none
	ended bool
}

func newSplitter(r io.Reader, delimiter string, limit int64) *splitter {
	return &splitter{r: r, delimiter: []byte(delimiter), limit: int(limit), lost: -1, tooLong: func(int) {}}
}

// errCount is a stream whose messages do not begin with their length.
var errCount = errors.New("message does not begin with its length")

// next is the next message; it is good until the call after. more says that another
// one is there already. What stands behind the last delimiter when the stream ends
// in order is a message too.
func (s *splitter) next() (message []byte, more bool, err error) {
	for {
		message, ok, err := s.cut()
		if ok || err != nil {
			return message, ok && s.hasNext(), err
		}
		if s.ended {
			return nil, false, io.EOF
		}
		if err := s.fill(); err != nil {
			return nil, false, err
		}
	}
}

// hasNext looks whether another whole message is there.
func (s *splitter) hasNext() bool {
	rest := s.buf[s.start:]
	if s.lost >= 0 || s.skip > 0 {
		return false
	}
	if !s.counted {
		return bytes.Contains(rest, s.delimiter)
	}
	n, head, err := count(rest)
	return err == nil && head > 0 && len(rest) >= head+n
}

func (s *splitter) cut() (message []byte, ok bool, err error) {
	if s.counted {
		return s.cutCounted()
	}
	rest := s.buf[s.start:]
	i := bytes.Index(rest, s.delimiter)
	switch {
	case i >= 0 && s.lost >= 0:
		s.tooLong(s.lost + i)
		s.start, s.lost = s.start+i+len(s.delimiter), -1
		return s.cut()
	case i > s.limit:
		s.tooLong(i)
		s.start += i + len(s.delimiter)
		return s.cut()
	case i >= 0:
		s.start += i + len(s.delimiter)
		return rest[:i], true, nil
	case s.ended && s.lost >= 0:
		s.tooLong(s.lost + len(rest))
		s.start, s.lost = len(s.buf), -1
	case s.ended && len(rest) > s.limit:
		s.tooLong(len(rest))
		s.start = len(s.buf)
	case s.ended && len(rest) > 0:
		s.start = len(s.buf)
		return rest, true, nil
	case len(rest) > s.limit+len(s.delimiter):
		// Keep what may be the first part of a delimiter.
		gone := len(rest) - len(s.delimiter) + 1
		s.lost, s.start = max(s.lost, 0)+gone, s.start+gone
	}
	return nil, false, nil
}

func (s *splitter) cutCounted() (message []byte, ok bool, err error) {
	if n := min(s.skip, len(s.buf)-s.start); n > 0 {
		s.start, s.skip = s.start+n, s.skip-n
	}
	rest := s.buf[s.start:]
	n, head, err := count(rest)
	switch {
	case s.skip > 0 || err == nil && head == 0:
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case n > s.limit:
		s.tooLong(n)
		s.start, s.skip = s.start+head, n
		return s.cutCounted()
	case len(rest) < head+n:
		return nil, false, nil
	}
	s.start += head + n
	return rest[head : head+n], true, nil
}

// maxCountDigits is more than any length has.
const maxCountDigits = 10

// count reads a length and the blank behind it, head bytes in all; head is 0 while
// they are not all there.
func count(b []byte) (n, head int, err error) {
	i := bytes.IndexByte(b[:min(len(b), maxCountDigits+1)], ' ')
	if i < 0 {
		if len(b) > maxCountDigits {
			return 0, 0, errCount
		}
		return 0, 0, nil
	}
	n, err = strconv.Atoi(string(bytes.TrimLeft(b[:i], "\r\n")))
	if err != nil || n < 0 {
		return 0, 0, errCount
	}
	return n, i + 1, nil
}

// fill reads once.
func (s *splitter) fill() error {
	if s.start > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.start:])]
		s.start = 0
	}
	if cap(s.buf)-len(s.buf) < splitRead/4 {
		s.buf = append(make([]byte, 0, 2*len(s.buf)+splitRead), s.buf...)
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF):
		s.ended = true
		return nil
	case err == nil:
		return fmt.Errorf("read message: %w", io.ErrNoProgress)
	}
	return err
}

// splitRead is how much is read at once.
const splitRead = 32 << 10

// checkFraming holds the rules of the parameters delimiter and message_length_limit.
func checkFraming(delimiter string, limit int64) error {
	if delimiter == "" {
		return param.Errorf("delimiter", `write delimiter "\n"`, "an empty delimiter ends no message")
	}
	return checkLimit(limit)
}

func checkLimit(limit int64) error {
	if limit <= 0 {
		return param.Errorf("message_length_limit", "", "%d leaves no room for a message", limit)
	}
	return nil
}
