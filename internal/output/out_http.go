package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/plugin"
	"github.com/sluicelog/sluice/internal/tlsconf"
)

// httpOut posts each chunk to an endpoint as one request.
type httpOut struct {
	env           plugin.Env
	endpoint      string
	method        string
	proxy         string
	contentType   string
	jsonArray     bool
	compress      string
	headers       []param.Pair
	fromChunk     []param.Pair
	open          time.Duration
	read, ssl     time.Duration
	codes         []string
	codesSet      bool
	unrecoverable bool
	reuse         bool
	auth          httpAuth
	hasAuth       bool
	tls           tlsconf.Client
	formatter     plugin.Formatter
	formatType    string
	inject        plugin.Inject

	template  *placeholder.Template
	templates []headerTemplate
	retryable []int
	buffer    buffer.Config
	client    *http.Client
	files     *tlsconf.ClientFiles
}

type httpAuth struct{ method, username, password string }

type headerTemplate struct {
	name  string
	value *placeholder.Template
}

// NewHTTP makes an http output.
func NewHTTP(env plugin.Env) plugin.Output { return &httpOut{env: env} }

func (o *httpOut) Params(p *param.Set) {
	p.String("endpoint", &o.endpoint, "", "URL to send to; ${tag}, ${key} and %Y%m%d are filled in from the chunk.").Required()
	p.String("http_method", &o.method, "post", "How to send.").Enum("post", "put")
	p.String("proxy", &o.proxy, "", "URL of a proxy; HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment count without it.")
	p.String("content_type", &o.contentType, "", "Content-Type of the request; what fits the format without it.")
	p.Bool("json_array", &o.jsonArray, false, "Send the events of a chunk as one JSON array; only with format json.")
	p.String("compress", &o.compress, "text", "How the body is packed; gzip sets Content-Encoding.").Enum("text", "gzip")
	p.Hash("headers", &o.headers, `More headers: {"X-Name":"value"}.`).Secret()
	p.Hash("headers_from_placeholders", &o.fromChunk, `More headers, filled in from the chunk: {"X-Tag":"${tag}"}.`)
	p.Time("open_timeout", &o.open, 60*time.Second, "How long connecting may take.")
	p.Time("read_timeout", &o.read, 60*time.Second, "How long the answer may take.")
	p.Time("ssl_timeout", &o.ssl, 60*time.Second, "How long the TLS handshake may take.")
	p.Strings("retryable_response_codes", &o.codes, []string{"503"}, "Statuses after which the chunk is sent again.").Present(&o.codesSet)
	p.Bool("error_response_as_unrecoverable", &o.unrecoverable, true, "What other errors mean: the chunk goes to the secondary or the backup folder. With false the error is logged first, as Fluentd does, which then deletes the chunk.")
	p.Bool("reuse_connections", &o.reuse, false, "Keep connections open between requests.")
	param.Section(p, "auth", &o.auth, func(p *param.Set, a *httpAuth) {
		p.String("method", &a.method, "basic", "How to prove who we are.").Enum("basic", "aws_sigv4")
		p.String("username", &a.username, "", "User for basic.")
		p.String("password", &a.password, "", "Password for basic.").Secret()
		for _, name := range []string{"aws_service", "aws_region", "aws_role_arn"} {
			p.Ignore(name, "it belongs to aws_sigv4")
		}
	}, "Who we are.").Present(&o.hasAuth)
	o.tls.HTTPParams(p)
	param.Plugin(p, "format", &o.formatter, "json", func(typ string) (plugin.Formatter, error) {
		o.formatType = typ
		return o.env.Formatter(typ)
	}, "How an event is written.")
	o.inject.Params(p)
}

// contentTypes is what Fluentd says of each format.
var contentTypes = map[string]string{
	"json": "application/x-ndjson", "csv": "text/csv", "tsv": "text/tab-separated-values", "ltsv": "text/tab-separated-values",
	"msgpack": "application/x-msgpack", "out_file": "text/plain", "single_value": "text/plain", "stdout": "text/plain", "hash": "text/plain",
}

