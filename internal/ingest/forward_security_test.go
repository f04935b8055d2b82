package ingest

import (
	"strings"
	"testing"
)

func TestForwardSecurity(t *testing.T) {
	const users = "user_auth true\n<user>\nusername u\npassword p\n</user>\n<user>\nusername v\npassword q\n</user>\n"
	for _, tc := range []struct {
		name, lines         string
		key, user, password string
		reason, label       string // empty: welcome
	}{
		{"key", "", "k3y", "", "", "", ""},
		{"wrong key", "", "other", "", "", "shared_key mismatch", "shared_key"},
		{"user", users, "k3y", "u", "p", "", ""},
		{"user with the other's password", users, "k3y", "u", "q", "username/password mismatch", "user"},
		{"unknown user", users, "k3y", "x", "p", "username/password mismatch", "user"},
		{"no user", users, "k3y", "", "", "username/password mismatch", "user"},
		{"user and wrong key", users, "other", "u", "p", "shared_key mismatch", "shared_key"},
		{"not anonymous", "allow_anonymous_source false\n<client>\nhost 10.9.9.9\n</client>\n", "k3y", "", "", "anonymous source host '127.0.0.1' denied", "anonymous"},
		{"known host", "allow_anonymous_source false\n<client>\nhost 127.0.0.1\n</client>\n", "k3y", "", "", "", ""},
		{"known name", "allow_anonymous_source false\n<client>\nhost localhost\n</client>\n", "k3y", "", "", "", ""},
		{"known network", "allow_anonymous_source false\n<client>\nnetwork 127.0.0.5/8\n</client>\n", "k3y", "", "", "", ""},
		{"known address as a network", "allow_anonymous_source false\n<client>\nnetwork 127.0.0.1\n</client>\n", "k3y", "", "", "", ""},
		{"known network with a mask", "allow_anonymous_source false\n<client>\nnetwork 127.0.0.0/255.0.0.0\n</client>\n", "k3y", "", "", "", ""},
		{"network with a key of its own", "<client>\nnetwork 127.0.0.0/8\nshared_key own\n</client>\n", "own", "", "", "", ""},
		{"network with a key of its own, common key", "<client>\nnetwork 127.0.0.0/8\nshared_key own\n</client>\n", "k3y", "", "", "shared_key mismatch", "shared_key"},
		{"network with users of its own", users + "<client>\nnetwork 127.0.0.0/8\nusers v\n</client>\n", "k3y", "v", "q", "", ""},
		{"network with users of its own, another", users + "<client>\nnetwork 127.0.0.0/8\nusers v\n</client>\n", "k3y", "u", "p", "username/password mismatch", "user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := startForward(t, "<security>\nself_hostname srv\nshared_key k3y\n"+tc.lines+"</security>")
			c := s.dial()
			pong, err := c.greet(tc.key, tc.user, tc.password)
			if err != nil {
				t.Fatal(err)
			}
			if pong.OK != (tc.reason == "") || pong.Reason != tc.reason {
				t.Fatalf("got %+v, want %q", pong, tc.reason)
			}
			if tc.reason != "" {
				c.closed()
				if pong.Digest != "" || s.count("relay_forward_refused_total", tc.label) != 1 {
					t.Errorf("got %+v, counted %v", pong, s.count("relay_forward_refused_total"))
				}
				s.stop()
				if log := s.log.String(); !strings.Contains(log, "address=127.0.0.1 hostname=tester") || strings.Contains(log, "k3y") {
					t.Errorf("log: %s", log)
				}
				return
			}
			c.send(message("a", 1, "one"))
			if c.ack() != "one" || pong.Hostname != "srv" {
				t.Errorf("got %+v", pong)
			}
		})
	}
}

// A sender may not send before it has proved itself, in whatever form.
func TestForwardSecurityHolds(t *testing.T) {
	for name, raw := range map[string]any{
		"message": message("a", 1), "half a PING": []any{"PING", "h"}, "number": 5, "json": []byte(`["a",1,{"n":1}]`), "broken": []byte{0xc1}, "huge": make([]any, 1<<20),
	} {
		s := startForward(t, "<security>\nself_hostname srv\nshared_key k\n</security>")
		c := s.dial()
		c.send(raw, message("a", 2))
		_ = readAllOf(c)
		s.stop()
		if got := s.sink.all(); len(got) != 0 || s.count("relay_forward_refused_total", "handshake") != 1 {
			t.Errorf("%s: took %q, counted %v", name, got, s.count("relay_forward_refused_total"))
		}
	}
}
