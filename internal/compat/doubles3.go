package compat

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // an ETag
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// The credentials that the corpus was recorded with.
const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY" //nolint:gosec // the example key of AWS' documentation
)

// s3Double is an S3 server that checks signatures, honours If-None-Match: *, fails
// as the case asks, and records each PUT.
type s3Double struct {
	*httptest.Server

	mu        sync.Mutex
	buckets   map[string]bool
	objects   map[string]s3Object
	puts      []any
	fail      []map[string]any
	lifecycle string
}

type s3Object struct {
	raw  []byte
	meta http.Header
}

func newS3(cfg map[string]any) *s3Double {
	s := &s3Double{buckets: map[string]bool{}, objects: map[string]s3Object{}}
	buckets := list(cfg["buckets"])
	if buckets == nil {
		buckets = []any{"b1"}
	}
	for _, b := range buckets {
		s.buckets[str(b)] = true
	}
	for _, key := range list(cfg["objects"]) {
		s.objects[str(key)] = s3Object{}
	}
	s.setFail(cfg["fail"])
	s.Server = httptest.NewServer(s)
	return s
}

func (s *s3Double) setFail(v any) {
	s.fail = nil
	for _, f := range list(v) {
		copied := map[string]any{}
		for k, x := range dict(f) {
			copied[k] = x
		}
		s.fail = append(s.fail, copied)
	}
}

