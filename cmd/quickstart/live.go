package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// watch shows the live line until all events are in the bucket, or ctx ends.
func (s *stage) watch(ctx context.Context) error {
	chaos := make(chan error, 1)
	switch {
	case s.o.chaos && s.o.pair:
		s.wg.Go(func() { chaos <- s.wreakPair(ctx) })
	case s.o.chaos && s.o.relays:
		s.wg.Go(func() { chaos <- s.wreakRelays(ctx) })
	case s.o.chaos:
		s.wg.Go(func() { chaos <- s.wreak(ctx) })
	}
	l := &liveLine{tty: term.IsTerminal(int(os.Stdout.Fd()))}
	var deadline <-chan time.Time
	if s.o.exit {
		deadline = time.After(s.o.timeout)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case err := <-chaos:
			if err != nil {
				return err
			}
		case <-deadline:
			return fmt.Errorf("not everything is in the bucket after %s; the logs are in %s", s.o.timeout, s.o.dir)
		case <-tick.C:
		}
		n, err := s.bucket.look()
		if err != nil {
			return err
		}
		l.show(s.sample(n))
		if s.o.relays {
			s.movedTotal = max(s.movedTotal, s.moved())
		}
		if s.o.exit && s.generated.Load() && n >= s.teleport.Count() && s.chaosDone() {
			return nil
		}
	}
}

func (s *stage) chaosDone() bool {
	switch {
	case !s.o.chaos:
		return true
	case s.o.pair, s.o.relays:
		return int(s.trials.Load()) >= s.o.kills
	}
	return s.relay.kills() >= s.o.kills && s.handler.kills() >= s.o.kills
}

// sample is one look at every station of the pipeline.
type sample struct {
	total, read        int
	accepted, buffered float64
	inBucket           int
	oldest             float64
	up                 bool
}

func (s *stage) sample(inBucket int) sample {
	m, err := scrape("http://127.0.0.1:" + s.adminPort + "/metrics")
	return sample{
		total: s.teleport.Count(), read: s.teleport.Handed(), inBucket: inBucket, up: err == nil,
		accepted: m["relay_input_events_total"], buffered: m["relay_buffer_events"], oldest: m["relay_output_oldest_unflushed_seconds"],
	}
}

// liveLine is one line that is written over; without a terminal, a line every
// few seconds.
type liveLine struct {
	tty  bool
	last time.Time
	base float64 // of accepted, before the last kill: a killed relay counts from zero again
	prev float64
}

func (l *liveLine) show(x sample) {
	if x.up {
		if x.accepted < l.prev {
			l.base += l.prev
		}
		l.prev = x.accepted
	}
	line := fmt.Sprintf("Teleport %d → read %d → accepted, with recordings, %.0f → in the buffer %.0f → in the bucket %d   oldest not yet in the bucket %.1f s",
		x.total, x.read, l.base+l.prev, x.buffered, x.inBucket, x.oldest)
	switch {
	case l.tty:
		fmt.Printf("\r\x1b[K%s", line)
	case time.Since(l.last) >= 2*time.Second:
		l.last = time.Now()
		fmt.Println(line)
	}
}

// scrape adds up the samples of each metric, whatever their labels.
func scrape(url string) (map[string]float64, error) {
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	sums := map[string]float64{}
	for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
		line := sc.Text()
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 || line[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(line[:cut], "{")
		var v float64
		if _, err := fmt.Sscan(line[cut+1:], &v); err == nil {
			sums[name] += v
		}
	}
	return sums, nil
}