// Check holds the rules between parameters.
func (o *httpOut) Check() error {
	if o.hasAuth && o.auth.method == "aws_sigv4" {
		return param.Errorf("method", "let a signing proxy stand in front of the service, or use match @type s3 for buckets", "aws_sigv4 is not supported")
	}
	if o.jsonArray && o.formatType != "json" {
		return param.Errorf("json_array", "write <format> @type json", "json_array option could be used with json formatter only")
	}
	switch {
	case o.contentType != "":
	case o.jsonArray:
		o.contentType = "application/json"
	default:
		o.contentType = contentTypes[o.formatType]
	}
	if o.contentType == "" {
		return param.Errorf("content_type", "", "can't determine Content-Type from formatter type. Set content_type parameter explicitly")
	}
	o.retryable = nil
	for _, text := range o.codes {
		code, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return param.Errorf("retryable_response_codes", "write 503 or [502,503]", "%q is no status", text)
		}
		o.retryable = append(o.retryable, code)
	}
	return errors.Join(o.compile(), o.tls.Check())
}

func (o *httpOut) compile() (err error) {
	if o.template, err = placeholder.Compile(o.endpoint); err != nil {
		return param.Errorf("endpoint", "", "%w", err)
	}
	if u, err := url.Parse(placeholderName.ReplaceAllString(o.endpoint, "x")); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return param.Errorf("endpoint", "write http://host:port/path or https://host/path", "it is no URL to post to")
	}
	if _, err := url.Parse(o.proxy); err != nil {
		return param.Errorf("proxy", "write http://host:port", "it is no URL")
	}
	o.templates = nil
	for _, h := range o.fromChunk {
		t, err := placeholder.Compile(event.Text(h.Value))
		if err != nil {
			return param.Errorf("headers_from_placeholders", "", "%w", err)
		}
		o.templates = append(o.templates, headerTemplate{h.Key, t})
	}
	return nil
}

// AsSecondary tells that the chunks are another output's.
func (o *httpOut) AsSecondary(primary string) error {
	if o.jsonArray && primary != "http" {
		return param.Errorf("json_array", "leave it out", "chunks of %s are no JSON arrays", primary)
	}
	return nil
}

// SetBuffer tells how chunks are keyed.
func (o *httpOut) SetBuffer(c buffer.Config, _ int) error { o.buffer = c; return nil }

