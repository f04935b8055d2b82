package s3sink

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// begin decodes and starts without failing the test.
func begin(t *testing.T, endpoint, lines string) (*output, error) {
	t.Helper()
	o, _, err := decode(common(endpoint)+lines+"\n"+hourly, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close(context.Background()) })
	return o, o.Start(t.Context())
}

// TestStart sorts what is wrong at the start: what another configuration alone
// can mend ends it, what a minute can cure does not.
func TestStart(t *testing.T) {
	const badKeys = "can't call S3 API. Please check your credentials or s3_region configuration. error = "
	for name, c := range map[string]struct {
		lines  string
		reject s3test.Fault
		fatal  string // of Start
		ready  string // what Ready says, "" when it is ready
	}{
		"good":                  {},
		"missing bucket":        {lines: "s3_bucket newb\nauto_create_bucket false", fatal: "The specified bucket does not exist: bucket = newb"},
		"bucket to be made":     {lines: "s3_bucket newb"},
		"forbidden":             {reject: s3test.Fault{Status: 403}, ready: badKeys + "AccessDenied (HTTP 403"},
		"unknown key":           {reject: s3test.Fault{Status: 403, Code: "InvalidAccessKeyId"}, ready: badKeys + "InvalidAccessKeyId (HTTP 403"},
		"expired":               {reject: s3test.Fault{Status: 400, Code: "ExpiredToken"}, ready: badKeys + "ExpiredToken"},
		"busy":                  {reject: s3test.Fault{Status: 503}, ready: badKeys + "SlowDown"},
		"wrong region":          {reject: s3test.Fault{Status: 400, Code: "AuthorizationHeaderMalformed"}, fatal: badKeys + "AuthorizationHeaderMalformed"},
		"moved":                 {reject: s3test.Fault{Status: 301, Code: "PermanentRedirect"}, fatal: badKeys},
		"no answer":             {reject: s3test.Fault{Drop: true}, ready: badKeys},
		"HEAD has no body":      {lines: "check_apikey_on_start false", reject: s3test.Fault{Status: 400}, ready: "look for bucket b1"},
		"nothing is looked at":  {lines: "check_apikey_on_start false\ncheck_bucket false", reject: s3test.Fault{Status: 403}},
		"authorities not there": {lines: "ssl_ca_bundle /nowhere/ca.pem", fatal: "read certificate authorities"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, s3test.Options{Script: func(*http.Request) s3test.Fault { return c.reject }})
			o, err := begin(t, s.URL(), c.lines)
			if c.fatal != "" {
				if err == nil || !strings.Contains(err.Error(), c.fatal) {
					t.Errorf("got %v, want %s", err, c.fatal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ready := o.Ready(); (ready == nil) != (c.ready == "") || ready != nil && !strings.Contains(ready.Error(), c.ready) {
				t.Errorf("ready: got %v, want %q", ready, c.ready)
			}
		})
	}
}

// TestRefusedConnection starts although nobody listens, takes a chunk when
// somebody does, and is ready then.
func TestRefusedConnection(t *testing.T) {
	s := startServer(t, s3test.Options{})
	s.SetFaults(s3test.Faults{Down: true})
	o, err := begin(t, s.URL(), "")
	if err != nil {
		t.Fatal(err)
	}
	c := newChunk(1)
	if o.write(t.Context(), c) == nil || o.Ready() == nil {
		t.Error("no error")
	}
	s.SetFaults(s3test.Faults{})
	mustWrite(t, o, c)
	if err := o.Ready(); err != nil {
		t.Error(err)
	}
}

func TestCreateBucket(t *testing.T) {
	s := startServer(t, s3test.Options{})
	o, err := begin(t, s.URL(), "s3_bucket newb\ns3_region eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, o, newChunk(1))
	if n := len(s.Objects("newb")); n != 1 {
		t.Errorf("%d objects", n)
	}
}

// TestLifecycle writes the rules that fluent-plugin-s3 writes (recorded case
// s3/lifecycle), once.
func TestLifecycle(t *testing.T) {
	const lines = "<bucket_lifecycle_rule>\nid r1\nprefix logs/\nexpiration_days 7\n</bucket_lifecycle_rule>"
	const want = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><Expiration><Days>7</Days></Expiration><ID>r1</ID><Prefix>logs/</Prefix><Status>Enabled</Status></Rule></LifecycleConfiguration>`
	s := startServer(t, s3test.Options{})
	if _, err := begin(t, s.URL(), lines); err != nil {
		t.Fatal(err)
	}
	if got := string(s.Lifecycle("b1")); got != want {
		t.Errorf("got %s", got)
	}
	puts := s.Requests(http.MethodPut)
	if _, err := begin(t, s.URL(), lines); err != nil {
		t.Fatal(err)
	}
	if s.Requests(http.MethodPut) != puts {
		t.Error("the same rules were written again")
	}
}

func TestNotStarted(t *testing.T) {
	o, _, err := decode(common("http://127.0.0.1:1"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.write(t.Context(), newChunk(1)); err == nil {
		t.Error("no error")
	}
}
