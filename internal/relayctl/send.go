package relayctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// Send is `relay send`: it sends events to a relay or a Fluentd, for trying things
// out. It is a kong command.
type Send struct {
	Tag  string `arg:"" help:"Tag of the events."`
	File string `arg:"" optional:"" help:"Events, one JSON object on each line; standard input without it."`

	HTTP    string `name:"http" placeholder:"URL" xor:"way" help:"Send by HTTP: http://host:8888 or https://host:8888; the tag is put behind it."`
	Forward string `placeholder:"HOST:PORT" xor:"way" help:"Send by the forward protocol. This is the way without --http, to 127.0.0.1:24224."`

	TLS        bool   `name:"tls" help:"Encrypt --forward; --ca and --cert do so too."`
	CA         string `name:"ca" placeholder:"FILE" help:"Authority that signed the server's certificate; the system's without it."`
	Cert       string `placeholder:"FILE" help:"Certificate to show to the server."`
	Key        string `placeholder:"FILE" help:"Key of that certificate."`
	Passphrase string `env:"RELAY_SEND_PASSPHRASE" placeholder:"TEXT" help:"Passphrase of that key."`
	ServerName string `placeholder:"NAME" help:"Name that the server's certificate must be for; the one it is reached by without it."`
	Insecure   bool   `help:"Take whatever certificate the server shows."`

	SharedKey string `env:"RELAY_SEND_SHARED_KEY" placeholder:"TEXT" help:"Key that both sides of --forward know."`
	Username  string `placeholder:"NAME" help:"User to prove: by the forward protocol, or by HTTP's basic authentication."`
	Password  string `env:"RELAY_SEND_PASSWORD" placeholder:"TEXT" help:"Password of that user."`
	Hostname  string `placeholder:"NAME" help:"Name to introduce oneself by with --shared-key; the machine's without it."`

	Ack     bool          `default:"true" negatable:"" help:"Wait until --forward acknowledges the events."`
	Batch   int           `default:"1000" placeholder:"N" help:"Events in one message or request at most."`
	Timeout time.Duration `default:"30s" help:"How long the server may take for one."`
}

// SendHelp is the text above the options of `relay send --help`.
const SendHelp = `Sends events to a relay or a Fluentd, for trying things out.

  echo '{"event":"test"}' | relay send app.test --forward relay:24224
  relay send test.log events.json --http https://relay:8888 --ca ca.crt --cert client.crt --key client.key

The exit code is 0 when the server has taken all events; acknowledged events of a
relay are on its disk.`

// sendWay takes batches of events to a server.
type sendWay interface {
	send(ctx context.Context, es event.Stream) error
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
	to = s.Forward
	if to == "" {
		to = "127.0.0.1:24224"
	}
	if !strings.Contains(to, ":") {
		to += ":24224"
	}
	return &sendForward{s: s, address: to, files: files}, to, nil
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
