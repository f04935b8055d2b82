package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// load is one way to load a receiver: closed loop, each connection has one
// request under way.
type load struct {
	name         string
	conns, batch int
	ids          bool      // send as our handler does
	began        time.Time // when the receiver started
}

// appendHead appends a request's head up to the length of its body. Like our
// handler it says each second that what is two seconds old never comes again.
func (c load) appendHead(dst []byte, began time.Time) []byte {
	dst = append(dst, "POST /test.log HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"...)
	if c.ids {
		generation := int64(time.Since(began)/time.Second) + 3
		dst = append(dst, "Sluice-Accept: batch\r\nSluice-Source: bench\r\nSluice-Start: 1\r\nSluice-Generation: "...)
		dst = append(strconv.AppendInt(dst, generation, 10), "\r\nSluice-Forget: "...)
		dst = append(strconv.AppendInt(dst, generation-2, 10), "\r\n"...)
	}
	return append(dst, "Content-Length: "...)
}

type result struct {
	requests int64
	events   int64
	took     time.Duration
	latency  []time.Duration // sorted
	cpu      time.Duration   // of the receiver, from before the handshakes until all is in the bucket
	idleMB   int
	peakMB   int
}

func (r result) rate() float64          { return float64(r.requests) / r.took.Seconds() }
func (r result) cpuPerMillion() float64 { return r.cpu.Seconds() / float64(max(r.events, 1)) * 1e6 }

// quantile is a latency in milliseconds.
func (r result) quantile(q float64) float64 {
	if len(r.latency) == 0 {
		return 0
	}
	return float64(r.latency[int(q*float64(len(r.latency)-1))].Microseconds()) / 1000
}

// drive loads addr for a while and adds up what the connections saw.
func drive(ctx context.Context, c load, addr string, tlsConfig *tls.Config, d time.Duration) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var sum result
	var first error
	start := time.Now()
	for i := range c.conns {
		wg.Go(func() {
			seen, err := driveOne(ctx, c, addr, tlsConfig, i)
			mu.Lock()
			defer mu.Unlock()
			sum.requests += int64(len(seen))
			sum.latency = append(sum.latency, seen...)
			if err != nil && first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	sum.took = time.Since(start)
	sum.events = sum.requests * int64(c.batch)
	slices.Sort(sum.latency)
	return sum, first
}

// driveOne is one connection's loop: a small HTTP/1.1 client, since net/http's
// own costs as much as the receiver.
func driveOne(ctx context.Context, c load, addr string, tlsConfig *tls.Config, seed int) ([]time.Duration, error) {
	conn, err := tls.Dial("tcp", addr, tlsConfig)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 4096)
	gen := newEvents(seed)
	var seen []time.Duration
	var req, body []byte
	for ctx.Err() == nil {
		body = gen.body(body[:0], c.batch)
		req = c.appendHead(req[:0], c.began)
		req = strconv.AppendInt(req, int64(len(body)), 10)
		req = append(append(req, "\r\n\r\n"...), body...)
		began := time.Now()
		if _, err := conn.Write(req); err != nil {
			return seen, err
		}
		if err := readAnswer(r); err != nil {
			return seen, err
		}
		seen = append(seen, time.Since(began))
	}
	return seen, nil
}

// readAnswer reads one answer without allocating, and insists on 200.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || string(line[9:12]) != strconv.Itoa(http.StatusOK) {
		rest, _ := io.ReadAll(io.LimitReader(r, 400))
		return fmt.Errorf("answered %s%s", line, rest)
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			return nil // every receiver here answers with an empty body
		}
	}
}
