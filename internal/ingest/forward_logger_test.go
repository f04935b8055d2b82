package ingest

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// A client that others have written, in each of its ways to send.
func TestFluentLogger(t *testing.T) {
	const transport = "<transport tls>\ncert_path CERTS/server.crt\nprivate_key_path CERTS/server.key\n</transport>"
	for _, tc := range []struct {
		name, lines string
		config      fluent.Config
	}{
		{"plain", "", fluent.Config{}},
		{"sub-second", "", fluent.Config{SubSecondPrecision: true}},
		{"ack", "", fluent.Config{RequestAck: true}},
		{"json", "", fluent.Config{MarshalAsJSON: true}},
		{"json, ack", "", fluent.Config{MarshalAsJSON: true, RequestAck: true}},
		{"async", "", fluent.Config{Async: true}},
		{"async, ack", "", fluent.Config{Async: true, RequestAck: true, SubSecondPrecision: true}},
		{"async, json", "", fluent.Config{Async: true, MarshalAsJSON: true}},
		{"tls", transport, fluent.Config{FluentNetwork: "tls", TlsInsecureSkipVerify: true}},
		{"tls, ack, async", transport, fluent.Config{FluentNetwork: "tls", TlsInsecureSkipVerify: true, RequestAck: true, Async: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := startForward(t, tc.lines)
			host, port, err := net.SplitHostPort(s.addr)
			if err != nil {
				t.Fatal(err)
			}
			tc.config.FluentHost, tc.config.TagPrefix = host, "app"
			tc.config.FluentPort, _ = strconv.Atoi(port)
			tc.config.Timeout, tc.config.ReadTimeout = 10*time.Second, 10*time.Second
			logger, err := fluent.New(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			const count = 200
			var want []string
			for n := range count {
				at := time.Unix(1600000000+int64(n), 500)
				if err := logger.PostWithTime("log", at, map[string]any{"n": n}); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprintf(`app.log{"n":%d}`, n))
			}
			if err := logger.Close(); err != nil {
				t.Fatal(err)
			}
			if got := s.sink.wait(t, count); !slices.Equal(got, want) {
				t.Errorf("got %d events: %s", len(got), strings.Join(got, " "))
			}
			s.stop()
			acks := 0.0
			if tc.config.RequestAck && !tc.config.Async {
				acks = count
			}
			if got := s.count("relay_forward_acks_total"); acks > 0 && got != acks {
				t.Errorf("%v acks, want %v", got, acks)
			}
		})
	}
}