func (s *s3Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if code, text := checkSignature(r); code != "" {
		s3Error(w, 403, code, text)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if s.failing(w, r, key) {
		return
	}
	if key == "" {
		s.bucketCall(w, r, bucket, body)
		return
	}
	if !s.buckets[bucket] {
		s3Error(w, 404, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if r.Method == http.MethodPut {
		s.put(w, r, bucket, key, body)
		return
	}
	s.get(w, r, bucket+"/"+key)
}

func (s *s3Double) failing(w http.ResponseWriter, r *http.Request, key string) bool {
	for _, f := range s.fail {
		left := num(f["times"], 1)
		if str(f["method"]) != r.Method || left <= 0 {
			continue
		}
		if pattern, ok := f["key"]; ok {
			if hit, _ := path.Match(str(pattern), key); !hit {
				continue
			}
		}
		f["times"] = left - 1
		text := str(f["message"])
		if text == "" {
			text = str(f["code"])
		}
		s3Error(w, int(num(f["status"], 500)), str(f["code"]), text)
		return true
	}
	return false
}

func (s *s3Double) bucketCall(w http.ResponseWriter, r *http.Request, bucket string, body []byte) {
	switch {
	case r.Method == http.MethodPut && strings.HasPrefix(r.URL.RawQuery, "lifecycle"):
		s.lifecycle = string(body)
	case r.Method == http.MethodPut:
		s.buckets[bucket] = true
		w.Header().Set("Location", "/"+bucket)
	case !s.buckets[bucket]:
		s3Error(w, 404, "NoSuchBucket", "The specified bucket does not exist")
	case r.Method == http.MethodHead:
		w.Header().Set("x-amz-bucket-region", "us-east-1")
	default:
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>%s</Name><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`, bucket)
	}
}

func (s *s3Double) get(w http.ResponseWriter, r *http.Request, name string) {
	o, ok := s.objects[name]
	if !ok {
		code := "NoSuchKey"
		if r.Method == http.MethodHead {
			code = "NotFound"
		}
		s3Error(w, 404, code, "The specified key does not exist.")
		return
	}
	for k, v := range o.meta {
		w.Header()[k] = v
	}
	w.Header().Set("ETag", `"x"`)
	w.Header().Set("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
	_, _ = w.Write(o.raw)
}

// notHeld are headers that say how a request was signed or that are ours to add.
var notHeld = regexp.MustCompile(`^x-amz-(date|content-sha256|security-token|decoded-content-length|trailer|sdk-checksum-algorithm|checksum.*|meta-sluice-.*)$`)

func (s *s3Double) put(w http.ResponseWriter, r *http.Request, bucket, key string, raw []byte) {
	name := bucket + "/" + key
	if _, there := s.objects[name]; there && r.Header.Get("If-None-Match") == "*" {
		s3Error(w, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	if strings.HasPrefix(r.Header.Get("x-amz-content-sha256"), "STREAMING-") {
		raw = unchunk(raw)
	}
	kept, meta := map[string]any{}, http.Header{}
	for k, v := range r.Header {
		lower := strings.ToLower(k)
		if strings.HasPrefix(lower, "x-amz-meta-") {
			meta[k] = v
		}
		held := slices.Contains([]string{"content-type", "content-encoding", "cache-control"}, lower) || strings.HasPrefix(lower, "x-amz-") && !notHeld.MatchString(lower)
		if held && v[0] != "aws-chunked" {
			kept[lower] = v[0]
		}
	}
	body, packing := raw, "identity"
	if zr, err := gzip.NewReader(bytes.NewReader(raw)); err == nil {
		if plain, err := io.ReadAll(zr); err == nil {
			body, packing = plain, "gzip"
		}
	}
	s.objects[name] = s3Object{raw: raw, meta: meta}
	s.puts = append(s.puts, map[string]any{"bucket": bucket, "key": key, "headers": kept, "compressed": packing, "body": textOrB64(body)})
	sum := md5.Sum(raw) //nolint:gosec // an ETag
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
}

// unchunk takes apart a body that was signed piece by piece.
func unchunk(raw []byte) []byte {
	var out []byte
	for {
		line, rest, ok := bytes.Cut(raw, []byte("\r\n"))
		var n int
		size, _, _ := strings.Cut(string(line), ";")
		if _, err := fmt.Sscanf(size, "%x", &n); !ok || err != nil || n == 0 || n > len(rest) {
			return out
		}
		out = append(out, rest[:n]...)
		raw = bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}

func s3Error(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("x-amz-request-id", "REQ0")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>REQ0</RequestId></Error>`, code, text)
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)`)

// checkSignature follows AWS' Signature Version 4.
func checkSignature(r *http.Request) (code, text string) {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "AccessDenied", "Access Denied"
	}
	if m[1] != accessKey {
		return "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
	}
	scope := m[2] + "/" + m[3] + "/" + m[4] + "/aws4_request"
	hashed := sha256.Sum256([]byte(canonicalRequest(r, m[5])))
	toSign := "AWS4-HMAC-SHA256\n" + r.Header.Get("x-amz-date") + "\n" + scope + "\n" + hex.EncodeToString(hashed[:])
	key := []byte("AWS4" + secretKey)
	for _, part := range []string{m[2], m[3], m[4], "aws4_request"} {
		key = mac(key, part)
	}
	if hex.EncodeToString(mac(key, toSign)) != m[6] {
		return "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	}
	return "", ""
}

func canonicalRequest(r *http.Request, signed string) string {
	var query []string
	for k, values := range r.URL.Query() {
		for _, v := range values {
			query = append(query, escape(k, "")+"="+escape(v, ""))
		}
	}
	slices.Sort(query)
	var headers strings.Builder
	for name := range strings.SplitSeq(signed, ";") {
		value := strings.Join(strings.Fields(strings.Join(r.Header.Values(name), ",")), " ")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	payload := r.Header.Get("x-amz-content-sha256")
	if payload == "" {
		payload = "UNSIGNED-PAYLOAD"
	}
	return strings.Join([]string{r.Method, escape(r.URL.Path, "/"), strings.Join(query, "&"), headers.String(), signed, payload}, "\n")
}

func escape(s, keep string) string {
	escaped := strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	if keep != "" {
		escaped = strings.ReplaceAll(escaped, url.QueryEscape(keep), keep)
	}
	return strings.ReplaceAll(escaped, "%7E", "~")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
