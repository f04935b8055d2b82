package ingest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

func packed(t *testing.T, values ...any) string {
	t.Helper()
	var b []byte
	for _, v := range values {
		b = event.AppendMsgpack(b, v)
	}
	return string(b)
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func deflated(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

const noField = "400 Bad Request\n'json', 'ndjson' or 'msgpack' parameter is required\n"

func TestHTTPBodies(t *testing.T) {
	s := startHTTP(t, "decompression_size_limit 1k\nbody_size_limit 4k\nadd_tag_prefix p")
	const asJSON, asForm, asLines, asMsgpack = "application/json", "application/x-www-form-urlencoded", "application/x-ndjson", "application/msgpack"
	one := packed(t, event.NewRecord("a", int64(1)))
	multi := "--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"a\":1}\r\n--b\r\nContent-Disposition: form-data; name=\"time\"\r\n\r\n5\r\n--b--\r\n"
	for name, c := range map[string]struct {
		target, typ, encoding, body string
		status                      int
		answer                      string
		events                      []string
	}{
		"object":                {"/t", asJSON, "", `{"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"type with charset":     {"/t", asJSON + "; charset=utf-8", "", `{"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"type jsonx":            {"/t", "application/jsonx", "", `{"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"type in capitals":      {"/t", "Application/JSON", "", `{"a":1}`, 400, noField, nil},
		"no type":               {"/t", "", "", `{"a":1}`, 400, noField, nil},
		"array":                 {"/t", asJSON, "", `[{"a":1}, {"b":2}]`, 200, "", []string{"p.t now {\"a\":1}", "p.t now {\"b\":2}"}},
		"empty array":           {"/t", asJSON, "", `[]`, 200, "", nil},
		"array with a number":   {"/t", asJSON, "", `[{"a":1},2]`, 400, "400 Bad Request\na record must be a JSON object\n", nil},
		"number":                {"/t", asJSON, "", `5`, 400, "400 Bad Request\na record must be a JSON object\n", nil},
		"broken":                {"/t", asJSON, "", `{"a":`, 400, "400 Bad Request\nmalformed JSON at byte 5: expected a value\n", nil},
		"empty":                 {"/t", asJSON, "", ``, 400, "400 Bad Request\nmalformed JSON at byte 0: expected a value\n", nil},
		"two objects":           {"/t", asJSON, "", `{"a":1}{"a":2}`, 400, "400 Bad Request\nmalformed JSON at byte 7: expected the end\n", nil},
		"spaces":                {"/t", asJSON, "", " {\"a\" : 1.50}\n", 200, "", []string{"p.t now {\"a\":1.5}"}},
		"record's time":         {"/t", asJSON, "", `{"time":1600000000,"a":1}`, 200, "", []string{"p.t 1600000000.000000000 {\"a\":1}"}},
		"record's float time":   {"/t", asJSON, "", `{"time":1600000000.25,"a":1}`, 200, "", []string{"p.t 1600000000.250000000 {\"a\":1}"}},
		"the year 1970":         {"/t", asJSON, "", `{"time":0,"a":1}`, 200, "", []string{"p.t 0.000000000 {\"a\":1}"}},
		"null time":             {"/t", asJSON, "", `{"time":null,"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"text time":             {"/t", asJSON, "", `{"time":"x","a":1}`, 400, "400 Bad Request\ncan't convert String into an exact number\n", nil},
		"endless time":          {"/t", asJSON, "", `{"time":1e300,"a":1}`, 400, "400 Bad Request\ntime 1e+300 is out of range\n", nil},
		"one bad time":          {"/t", asJSON, "", `[{"a":1},{"time":"x"}]`, 400, "400 Bad Request\ncan't convert String into an exact number\n", nil},
		"query time wins":       {"/t?time=1600000000.123456789", asJSON, "", `{"time":5,"a":1}`, 200, "", []string{"p.t 1600000000.123456700 {\"time\":5,\"a\":1}"}},
		"query time 0":          {"/t?time=0", asJSON, "", `{"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"query json":            {"/t?json=" + url.QueryEscape(`{"a":1}`), "", "", "", 200, "", []string{"p.t now {\"a\":1}"}},
		"query json, body json": {"/t?json=" + url.QueryEscape(`{"a":2}`), asJSON, "", `{"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"ndjson":                {"/t", asLines, "", "{\"a\":1}\n\n{\"b\":2}", 200, "", []string{"p.t now {\"a\":1}", "p.t now {\"b\":2}"}},
		"ndjson, broken line":   {"/t", asLines, "", "{\"a\":1}\n{", 400, "400 Bad Request\nmalformed JSON at byte 1: expected a key in double quotes\n", nil},
		"ndjson, empty":         {"/t", asLines, "", "\n", 400, "400 Bad Request\nthe body is empty\n", nil},
		"application/ndjson":    {"/t", "application/ndjson", "", "{}", 400, noField, nil},
		"msgpack":               {"/t", asMsgpack, "", one, 200, "", []string{"p.t now {\"a\":1}"}},
		"msgpack, two":          {"/t", asMsgpack, "", one + one, 200, "", []string{"p.t now {\"a\":1}", "p.t now {\"a\":1}"}},
		"msgpack array":         {"/t", asMsgpack, "", "\x91" + one, 200, "", []string{"p.t now {\"a\":1}"}},
		"msgpack, cut off":      {"/t", asMsgpack, "", one[:len(one)-1], 400, "400 Bad Request\nmalformed msgpack: unexpected EOF\n", nil},
		"msgpack, lying":        {"/t", asMsgpack, "", "\xdf\xff\xff\xff\xff\xa1a\x01", 400, "400 Bad Request\nmalformed msgpack: unexpected EOF\n", nil},
		"msgpack, empty":        {"/t", asMsgpack, "", "", 400, "400 Bad Request\nthe body is empty\n", nil},
		"msgpack, number":       {"/t", asMsgpack, "", "\x05", 400, "400 Bad Request\na record must be a JSON object\n", nil},
		"form json":             {"/t", asForm, "", "json=" + url.QueryEscape(`{"a":1}`) + "&time=7", 200, "", []string{"p.t 7.000000000 {\"a\":1}"}},
		"form ndjson":           {"/t", asForm, "", "ndjson=" + url.QueryEscape("{\"a\":1}\n{\"a\":2}"), 200, "", []string{"p.t now {\"a\":1}", "p.t now {\"a\":2}"}},
		"form msgpack":          {"/t", asForm, "", "msgpack=" + url.QueryEscape(one), 200, "", []string{"p.t now {\"a\":1}"}},
		"form with nothing":     {"/t", asForm, "", "x=1", 400, noField, nil},
		"multipart":             {"/t", "multipart/form-data; boundary=b", "", multi, 200, "", []string{"p.t 5.000000000 {\"a\":1}"}},
		"multipart, no bound":   {"/t", "multipart/form-data", "", multi, 400, noField, nil},
		"gzip":                  {"/t", asJSON, "gzip", zipped(`{"a":1}`), 200, "", []string{"p.t now {\"a\":1}"}},
		"gzip, two members":     {"/t", asJSON, "gzip", zipped(`{"a"`) + zipped(`:1}`), 200, "", []string{"p.t now {\"a\":1}"}},
		"gzip, no gzip":         {"/t", asJSON, "gzip", `{"a":1}`, 400, "", nil},
		"gzip, cut off":         {"/t", asJSON, "gzip", zipped(`{"a":1}`)[:20], 400, "", nil},
		"gzip, bomb":            {"/t", asJSON, "gzip", zipped(`{"a":"` + strings.Repeat("x", 2000) + `"}`), 400, "", nil},
		"deflate":               {"/t", asJSON, "deflate", deflated(`{"a":1}`), 200, "", []string{"p.t now {\"a\":1}"}},
		"deflate, bomb":         {"/t", asJSON, "deflate", deflated(`{"a":"` + strings.Repeat("x", 2000) + `"}`), 400, "", nil},
		"x-gzip":                {"/t", asJSON, "x-gzip", `{"a":1}`, 200, "", []string{"p.t now {\"a\":1}"}},
		"too large":             {"/t", asJSON, "", `{"a":"` + strings.Repeat("x", 5000) + `"}`, 413, "Too large", nil},
		"tag of many parts":     {"/a/b.c//d/", asJSON, "", `{"a":1}`, 200, "", []string{"p.a.b.c..d now {\"a\":1}"}},
		"tag with escapes":      {"/a%20b+c", asJSON, "", `{"a":1}`, 200, "", []string{"p.a%20b+c now {\"a\":1}"}},
		"empty tag":             {"/", asJSON, "", `{"a":1}`, 200, "", []string{"p. now {\"a\":1}"}},
		"bytes that are no UTF": {"/t", asJSON, "", "{\"a\":\"\xff\"}", 200, "", []string{"p.t now {\"a\":\"\xff\"}"}},
	} {
		t.Run(name, func(t *testing.T) {
			var head []string
			if c.encoding != "" {
				head = []string{"Content-Encoding", c.encoding}
			}
			status, answer := s.post(t, c.target, c.typ, c.body, head...)
			if status != c.status || answer != c.answer {
				t.Errorf("%d %q, want %d %q", status, answer, c.status, c.answer)
			}
			sameEvents(t, s.out.take(), c.events...)
		})
	}
	if got := s.refusedFor(t, "413", "too large"); got != 1 {
		t.Errorf("%d counted as too large", got)
	}
	if got := s.refusedFor(t, "400", "compression"); got != 4 {
		t.Errorf("%d counted as badly compressed", got)
	}
}

// What malformed accept leaves out is counted, the rest is taken as by Fluentd.
func TestHTTPMalformedAccept(t *testing.T) {
	s := startHTTP(t, "malformed accept")
	for body, want := range map[string][]string{
		"{\"a\":1}\n{\n5\n{\"b\":2}": {"t now {\"a\":1}", "t now {\"b\":2}"},
		"{":                          nil,
		"[{\"a\":1},3,[],{\"b\":2}]": {"t now {\"a\":1}", "t now {\"b\":2}"},
	} {
		if status, answer := s.post(t, "/t", "application/x-ndjson", body); status != 200 {
			t.Errorf("%q: %d %s", body, status, answer)
		}
		sameEvents(t, s.out.take(), want...)
	}
	for typ, body := range map[string]string{"text/plain": "x", "application/json": `{"time":"x"}`} {
		if status, _ := s.post(t, "/t", typ, body); status != 400 {
			t.Errorf("%q: %d, want Fluentd's 400", body, status)
		}
	}
	if got := counted(t, s.env.Metrics, "relay_events_dropped_total", "reason", "malformed"); got != 5 {
		t.Errorf("%v counted as lost, want 5", got)
	}
}

func TestHTTPParser(t *testing.T) {
	s := startHTTP(t, "<parse>\n@type lines\n</parse>")
	for body, want := range map[string]int{"a\ntimeless": 200, "a\nbad": 400, "": 400, "\n": 400} {
		status, answer := s.post(t, "/t", "text/csv", body)
		if status != want {
			t.Errorf("%q: %d %s, want %d", body, status, answer, want)
		}
	}
	sameEvents(t, s.out.take(), `t now {"m":"a"}`, `t now {"m":"timeless"}`)
}

func TestHTTPMethodsAndProbes(t *testing.T) {
	s := startHTTP(t, "")
	const rest = " /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "REPORT"} {
		answers, _ := s.raw(t, method+rest, 1)
		if len(answers) != 1 || answers[0] != "200 OK" {
			t.Errorf("%s: %q", method, answers)
		}
		sameEvents(t, s.out.take(), `t now {"a":1}`)
	}
	for _, c := range []struct{ head, want string }{
		{"GET /t?json={} HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"},
		{"OPTIONS /t HTTP/1.1\r\nHost: x\r\n\r\n", "403 Forbidden"},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "403 Forbidden"},
	} {
		answers, _ := s.raw(t, c.head, 1)
		if len(answers) != 1 || answers[0] != c.want {
			t.Errorf("%q: %q, want %q", c.head, answers, c.want)
		}
	}
	sameEvents(t, s.out.take())
}

// Pipelined requests are answered one after the other, in Fluentd's order of headers.
func TestHTTPPipelining(t *testing.T) {
	s := startHTTP(t, "")
	const one = "POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":%d}"
	answers, closed := s.raw(t, fmt.Sprintf(one+one+one, 1, 2, 3), 3)
	if len(answers) != 3 || closed {
		t.Fatalf("%q, closed %v", answers, closed)
	}
	sameEvents(t, s.out.take(), `t now {"a":1}`, `t now {"a":2}`, `t now {"a":3}`)
}

func TestHTTPAnswers(t *testing.T) {
	for _, c := range []struct {
		conf, origin string
		status, size int
		head         map[string]string
	}{
		{"", "", 200, 0, map[string]string{"Content-Type": "text/plain", "Connection": "", "Date": ""}},
		{"use_204_response true", "", 204, 0, map[string]string{"Content-Type": "text/plain"}},
		{"respond_with_empty_img true", "", 200, 35, map[string]string{"Content-Type": "image/gif; charset=utf-8"}},
		{"respond_with_empty_img true\nuse_204_response true", "", 200, 35, nil},
		{"cors_allow_origins [\"*\"]", "http://a", 200, 0, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"cors_allow_origins [\"http://a\"]", "http://a", 200, 0, map[string]string{"Access-Control-Allow-Origin": "http://a", "Access-Control-Allow-Credentials": ""}},
		{"cors_allow_origins [\"http://*.a\"]\ncors_allow_credentials true", "http://x.y.a", 200, 0, map[string]string{"Access-Control-Allow-Origin": "http://x.y.a", "Access-Control-Allow-Credentials": "true"}},
		{"cors_allow_origins [\"http://a\"]", "http://b", 403, 0, nil},
		{"cors_allow_origins [\"http://a\"]", "", 200, 0, map[string]string{"Access-Control-Allow-Origin": ""}},
	} {
		t.Run(c.conf, func(t *testing.T) {
			s := startHTTP(t, c.conf)
			r, _ := http.NewRequest(http.MethodPost, "http://"+s.addr+"/t", strings.NewReader(`{"a":1}`))
			r.Header.Set("Content-Type", "application/json")
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			got, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			var body bytes.Buffer
			_, _ = body.ReadFrom(got.Body)
			if got.StatusCode != c.status || body.Len() != c.size {
				t.Errorf("%d and %d bytes, want %d and %d", got.StatusCode, body.Len(), c.status, c.size)
			}
			for name, want := range c.head {
				if name != "Connection" && got.Header.Get(name) != want {
					t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
				}
			}
			if took := len(s.out.take()) == 1; took != (c.status < 300) {
				t.Errorf("answered %d, and took it: %v", c.status, took)
			}
		})
	}
}

func TestHTTPPreflight(t *testing.T) {
	s := startHTTP(t, "cors_allow_origins [\"http://a\"]")
	for origin, want := range map[string]int{"http://a": 200, "http://b": 403} {
		r, _ := http.NewRequest(http.MethodOptions, "http://"+s.addr+"/t", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "X-A")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != want || want == 200 && got.Header.Get("Access-Control-Allow-Headers") != "X-A" {
			t.Errorf("%s: %d %v, want %d", origin, got.StatusCode, got.Header, want)
		}
	}
}

func TestHTTPDecorates(t *testing.T) {
	s := startHTTP(t, "add_http_headers true\nadd_remote_addr true\nadd_query_params true")
	const body = "Content-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"a\":1,\"HTTP_ZZ\":\"x\"}"
	head := "POST /t?b-c=%20x&time=5&b-c=y HTTP/1.1\r\nHost: h\r\nX-B: 2\r\nX-A: 1\r\nX-B: 3\r\nZz: z\r\n"
	want := `t 5.000000000 {"a":1,"HTTP_ZZ":"z","HTTP_HOST":"h","HTTP_X_B":["2","3"],"HTTP_X_A":"1","HTTP_CONTENT_TYPE":"application/json","HTTP_CONTENT_LENGTH":"21","QUERY_B_C":"y","QUERY_TIME":"5","REMOTE_ADDR":"127.0.0.1"}`
	forwarded := "POST /t?time=6 HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n"
	want2 := `t 6.000000000 {"a":1,"HTTP_ZZ":"x","HTTP_HOST":"h","HTTP_X_FORWARDED_FOR":"10.0.0.1, 10.0.0.2","HTTP_CONTENT_TYPE":"application/json","HTTP_CONTENT_LENGTH":"21","QUERY_TIME":"6","REMOTE_ADDR":"10.0.0.1"}`
	s.raw(t, head+body+forwarded+body+head+body, 3)
	sameEvents(t, s.out.take(), want, want2, want)
}

// What looks like a head at the end of a body must not hide the headers of the
// request behind it, which a proxy may have set.
func TestHTTPForgedHead(t *testing.T) {
	s := startHTTP(t, "add_http_headers true")
	body := "json=%7B%7D&x=POST /t HTTP/1.1\r\nHost: h\r\n\r\n"
	first := fmt.Sprintf("POST /t HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	s.raw(t, first+"POST /t HTTP/1.1\r\nHost: h\r\nX-Client: c\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 2)
	got := s.out.take()
	if want := `"HTTP_X_CLIENT":"c"`; len(got) != 2 || !strings.Contains(got[1], want) {
		t.Errorf("%s is not in %q", want, got)
	}
}

// The log says that a time can not be read, and not what it was: that is the
// client's payload, of any length.
func TestHTTPLogShowsNoValues(t *testing.T) {
	for name, lines := range map[string]string{
		"time": "<parse>\ntime_type string\ntime_format %Y\n</parse>", "number": "", "float": "<parse>\ntime_type float\n</parse>",
		"mixed": "<parse>\ntime_type mixed\ntime_format_fallbacks %Y,unixtime\n</parse>",
	} {
		for _, value := range []string{`"secret"`, `{"x":"secret"}`, "123456789012345678901234567890"} {
			s := startHTTP(t, lines)
			status, answer := s.post(t, "/t", "application/json", `{"time":`+value+`}`)
			if status == 200 {
				continue // text that is no number is 0 for some types
			}
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			if log := s.log.String(); status != 400 || answer == "" || !strings.Contains(log, "failed to process request") || strings.Contains(log, "secret") || strings.Contains(log, "1234567890123") {
				t.Errorf("%s, %s: %d %q, said %s", name, value, status, answer, log)
			}
		}
	}
}

// An answer says whose fault it is, and nothing that was not taken is answered 2xx.
func TestHTTPPipelineFails(t *testing.T) {
	s := startHTTP(t, "")
	for _, c := range []struct {
		err    error
		status int
		reason string
	}{
		{buffer.ErrFull, 503, "buffer full"},
		{fmt.Errorf("append: %w", buffer.ErrTooLarge), 413, "record too large"},
		{buffer.ErrStaleSource, 409, "stale source"},
		{&plugin.FormatError{Err: errors.New("no")}, 500, "format"},
		{errors.New("disk is gone"), 503, "pipeline"},
	} {
		s.out.failWith(func(string) error { return c.err })
		status, answer := s.post(t, "/t", "application/json", `{"a":1}`)
		if status != c.status || !strings.Contains(answer, c.err.Error()) {
			t.Errorf("%v: %d %q, want %d", c.err, status, answer, c.status)
		}
		if got := s.refusedFor(t, fmt.Sprint(c.status), c.reason); got != 1 {
			t.Errorf("%v: counted %d times as %s", c.err, got, c.reason)
		}
	}
}

func TestHTTPBatchHeaders(t *testing.T) {
	s := startHTTP(t, "")
	status, answer := s.post(t, "/t", "application/json", `{"a":1}`, "Sluice-Source", "x", "Sluice-Generation", "many")
	if status != 400 || !strings.Contains(answer, "Sluice-Generation") {
		t.Errorf("%d %q", status, answer)
	}
}

// A handler that was replaced knows by the header that it is a relay which says so.
func TestHTTPStaleSourceIsOurs(t *testing.T) {
	s := startHTTP(t, "")
	s.out.failWith(func(string) error { return buffer.ErrStaleSource })
	for accept, want := range map[string]string{"batch": "200", "": ""} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+"/t", strings.NewReader(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if accept != "" {
			req.Header.Set("Sluice-Accept", accept)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Sluice-Batch"); resp.StatusCode != 409 || got != want {
			t.Errorf("%q: %d %q, want 409 %q", accept, resp.StatusCode, got, want)
		}
	}
}

func TestHTTPConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		"port 70000": "70000 is no port",
		"cors_allow_origins [\"*\"]\ncors_allow_credentials true": "Cannot enable cors_allow_credentials without specific origins",
		"<auth>\n</auth>": "<auth> needs one of",
		"<auth>\nbearer_token a\npassword b\nusername u\n</auth>": "<auth> needs one of",
		"<auth>\npassword b\n</auth>":                             "go together",
		"<auth>\nusername a:b\npassword b\n</auth>":               "colon",
		"rate_limit -1": "no rate",
	} {
		env, _ := testEnv("web", "http")
		_, err := decodeSource(t, env, text, NewHTTP)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if e := new(conf.Error); !errors.As(err, &e) || e.Pos.Line == 0 {
			t.Errorf("%q: %v names no line", text, err)
		}
	}
}
