package relayctl

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// sendWay takes batches of events to a server.
type sendWay interface {
	send(ctx context.Context, es event.Stream) error
	finish() error // after the last events: whether the server objects
	close()
}

// Run sends everything and says how many events were taken.
func (s *Send) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	if s.Tag == "" {
		return errors.New("the tag is empty")
	}
	if s.Batch < 1 {
		return fmt.Errorf("--batch %d: a message holds at least one event", s.Batch)
	}
	if s.Timeout <= 0 {
		return fmt.Errorf("--timeout %s: a server takes some time", s.Timeout)
	}
	in, name, err := s.open(stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	way, to, err := s.way()
	if err != nil {
		return err
	}
	defer way.close()
	lines := eventLines{r: bufio.NewReader(in), name: name}
	taken := 0
	for {
		es, readErr := lines.next(s.Batch)
		if len(es) > 0 {
			if err := way.send(ctx, es); err != nil {
				return fmt.Errorf("%w%s", err, before(taken))
			}
			taken += len(es)
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return fmt.Errorf("%w%s", readErr, before(taken))
		}
	}
	if err := way.finish(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "events that %s took: %d\n", to, taken)
	return err
}

func before(taken int) string {
	if taken == 0 {
		return ""
	}
	return fmt.Sprintf(" (events that were taken before: %d)", taken)
}

func (s *Send) open(stdin io.Reader) (in io.ReadCloser, name string, err error) {
	if s.File == "" || s.File == "-" {
		return io.NopCloser(stdin), "standard input", nil
	}
	f, err := os.Open(s.File)
	return f, s.File, err
}

// way is how events go, and the name of where they go to.
func (s *Send) way() (way sendWay, to string, err error) {
	files := &tlsconf.ClientFiles{CA: s.CA, Cert: s.Cert, Key: s.Key, Passphrase: s.Passphrase, Insecure: s.Insecure}
	switch {
	case (s.Cert == "") != (s.Key == ""):
		return nil, "", errors.New("--cert and --key go together")
	case s.HTTP != "" && s.Forward != "":
		return nil, "", errors.New("--http and --forward are two ways: choose one")
	case s.HTTP != "" && s.SharedKey != "":
		return nil, "", errors.New("--shared-key belongs to --forward")
	case s.HTTP == "" && s.BearerToken != "":
		return nil, "", errors.New("--bearer-token belongs to --http")
	case s.BearerToken != "" && s.Username != "":
		return nil, "", errors.New("--bearer-token and --username are two ways to prove oneself: choose one")
	}
	if err := files.Open(); err != nil {
		return nil, "", err
	}
	if s.HTTP != "" {
		u, err := url.Parse(s.HTTP)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, "", fmt.Errorf("--http %s: write http://host:8888 or https://host:8888", s.HTTP)
		}
		return newSendHTTP(s, u, files), u.Redacted(), nil
	}
	to = withPort(cmp.Or(s.Forward, "127.0.0.1"))
	return &sendForward{s: s, address: to, files: files}, to, nil
}

// withPort adds the usual port to a host that names none.
func withPort(host string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if net.ParseIP(bare) != nil || !strings.Contains(host, ":") {
		return net.JoinHostPort(bare, "24224")
	}
	return host
}

// eventLines reads events, one JSON object on each line.
type eventLines struct {
	r    *bufio.Reader
	name string
	line int
}

// next reads up to so many events; fewer when no more are there just now, so that
// what a person types goes at once. The error may come with events.
func (l *eventLines) next(most int) (event.Stream, error) {
	var es event.Stream
	for len(es) < most {
		text, err := l.r.ReadBytes('\n')
		l.line++
		if text = bytes.TrimSpace(text); len(text) > 0 {
			r, parseErr := event.ParseRecord(text)
			if parseErr != nil {
				return es, fmt.Errorf("%s:%d: write one JSON object on each line: %w", l.name, l.line, parseErr)
			}
			es = append(es, event.Event{Time: event.Now(), Record: r})
		}
		if err != nil {
			return es, err
		}
		if len(es) > 0 && l.r.Buffered() == 0 {
			break
		}
	}
	return es, nil
}
