package handler

import (
	"strings"
	"testing"
)

// Addresses are those of HTTP and of forward; the latter must name a tag.
func TestURLs(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://relay/test.log":                "",
		"http://relay:8888/test.log":            "",
		"https://relay/":                        "",
		"forward://relay:24224/test.log":        "",
		"forward+tls://relay/test.log":          "",
		"forward+tls://relay:24224":             "names no tag; write forward+tls://relay:24224/test.log",
		"forward://relay/":                      "names no tag",
		"tcp://relay:24224/test.log":            "is no URL that events can be sent to",
		"relay:24224":                           "is no URL that events can be sent to",
		"https:///test.log":                     "--fluentd-url: \"https:///test.log\" is no URL that events can be sent to",
		"https://relay:port/test.log":           "--fluentd-url: invalid port",
		"tcp://bob:hushhush@relay/test.log":     "tcp://bob:xxxxx@relay/test.log",
		"forward://bob:hushhush@relay":          "names no tag",
		"https://bob:hushhush@relay:port/x":     "--fluentd-url: ",
		"https://a/test.log,https://b/test.log": "",
	} {
		c := &StartCmd{}
		c.FluentdURL = trimAll(strings.Split(address, ","))
		c.FluentdSessionURL = "https://relay/session, forward+tls://other/session"
		err := c.checkURLs()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hushhush") {
			t.Errorf("%s: the password is shown: %v", address, err)
		}
	}
	c := &StartCmd{}
	c.FluentdURL, c.FluentdSessionURL = []string{"https://relay/test.log"}, "https://relay/session,ftp://other/session"
	if err := c.checkURLs(); err == nil || !strings.Contains(err.Error(), "ftp://other") {
		t.Errorf("session URL: got %v", err)
	}
}

// A forward address without a port means the protocol's own; its path is the tag.
func TestForwardAddress(t *testing.T) {
	t.Parallel()
	d := &dialing{cmd: &StartCmd{}}
	for address, want := range map[string][2]string{
		"forward://relay/test.log":      {"relay:24224", "test.log"},
		"forward://relay:1/a/b":         {"relay:1", "a.b"},
		"forward://[::1]:24225/session": {"[::1]:24225", "session"},
	} {
		r, err := d.receiver(address)
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := r.(*forwardReceiver); !ok || f.address != want[0] || f.tag != want[1] || f.tls != nil {
			t.Errorf("%s: got %+v", address, r)
		}
	}
}

// An address that is named twice is one relay, which can not stand in for itself.
func TestSameURLTwice(t *testing.T) {
	t.Parallel()
	d := newTestDelivery(t, nil, "http://a/test.log", "http://a/test.log", "http://b/test.log")
	if got := d.sender.relays; len(got) != 2 || len(got[0].others) != 1 || got[0].others[0].url != "http://b/test.log" {
		t.Errorf("got %d relays", len(got))
	}
}
