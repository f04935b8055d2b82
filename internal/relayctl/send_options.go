package relayctl

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Send is `relay send`: it sends events to a relay or a Fluentd, for trying things
// out.
type Send struct {
	Tag, File string // "" is standard input

	HTTP, Forward                           string
	TLS, Insecure                           bool
	CA, Cert, Key, Passphrase, ServerName   string
	SharedKey, Username, Password, Hostname string
	BearerToken                             string
	Ack                                     bool
	Batch                                   int
	Timeout                                 time.Duration
}

// sendHelp is the text above the options.
const sendHelp = `usage: relay send TAG [FILE] [options]

Sends events to a relay or a Fluentd, for trying things out: one JSON object on
each line of FILE, or of standard input without it.

  echo '{"event":"test"}' | relay send app.test --forward relay:24224
  relay send test.log events.json --http https://relay:8888 --ca ca.crt --cert client.crt --key client.key

The exit code is 0 when the server has taken all events; acknowledged events of a
relay are on its disk.

`

// ParseSend reads the command line behind `relay send`. The error is flag.ErrHelp
// when help was asked for, and written to out.
func ParseSend(args []string, out io.Writer) (*Send, error) {
	s := &Send{}
	f := s.flags()
	f.SetOutput(io.Discard)
	var names []string
	for { // the tag and the file stand anywhere between the options
		err := f.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, sendHelp)
			printOptions(f, out)
		}
		if err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			break
		}
		names, args = append(names, f.Arg(0)), f.Args()[1:]
	}
	switch len(names) {
	case 0:
		return nil, errors.New("the tag is missing: relay send TAG [FILE]")
	case 1, 2:
		s.Tag, s.File = names[0], strings.Join(names[1:], "")
	default:
		return nil, fmt.Errorf("unexpected argument %s: relay send TAG [FILE]", names[2])
	}
	if s.HTTP != "" && s.Forward != "" {
		return nil, errors.New("--http and --forward can't be used together: choose one way")
	}
	return s, nil
}

// flags declares the options. A name in back quotes is what the help shows for the
// value, as package flag has it.
func (s *Send) flags() *flag.FlagSet {
	f := flag.NewFlagSet("relay send", flag.ContinueOnError)
	f.StringVar(&s.HTTP, "http", "", "send by HTTP to this `URL`, http://host:8888 or https://host:8888; the tag is put behind it")
	f.StringVar(&s.Forward, "forward", "", "send by the forward protocol to `HOST:PORT`; the way without --http, to 127.0.0.1:24224")
	f.BoolVar(&s.TLS, "tls", false, "encrypt --forward; --ca and --cert do so too")
	f.StringVar(&s.CA, "ca", "", "`FILE` of the authority that signed the server's certificate; the system's without it")
	f.StringVar(&s.Cert, "cert", "", "`FILE` of the certificate to show to the server")
	f.StringVar(&s.Key, "key", "", "`FILE` of that certificate's key")
	f.StringVar(&s.Passphrase, "passphrase", os.Getenv("RELAY_SEND_PASSPHRASE"), "`TEXT` that opens that key ($RELAY_SEND_PASSPHRASE)")
	f.StringVar(&s.ServerName, "server-name", "", "`NAME` that the server's certificate must be for; the one it is reached by without it")
	f.BoolVar(&s.Insecure, "insecure", false, "take whatever certificate the server shows")
	f.StringVar(&s.SharedKey, "shared-key", os.Getenv("RELAY_SEND_SHARED_KEY"), "`TEXT` that both sides of --forward know ($RELAY_SEND_SHARED_KEY)")
	f.StringVar(&s.Username, "username", "", "`NAME` to prove, by the forward protocol or by HTTP's basic authentication")
	f.StringVar(&s.Password, "password", os.Getenv("RELAY_SEND_PASSWORD"), "`TEXT` that proves it ($RELAY_SEND_PASSWORD)")
	f.StringVar(&s.BearerToken, "bearer-token", os.Getenv("RELAY_SEND_BEARER_TOKEN"), "`TEXT` that --http shows to prove itself ($RELAY_SEND_BEARER_TOKEN)")
	f.StringVar(&s.Hostname, "hostname", "", "`NAME` to introduce oneself by with --shared-key; the machine's without it")
	f.BoolVar(&s.Ack, "ack", true, "wait until --forward acknowledges the events; --no-ack does not")
	f.BoolFunc("no-ack", "do not wait", func(string) error { s.Ack = false; return nil })
	f.IntVar(&s.Batch, "batch", 1000, "at most `N` events in one message or request (default 1000)")
	f.DurationVar(&s.Timeout, "timeout", 30*time.Second, "`TIME` that the server may take for one (default 30s)")
	return f
}

// printOptions never prints defaults: secrets of the environment are among them.
func printOptions(f *flag.FlagSet, out io.Writer) {
	f.VisitAll(func(o *flag.Flag) {
		value, text := flag.UnquoteUsage(o)
		if o.Name == "no-ack" {
			return
		}
		if b, ok := o.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
			value = ""
		}
		fmt.Fprintf(out, "  %-24s %s\n", strings.TrimSpace("--"+o.Name+" "+value), text)
	})
}
