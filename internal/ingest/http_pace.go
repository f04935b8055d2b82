package ingest

import (
	"io"
	"net/http"
	"runtime"
	"time"
)

// pacer reads a body from a client that must not be too slow: it may take grace,
// and beyond that what its bytes take at the rate; most in all. Memory is held
// while it reads, so whoever sends a byte now and then would keep others out.
type pacer struct {
	src         io.Reader
	clock       *http.ResponseController
	began       time.Time
	most, grace time.Duration
	rate        int64 // bytes per second; 0: any

	got int64
	set time.Time // the deadline that is in force
}

// turn is how much is read of a body before others go on.
const turn = 64 << 10

// Read implements io.Reader. A client that is too slow is os.ErrDeadlineExceeded.
func (p *pacer) Read(b []byte) (int, error) {
	if until := p.until(); until.After(p.set) {
		if err := p.clock.SetReadDeadline(until); err == nil {
			p.set = until
		}
	}
	n, err := p.src.Read(b)
	if before := p.got; (before+int64(n))/turn > before/turn {
		runtime.Gosched() // whoever sends without a pause must not keep its processor
	}
	p.got += int64(n)
	return n, err
}

// until is when the next bytes must be there; the zero time: whenever.
func (p *pacer) until() time.Time {
	var until time.Time
	if p.most > 0 {
		until = p.began.Add(p.most)
	}
	if p.rate <= 0 {
		return until
	}
	paced := p.began.Add(p.grace + time.Duration(float64(p.got)/float64(p.rate)*float64(time.Second)))
	if until.IsZero() || paced.Before(until) {
		return paced
	}
	return until
}

// stop takes the deadline away when all has been read: what is done with the body
// may take its time. Until then it stays, since net/http reads on to the end of a
// body that was refused.
func (p *pacer) stop(err error) {
	if err == nil {
		_ = p.clock.SetReadDeadline(time.Time{})
	}
}