// Start makes the client and reads the certificates.
func (o *httpOut) Start(context.Context) error {
	if !o.codesSet {
		o.env.Log.Warn("Status code 503 is going to be removed from default `retryable_response_codes` from fluentd v2. Please add it by yourself if you wish")
	}
	fields, _ := o.buffer.FieldKeys()
	for _, name := range without(o.template.Keys(), fields) {
		o.env.Log.Warn("chunk key placeholder '" + name + "' not replaced. template:" + withoutQuery(o.endpoint))
	}
	files, err := o.tls.Open(o.env.Log, o.env.Metrics)
	if err != nil {
		return err
	}
	o.files = files
	tr := &http.Transport{
		Proxy:                 o.proxyOf(),
		DialContext:           dialer{o.open, noProgress}.dial,
		TLSHandshakeTimeout:   o.ssl,
		ResponseHeaderTimeout: o.read,
		DisableKeepAlives:     !o.reuse,
		DisableCompression:    true,
		IdleConnTimeout:       60 * time.Second,
	}
	if host := o.fixedHost(); host != "" {
		tr.TLSClientConfig = files.ConfigFor(host)
	} else if tr.TLSClientConfig, err = files.Config(); err != nil {
		return err
	}
	o.client = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// proxyOf is the proxy parameter, else what the environment says. As in Fluentd
// HTTP_PROXY counts for https too.
func (o *httpOut) proxyOf() func(*http.Request) (*url.URL, error) {
	if u, err := url.Parse(o.proxy); err == nil && o.proxy != "" {
		return http.ProxyURL(u)
	}
	env := httpproxy.FromEnvironment()
	if env.HTTPSProxy == "" {
		env.HTTPSProxy = env.HTTPProxy
	}
	choose := env.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}

// fixedHost is the host of the endpoint; "" when placeholders choose it.
func (o *httpOut) fixedHost() string {
	u, err := url.Parse(placeholderName.ReplaceAllString(o.endpoint, "\x20"))
	if err != nil || strings.ContainsAny(u.Hostname(), " %") {
		return ""
	}
	return u.Hostname()
}

// Close gives up idle connections.
func (o *httpOut) Close(context.Context) error {
	if o.client != nil {
		o.client.CloseIdleConnections()
	}
	return nil
}

// Format writes an event as <inject> and <format> say.
func (o *httpOut) Format(dst []byte, tag string, e event.Event) ([]byte, error) {
	dst, err := o.formatter.Format(dst, tag, o.inject.Apply(tag, e))
	if err == nil && o.jsonArray {
		dst = append(dst, ',')
	}
	return dst, err
}

// Write posts the chunk.
func (o *httpOut) Write(ctx context.Context, c *buffer.Chunk) error { return o.write(ctx, c) }

func (o *httpOut) write(ctx context.Context, c chunk) error {
	o.files.Look()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := o.request(ctx, c)
	if err != nil {
		return err
	}
	res, err := o.client.Do(req)
	if err != nil {
		// The URL may hold a key of the service; what went wrong is in the cause.
		if e := new(url.Error); errors.As(err, &e) {
			err = e.Err
		}
		return fmt.Errorf("send chunk to %s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	slow := time.AfterFunc(o.read, cancel)
	defer slow.Stop()
	said, _ := io.ReadAll(io.LimitReader(res.Body, answerShown))
	if o.reuse {
		_, _ = io.CopyN(io.Discard, res.Body, 256<<10) // lets the connection be used again
	}
	return o.judge(req, res, said)
}

// answerShown is how much of an error's text goes into the log: it says what is
// wrong, but some services put the events into it that they refuse.
const answerShown = 200

// judge says what an answer means for the chunk.
func (o *httpOut) judge(req *http.Request, res *http.Response, said []byte) error {
	if res.StatusCode/100 == 2 {
		return nil
	}
	err := errors.New(res.Status + " " + oneLine(said))
	if slices.Contains(o.retryable, res.StatusCode) {
		return err
	}
	if !o.unrecoverable {
		method := strings.ToUpper(o.method[:1]) + o.method[1:]
		o.env.Log.Error("got error response from '" + method + " " + withoutQuery(req.URL.Redacted()) + "' : " + err.Error())
	}
	return plugin.Permanent(err)
}

func oneLine(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), "")))
}

func withoutQuery(u string) string {
	u, _, _ = strings.Cut(u, "?")
	return u
}

func (o *httpOut) request(ctx context.Context, c chunk) (*http.Request, error) {
	meta := c.Meta()
	target, err := o.template.Expand(meta, o.buffer.Zone())
	if err != nil {
		return nil, plugin.Permanent(err)
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return nil, plugin.Permanent(errors.New("the endpoint is no URL with what the chunk puts into it"))
	}
	b := body{chunk: c, compress: o.compress, array: o.jsonArray}
	size, err := b.size()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(o.method), u.String(), nil)
	if err != nil {
		return nil, plugin.Permanent(err)
	}
	if size > 0 {
		req.ContentLength, req.GetBody = size, b.open
		if req.Body, err = b.open(); err != nil {
			return nil, err
		}
	}
	return req, o.setHeaders(req, meta)
}

func (o *httpOut) setHeaders(req *http.Request, meta event.Meta) error {
	for _, h := range o.headers {
		req.Header.Set(h.Key, event.Text(h.Value))
	}
	for _, h := range o.templates {
		value, err := h.value.Expand(meta, o.buffer.Zone())
		if err != nil {
			return plugin.Permanent(err)
		}
		// A value of the client's must not be able to end the header.
		req.Header.Set(h.name, oneLine([]byte(value)))
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	req.Header.Set("Content-Type", o.contentType)
	if o.compress == "gzip" {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if o.hasAuth {
		req.SetBasicAuth(o.auth.username, o.auth.password)
	}
	return nil
}
