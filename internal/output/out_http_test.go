package output

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/internal/pki"
)

// httpSink answers with the statuses that it is told, the last one for good, and
// remembers the requests.
type httpSink struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	got      []string // method, path, body
	headers  []http.Header
	arrived  chan struct{}
}

func newHTTPSink(t *testing.T, statuses ...int) *httpSink {
	s := &httpSink{statuses: statuses, arrived: make(chan struct{}, 100)}
	s.Server = httptest.NewUnstartedServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *httpSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, fmt.Sprintf("%s %s %s", r.Method, r.URL, body))
	s.headers = append(s.headers, r.Header)
	s.arrived <- struct{}{}
	status := 200
	if len(s.statuses) > 0 {
		status = s.statuses[0]
		s.statuses = s.statuses[1:]
	}
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "said\nso")
}

const quick = "\nflush_mode immediate\nretry_wait 0.01\nretry_randomize false\n</buffer>"

func TestHTTPRequest(t *testing.T) {
	a, b := `t.a {"k":"x","n":1}`, `t.a {"k":"x","n":2}`
	for name, tc := range map[string]struct{ lines, got, headers string }{
		"newline-delimited": {"endpoint URL/in\n<buffer []>", "POST /in " + a[4:] + "\n" + b[4:] + "\n", "Content-Type: application/x-ndjson"},
		"json_array":        {"endpoint URL/in\njson_array true\n<buffer []>", "POST /in [" + a[4:] + "\n," + b[4:] + "\n]", "Content-Type: application/json"},
		"put, placeholders": {"endpoint URL/${tag[1]}/${k}?d=%Y%m%d\nhttp_method put\n<buffer tag,k,time>\ntimekey 1d\ntimekey_wait 0", "PUT /a/x?d=20200913 " + a[4:] + "\n" + b[4:] + "\n", ""},
		"another type":      {"endpoint URL/\ncontent_type text/x\n<buffer []>", "POST / " + a[4:] + "\n" + b[4:] + "\n", "Content-Type: text/x"},
		"headers": {
			`endpoint URL/` + "\n" + `headers {"X-A":"b"}` + "\n" + `headers_from_placeholders {"X-Tag":"<${tag}>"}` + "\n<buffer tag>",
			"POST / " + a[4:] + "\n" + b[4:] + "\n", "X-A: b|X-Tag: <t.a>",
		},
		"basic auth": {"endpoint URL/\n<auth>\nusername u\npassword p\n</auth>\n<buffer []>", "POST / " + a[4:] + "\n" + b[4:] + "\n", "Authorization: Basic dTpw"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHTTPSink(t)
			s.Start()
			pass(t, "@type http\n"+strings.ReplaceAll(tc.lines, "URL", s.URL)+"\n"+memory, a, b)
			if !slices.Equal(s.got, []string{tc.got}) {
				t.Fatalf("got %q, want %q", s.got, tc.got)
			}
			for want := range strings.SplitSeq(tc.headers, "|") {
				if k, v, ok := strings.Cut(want, ": "); ok && s.headers[0].Get(k) != v {
					t.Errorf("%s is %q, want %q", k, s.headers[0].Get(k), v)
				}
			}
		})
	}
}

func TestHTTPPacksTheBody(t *testing.T) {
	s := newHTTPSink(t)
	s.Start()
	pass(t, "@type http\ncompress gzip\nendpoint "+s.URL+"/x\n<buffer []>\n"+memory, `t {"n":1}`)
	_, body, _ := strings.Cut(s.got[0], "/x ")
	if got := unpacked(t, []byte(body)); got != "{\"n\":1}\n" || s.headers[0].Get("Content-Encoding") != "gzip" {
		t.Errorf("got %q, %v", got, s.headers[0])
	}
}

