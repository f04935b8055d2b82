package compat

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Steps that talk to the server: exact bytes over a plain or TLS socket.

const clientTimeout = 20 * time.Second

// bytesOf is a step's data: text, base64, a text repeated, or gzipped.
func (r *run) bytesOf(st map[string]any, name string) []byte {
	switch {
	case st[name+"_b64"] != nil:
		b, _ := base64.StdEncoding.DecodeString(str(st[name+"_b64"]))
		return b
	case st[name+"_repeat"] != nil:
		parts := list(st[name+"_repeat"])
		text := strings.Repeat(str(parts[0]), int(num(parts[1], 1)))
		if len(parts) > 2 {
			text += str(parts[2])
		}
		return []byte(text)
	case st[name+"_gzip"] != nil:
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		_, _ = zw.Write([]byte(str(st[name+"_gzip"])))
		_ = zw.Close()
		return b.Bytes()
	}
	return []byte(fillText(str(st[name]), r.vars))
}

var tlsVersions = map[string]uint16{"TLSv1.0": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

func (r *run) connect(st map[string]any) (net.Conn, error) {
	port := str(st["port"])
	if port == "" {
		port = "{{PORT}}"
	}
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+fillText(port, r.vars), clientTimeout)
	if err != nil || st["tls"] == nil {
		return conn, err
	}
	config, err := r.tlsConfig(dict(fill(st["tls"], r.vars)))
	if err != nil {
		return nil, err
	}
	tc := tls.Client(conn, config)
	_ = tc.SetDeadline(time.Now().Add(clientTimeout))
	if err := tc.Handshake(); err != nil {
		_ = conn.Close()
		return nil, &tlsRefused{err}
	}
	return tc, nil
}

type tlsRefused struct{ err error }

func (e *tlsRefused) Error() string { return e.err.Error() }

func (r *run) tlsConfig(t map[string]any) (*tls.Config, error) {
	name := str(t["sni"])
	if name == "" {
		name = "localhost"
	}
	c := &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tlsVersions[str(t["min"])], MaxVersion: tlsVersions[str(t["max"])]} //nolint:gosec // as the recording did
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS10
	}
	if cert := str(t["cert"]); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, str(t["key"]))
		if err != nil {
			return nil, err
		}
		// Sent whatever the server's list of authorities says, as OpenSSL does.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	ca := str(t["ca"])
	if ca == "" {
		return c, nil
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	checkHost, _ := t["verify_host"].(bool)
	c.VerifyConnection = func(s tls.ConnectionState) error {
		o := x509.VerifyOptions{Roots: pool, Intermediates: x509.NewCertPool()}
		if checkHost {
			o.DNSName = name
		}
		_, err := s.PeerCertificates[0].Verify(o)
		return err
	}
	return c, nil
}

// conn is the connection of a step: a new one, or one that is kept by name.
func (r *run) conn(st map[string]any) (net.Conn, error) {
	name := str(st["conn"])
	if c := r.conns[name]; name != "" && c != nil {
		return c, nil
	}
	c, err := r.connect(st)
	if err == nil && name != "" {
		r.conns[name] = c
	}
	return c, err
}

func failed(st map[string]any, err error) map[string]any {
	var refused *tlsRefused
	switch {
	case errors.As(err, &refused):
		return map[string]any{"tls_rejected": true}
	case strings.Contains(err.Error(), "connection refused"):
		return map[string]any{"connection_refused": true}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return map[string]any{"timeout": true}
	case st["tls"] != nil:
		return map[string]any{"tls_rejected": true}
	}
	return map[string]any{"closed_without_response": true}
}

func (r *run) http(st map[string]any) map[string]any {
	c, err := r.conn(st)
	if err != nil {
		return failed(st, err)
	}
	method := str(st["method"])
	if method == "" {
		method = "POST"
	}
	_ = c.SetDeadline(time.Now().Add(clientTimeout))
	_, _ = c.Write(r.requestBytes(st, method)) // a server may answer and close before it has read all
	answer, err := readAnswer(c, method)
	name := str(st["conn"])
	if err != nil {
		delete(r.conns, name)
		_ = c.Close()
		return failed(st, err)
	}
	out := answer.result(str(st["body_mode"]))
	if yes, _ := st["check_close"].(bool); yes {
		out["conn_after"] = "open"
		if isClosed(c, 500*time.Millisecond) {
			out["conn_after"] = "closed"
			delete(r.conns, name)
		}
	}
	if tc, ok := c.(*tls.Conn); ok {
		out["tls"] = tls.VersionName(tc.ConnectionState().Version)
		out["tls"] = strings.Replace(str(out["tls"]), "TLS ", "TLSv", 1)
	}
	if name == "" {
		_ = c.Close()
	}
	return out
}

