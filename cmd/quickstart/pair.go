package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// stateBucket is where a pair of handlers keeps its state.
const stateBucket = "handler-state"

// partner is one of two handlers, with its own wires to the relay and to S3.
type partner struct {
	*child
	metricsPort string
	wires       []*wire
}

// startPair starts two handlers that share a state in the bucket.
func (s *stage) startPair(ctx context.Context) error {
	endpoint, err := url.Parse(s.s3.URL())
	if err != nil {
		return err
	}
	for _, name := range []string{"handler-a", "handler-b"} {
		p := &partner{}
		s.pair = append(s.pair, p)
		if p.metricsPort, err = s.ports.free(); err != nil {
			return err
		}
		for _, to := range []string{"127.0.0.1:" + s.relayPort(), endpoint.Host} {
			w, err := newWire(ctx, to)
			if err != nil {
				return err
			}
			p.wires = append(p.wires, w)
		}
		storage := "s3://" + stateBucket + "/quickstart?region=us-west-2&endpoint=" + url.QueryEscape("http://"+p.wires[1].addr())
		_, relayPort, err := net.SplitHostPort(p.wires[0].addr())
		if err != nil {
			return err
		}
		args := append(s.handlerArgs(storage, relayPort, p.metricsPort), "--takeover-after", s.o.takeover.String())
		p.child = s.spawnAs(ctx, name, "handler", args...)
	}
	return nil
}

// trial makes the worker fail in one way, waits until the other one delivers, and
// lets the first come back.
func (s *stage) trial(ctx context.Context, how string) error {
	worker, other, err := s.leader(ctx)
	if err != nil {
		return err
	}
	before := other.delivered()
	release := worker.hold()
	defer release()
	began := time.Now()
	switch how {
	case "killed":
		worker.kill()
	case "stopped":
		worker.signal(syscall.SIGSTOP)
	case "cut off":
		worker.cutOff(true)
	}
	for other.delivered() <= before {
		if time.Since(began) > 2*s.o.takeover+10*time.Second {
			return fmt.Errorf("nobody went on after %s was %s", worker.name, how)
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	took := time.Since(began)
	s.takeovers = append(s.takeovers, took)
	fmt.Printf("%s was %s; %s went on after %.1f s\n", worker.name, how, other.name, took.Seconds())
	switch how {
	case "stopped":
		worker.signal(syscall.SIGCONT)
	case "cut off":
		worker.cutOff(false)
	}
	return wait(ctx, time.Second)
}

// wreakPair lets the worker fail again and again, in three ways.
func (s *stage) wreakPair(ctx context.Context) error {
	for i := range s.o.kills {
		if err := s.trial(ctx, []string{"killed", "stopped", "cut off"}[i%3]); err != nil {
			return err
		}
		s.trials.Add(1)
	}
	return nil
}

// leader waits until one of the two works and the other stands by.
func (s *stage) leader(ctx context.Context) (worker, other *partner, err error) {
	for deadline := time.Now().Add(3*s.o.takeover + 20*time.Second); time.Now().Before(deadline); {
		a, aUp := s.pair[0].leads()
		b, bUp := s.pair[1].leads()
		switch {
		case aUp && bUp && a && !b:
			return s.pair[0], s.pair[1], nil
		case aUp && bUp && b && !a:
			return s.pair[1], s.pair[0], nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, errors.New("not one handler works while the other stands by")
}

func (p *partner) numbers() (map[string]float64, error) {
	return scrape("http://127.0.0.1:" + p.metricsPort + "/metrics")
}

func (p *partner) leads() (yes, up bool) {
	m, err := p.numbers()
	return m["handler_leader"] == 1, err == nil
}

// delivered is how many events this process has sent; 0 when it is away.
func (p *partner) delivered() float64 {
	m, _ := p.numbers()
	return m["handler_events_delivered_total"]
}

func (p *partner) cutOff(cut bool) {
	for _, w := range p.wires {
		w.setCut(cut)
	}
}

// takeoverReport says how long takeovers took.
func (s *stage) takeoverReport() string {
	var texts []string
	within := 0
	for _, t := range s.takeovers {
		if t <= s.o.takeover {
			within++
		}
		texts = append(texts, fmt.Sprintf("%.1f", t.Seconds()))
	}
	return fmt.Sprintf("%d of %d takeovers within %s: %s seconds", within, len(s.takeovers), s.o.takeover, strings.Join(texts, " "))
}
