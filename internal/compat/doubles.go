package compat

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sluicelog/sluice/internal/event"
)

// httpDouble records what out_http sends, and answers as the case says.
type httpDouble struct {
	*httptest.Server

	mu     sync.Mutex
	got    []any
	status []any
}

func newHTTP(cfg map[string]any) *httpDouble {
	d := &httpDouble{status: list(cfg["status"])}
	d.Server = httptest.NewServer(d)
	return d
}

func (d *httpDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	kept := map[string]any{}
	for k, v := range r.Header {
		if k := strings.ToLower(k); k == "content-type" || k == "content-encoding" || k == "authorization" || strings.HasPrefix(k, "x-") {
			kept[k] = v[0]
		}
	}
	packing := "identity"
	if zr, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
		if plain, err := io.ReadAll(zr); err == nil {
			body, packing = plain, "gzip"
		}
	}
	shown := textOrB64(body)
	if kept["content-type"] == "application/x-msgpack" {
		shown = map[string]any{"msgpack": msgpackAll(body)}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := 200.0
	if len(d.status) > 0 {
		answer, d.status = num(d.status[0], 200), d.status[1:]
	}
	d.got = append(d.got, map[string]any{"method": r.Method, "path": r.RequestURI, "headers": kept, "compressed": packing, "body": shown, "answered": answer})
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(int(answer))
}

// forwardDouble records forward messages and acknowledges them.
type forwardDouble struct {
	ln net.Listener
	wg sync.WaitGroup

	mu  sync.Mutex
	got []any
}

func newForward() (*forwardDouble, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &forwardDouble{ln: ln}
	d.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go d.serve(conn) // ends with its client
		}
	})
	return d, nil
}

func (d *forwardDouble) serve(conn net.Conn) {
	defer conn.Close()
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := conn.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for len(buf) > 0 {
			v, rest, err := event.ReadMsgpack(buf)
			if err != nil {
				break // not all there yet
			}
			buf = rest
			d.take(conn, list(v))
		}
	}
}

func (d *forwardDouble) take(conn net.Conn, message []any) {
	if len(message) < 2 {
		return
	}
	option, _ := message[len(message)-1].(*event.Record)
	mode, entries := "message", []any{message[1:min(3, len(message))]}
	switch body := message[1].(type) {
	case []any:
		mode, entries = "forward", body
	case string:
		mode, entries = "packed", msgpackRaw([]byte(body))
	case event.Binary:
		mode, entries = "packed", msgpackRaw(body)
		if option != nil {
			if how, _ := option.Get("compressed"); how == "gzip" {
				if zr, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
					plain, _ := io.ReadAll(zr)
					mode, entries = "compressed", msgpackRaw(plain)
				}
			}
		}
	}
	options := map[string]any{}
	if option != nil {
		for k, v := range option.All() {
			options[k] = plain(v)
		}
	}
	if id, ok := options["chunk"]; ok && option != nil {
		options["chunk"] = "<chunk>"
		_ = id
		raw, _ := option.Get("chunk")
		_, _ = conn.Write(event.AppendMsgpack(nil, event.NewRecord("ack", raw)))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, map[string]any{"tag": plain(message[0]), "mode": mode, "entries": plain(entries), "options": options})
}

func (d *forwardDouble) close() {
	_ = d.ln.Close()
	d.wg.Wait()
}

func msgpackRaw(b []byte) []any {
	var all []any
	for len(b) > 0 {
		v, rest, err := event.ReadMsgpack(b)
		if err != nil {
			return all
		}
		all, b = append(all, v), rest
	}
	return all
}

func msgpackAll(b []byte) []any { return list(plain(msgpackRaw(b))) }

// plain turns event values into what the corpus' JSON holds.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	case *event.Record:
		out := map[string]any{}
		for k, x := range v.All() {
			out[k] = plain(x)
		}
		return out
	case event.Time:
		return map[string]any{"$eventtime": fmt.Sprintf("%d.%09d", v.Sec, v.Nsec)}
	case event.Binary:
		return map[string]any{"$bin": base64.StdEncoding.EncodeToString(v)}
	case string:
		if !utf8.ValidString(v) {
			return map[string]any{"$b64": base64.StdEncoding.EncodeToString([]byte(v))}
		}
		return v
	case int64:
		return float64(v)
	}
	return v
}