func (r *run) requestBytes(st map[string]any, method string) []byte {
	body := r.bytesOf(st, "body")
	var headers [][2]string
	has := map[string]bool{}
	for _, h := range list(fill(st["headers"], r.vars)) {
		pair := list(h)
		headers = append(headers, [2]string{str(pair[0]), str(pair[1])})
		has[strings.ToLower(str(pair[0]))] = true
	}
	if auto, set := st["auto"].(bool); auto || !set {
		if !has["host"] {
			headers = slices.Insert(headers, 0, [2]string{"Host", "127.0.0.1"})
		}
		if !has["content-length"] && !has["transfer-encoding"] && (len(body) > 0 || method == "POST" || method == "PUT") {
			headers = append(headers, [2]string{"Content-Length", fmt.Sprint(len(body))})
		}
	}
	if yes, _ := st["chunked"].(bool); yes {
		headers = slices.DeleteFunc(headers, func(h [2]string) bool { return strings.EqualFold(h[0], "Content-Length") })
		headers = append(headers, [2]string{"Transfer-Encoding", "chunked"})
		var b bytes.Buffer
		for piece := range slices.Chunk(body, 7) {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
		}
		b.WriteString("0\r\n\r\n")
		body = b.Bytes()
	}
	version, path := str(st["version"]), str(st["path"])
	if version == "" {
		version = "1.1"
	}
	if path == "" {
		path = "/"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/%s\r\n", method, fillText(path, r.vars), version)
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

type answer struct {
	version, reason string
	status          int
	headers         [][2]string
	body            []byte
}

func readAnswer(c net.Conn, method string) (*answer, error) {
	br := bufio.NewReader(c)
	line, err := br.ReadString('\n')
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(strings.TrimRight(line, "\r\n"), " ", 3)
	a := &answer{version: parts[0]}
	if len(parts) > 1 {
		_, _ = fmt.Sscan(parts[1], &a.status)
	}
	if len(parts) > 2 {
		a.reason = parts[2]
	}
	length, chunked := -1, false
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		a.headers = append(a.headers, [2]string{strings.TrimSuffix(name, ":"), value})
		switch strings.ToLower(name) {
		case "content-length":
			_, _ = fmt.Sscan(value, &length)
		case "transfer-encoding":
			chunked = strings.Contains(value, "chunked")
		}
	}
	if a.status == 100 {
		return a, nil
	}
	return a, a.readBody(c, br, method, length, chunked)
}

func (a *answer) readBody(c net.Conn, br *bufio.Reader, method string, length int, chunked bool) (err error) {
	switch {
	case method == http.MethodHead || a.status == 204 || a.status == 304 || length < 0 && !chunked:
		_ = c.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
		a.body, _ = io.ReadAll(br)
		_ = c.SetReadDeadline(time.Now().Add(clientTimeout))
	case chunked:
		a.body, err = io.ReadAll(&chunkReader{br: br})
	default:
		a.body = make([]byte, length)
		_, err = io.ReadFull(br, a.body)
	}
	return err
}

// chunkReader reads a chunked body up to its last chunk.
type chunkReader struct {
	br   *bufio.Reader
	left int
	done bool
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for r.left == 0 && !r.done {
		line, err := r.br.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x", &r.left); err != nil {
			return 0, err
		}
		r.done = r.left == 0
	}
	if r.done {
		return 0, io.EOF
	}
	n, err := r.br.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

func (a *answer) result(mode string) map[string]any {
	headers := make([]any, len(a.headers))
	for i, h := range a.headers {
		headers[i] = []any{h[0], h[1]}
	}
	out := map[string]any{"status": float64(a.status), "reason": a.reason, "headers": headers}
	if a.version != "HTTP/1.1" {
		out["version"] = a.version
	}
	switch mode {
	case "json_shape":
		var v any
		if json.Unmarshal(a.body, &v) == nil {
			out["json_shape"] = shape(v)
		} else {
			out["body"] = textOrB64(a.body)
		}
		out["headers"] = slices.DeleteFunc(headers, func(h any) bool {
			return slices.Contains([]string{"content-length", "date", "server"}, strings.ToLower(str(list(h)[0])))
		})
	case "ignore":
		delete(out, "headers")
	case "nohdr":
		delete(out, "headers")
		out["body"] = textOrB64(a.body)
	default:
		out["body"] = textOrB64(a.body)
	}
	return out
}

func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = shape(x)
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			if s := shape(x); !slices.ContainsFunc(out, func(o any) bool { return same(o, s) }) {
				out = append(out, s)
			}
		}
		return out
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	}
	return "null"
}

func isClosed(c net.Conn, wait time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(wait))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// raw sends bytes and reads what comes back.
func (r *run) raw(st map[string]any) map[string]any {
	c, err := r.conn(st)
	if err != nil {
		return failed(st, err)
	}
	parts := list(st["parts"])
	if parts == nil {
		parts = []any{st}
	}
	for i, p := range parts {
		if i > 0 {
			time.Sleep(seconds(num(dict(p)["after"], 0.2)))
		}
		if _, err := c.Write(r.bytesOf(dict(p), "send")); err != nil {
			break
		}
	}
	got, closed, refused := readFor(c, seconds(num(st["read_for"], 1)), r.bytesOf(st, "until"))
	if refused {
		return map[string]any{"tls_rejected": true}
	}
	if str(st["conn"]) == "" {
		_ = c.Close()
	}
	if str(st["decode"]) == "msgpack" {
		return map[string]any{"msgpack": msgpackAll(got), "closed": closed}
	}
	return map[string]any{"recv": textOrB64(got), "closed": closed}
}

func readFor(c net.Conn, d time.Duration, until []byte) (got []byte, closed, refused bool) {
	_ = c.SetReadDeadline(time.Now().Add(d))
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		switch {
		case len(until) > 0 && bytes.Contains(got, until), errors.Is(err, os.ErrDeadlineExceeded):
			return got, false, false
		case err != nil:
			var alert tls.AlertError
			var op *net.OpError
			// Under TLS 1.3 a refusal of the client's certificate shows at the first read.
			refused := errors.As(err, &alert) || errors.As(err, &op) && strings.HasPrefix(op.Op, "remote error")
			return got, true, refused
		}
	}
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