// What a status means: sent, sent again, or given up at once. A chunk that is given
// up goes to the secondary or the backup folder; none is thrown away.
func TestHTTPStatuses(t *testing.T) {
	for name, tc := range map[string]struct {
		lines    string
		statuses []int
		requests int
		kept     bool // in the backup folder
		log      string
	}{
		"any 2xx":                   {"", []int{202}, 1, false, ""},
		"503 is tried again":        {"", []int{503, 503, 200}, 3, false, "retry succeeded"},
		"500 is not":                {"", []int{500}, 1, true, "500 Internal Server Error said so"},
		"a redirect is not success": {"", []int{302}, 1, true, "302 Found"},
		"codes of its own":          {"retryable_response_codes 500,429", []int{500, 429, 200}, 3, false, "retry succeeded"},
		"503 is none of them":       {"retryable_response_codes [500]", []int{503}, 1, true, "503 Service Unavailable"},
		"not unrecoverable":         {"error_response_as_unrecoverable false", []int{400}, 1, true, "got error response from 'Post http://"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := newHTTPSink(t, tc.statuses...)
			s.Start()
			all := func() {
				for range tc.requests {
					<-s.arrived
				}
			}
			log := passUntil(t, all, "@type http\nendpoint "+s.URL+"/?key=hush\n"+tc.lines+"\n<buffer []>\n@type file\nmin_free 0\nflush_at_shutdown true\npath "+dir+quick, `t {"n":1}`)
			if len(s.got) != tc.requests {
				t.Errorf("%d requests, want %d", len(s.got), tc.requests)
			}
			if kept := strings.Contains(filesOf(t, dir), `"n":1`); kept != tc.kept {
				t.Errorf("kept: %v, want %v:\n%s", kept, tc.kept, filesOf(t, dir))
			}
			if !strings.Contains(log.String(), tc.log) || strings.Contains(log.String(), "hush") {
				t.Errorf("the log should have %q and no query:\n%s", tc.log, log)
			}
		})
	}
}

func TestHTTPSecondary(t *testing.T) {
	dir := t.TempDir()
	s := newHTTPSink(t, 400)
	s.Start()
	pass(t, "@type http\nendpoint "+s.URL+"\n<secondary>\n@type secondary_file\ndirectory "+dir+"\nbasename ${tag}\n</secondary>\n<buffer tag>\n@type memory"+quick, `t {"n":1}`)
	if got, want := filesOf(t, dir), `t.0: {"n":1}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHTTPClientCertificate(t *testing.T) {
	dir := t.TempDir()
	if err := pki.WriteTestSet(dir, pki.ECDSA); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	pair, err := tls.X509KeyPair(read("server.crt"), read("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(read("ca.crt"))
	for lines, want := range map[string]int{
		"tls_client_cert_path DIR/client.crt\ntls_private_key_path DIR/client.key\n": 1,
		"": 0,
	} {
		s := newHTTPSink(t)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities}
		s.Config.ErrorLog = nil
		s.StartTLS()
		lines = strings.ReplaceAll("tls_ca_cert_path DIR/ca.crt\n"+lines, "DIR", dir)
		pass(t, "@type http\nendpoint "+strings.Replace(s.URL, "127.0.0.1", "localhost", 1)+"\n"+lines+"<buffer []>\nretry_max_times 0\ndisable_chunk_backup true\n@type memory"+quick, `t {"n":1}`)
		if len(s.got) != want {
			t.Errorf("%q: %d requests, want %d", lines, len(s.got), want)
		}
	}
}

func TestHTTPRefusesParameters(t *testing.T) {
	for lines, want := range map[string]string{
		"":                                    "endpoint: parameter is required",
		"endpoint ftp://x/":                   "it is no URL to post to",
		"endpoint x":                          "it is no URL to post to",
		"endpoint http://x/\nhttp_method get": "valid options are post,put but got get",
		"endpoint http://x/\njson_array true\n<format>\n@type out_file\n</format>":     "json_array option could be used with json formatter only",
		"endpoint http://x/\nretryable_response_codes 5xx":                             `"5xx" is no status`,
		"endpoint http://x/\n<auth>\nmethod aws_sigv4\n</auth>":                        "aws_sigv4 is not supported",
		"endpoint http://x/\n<auth>\nmethod digest\n</auth>":                           "valid options are basic,aws_sigv4 but got digest",
		"endpoint https://x/\ntls_client_cert_path /c":                                 "tls_private_key_path is required",
		"endpoint http://x/\n<format>\n@type odd\n</format>":                           "can't determine Content-Type from formatter type",
		"endpoint http://x/\n<secondary>\n@type http\njson_array true\n</secondary>\n": "endpoint: parameter is required",
	} {
		if _, _, err := matchOf(t, "@type http\n"+lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", lines, err, want)
		}
	}
}
