package ruby

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// uriValue is what URI.parse gives.
type uriValue struct {
	u    *url.URL
	text string
}

func (u *uriValue) class() string {
	switch strings.ToLower(u.u.Scheme) {
	case "http":
		return "URI::HTTP"
	case "https":
		return "URI::HTTPS"
	}
	return "URI::Generic"
}

func (u *uriValue) String() string { return u.text }

var defaultPorts = map[string]int64{"http": 80, "https": 443, "ftp": 21, "ldap": 389, "ldaps": 636, "ws": 80, "wss": 443}

func uriMethods() table {
	part := func(get func(u *url.URL) (string, bool)) method {
		return method{func(m *Env, self Value, _ []Value, _ *Proc) Value {
			if s, ok := get(self.(*uriValue).u); ok {
				return m.str(s)
			}
			return nil
		}, 0, 0, false}
	}
	filled := func(s string) (string, bool) { return s, s != "" }
	return table{
		"scheme":   part(func(u *url.URL) (string, bool) { return filled(strings.ToLower(u.Scheme)) }),
		"host":     part(func(u *url.URL) (string, bool) { return filled(bracketed(u)) }),
		"hostname": part(func(u *url.URL) (string, bool) { return filled(u.Hostname()) }),
		"path":     part(func(u *url.URL) (string, bool) { return u.EscapedPath(), u.Opaque == "" }),
		"query":    part(func(u *url.URL) (string, bool) { return u.RawQuery, u.RawQuery != "" || u.ForceQuery }),
		"fragment": part(func(u *url.URL) (string, bool) { return u.EscapedFragment(), u.Fragment != "" }),
		"opaque":   part(func(u *url.URL) (string, bool) { return filled(u.Opaque) }),
		"userinfo": part(func(u *url.URL) (string, bool) { return u.User.String(), u.User != nil }),
		"user": part(func(u *url.URL) (string, bool) {
			user, _, _ := strings.Cut(u.User.String(), ":")
			return user, u.User != nil
		}),
		"password": part(func(u *url.URL) (string, bool) {
			_, pass, ok := strings.Cut(u.User.String(), ":")
			return pass, u.User != nil && ok
		}),
		"port":        {uriPort, 0, 0, false},
		"request_uri": {uriRequest, 0, 0, false},
		"to_s":        {func(m *Env, self Value, _ []Value, _ *Proc) Value { return m.str(self.(*uriValue).text) }, 0, 0, false},
	}
}

func bracketed(u *url.URL) string {
	host := u.Hostname()
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func uriPort(_ *Env, self Value, _ []Value, _ *Proc) Value {
	u := self.(*uriValue).u
	if p := u.Port(); p != "" {
		n, _ := strconv.ParseInt(p, 10, 64)
		return n
	}
	if n, ok := defaultPorts[strings.ToLower(u.Scheme)]; ok {
		return n
	}
	return nil
}

func uriRequest(m *Env, self Value, _ []Value, _ *Proc) Value {
	u := self.(*uriValue)
	if u.class() == "URI::Generic" {
		m.raise("NoMethodError", "undefined method `request_uri' for %s", m.described(self))
	}
	path := u.u.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if u.u.RawQuery != "" || u.u.ForceQuery {
		path += "?" + u.u.RawQuery
	}
	return m.str(path)
}

// uriOK is what Ruby's parser takes: the characters that RFC 3986 allows, and
// percent signs only before two hex digits.
var uriOK = regexp.MustCompile(`^(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$`)

func uriParse(m *Env, _ Value, a []Value, _ *Proc) Value {
	if _, ok := a[0].(*Str); !ok {
		m.raise("URI::InvalidURIError", "bad URI(is not URI?): %s", m.inspect(a[0]))
	}
	s := m.text(a[0]).s
	u, err := url.Parse(s)
	if err != nil || !uriOK.MatchString(s) || strings.Contains(u.Path, "[") {
		if !isASCII(s) {
			m.raise("URI::InvalidURIError", "URI must be ascii only %s", m.inspect(a[0]))
		}
		m.raise("URI::InvalidURIError", "bad URI(is not URI?): %s", m.inspect(a[0]))
	}
	switch strings.ToLower(u.Scheme) {
	case "", "http", "https", "ws", "wss", "ftp", "ldap", "ldaps", "file", "mailto":
	default:
		if !isASCII(s) {
			m.unsupported("this URI", "")
		}
	}
	if scheme := strings.ToLower(u.Scheme); scheme == "ftp" || scheme == "mailto" || scheme == "ldap" || scheme == "file" || scheme == "ws" || scheme == "wss" || scheme == "ldaps" {
		m.unsupported("a URI with the scheme "+scheme, "")
	}
	return &uriValue{u: u, text: s}
}

// formEscape is application/x-www-form-urlencoded; kept are the characters that
// stay as they are.
func formEscape(s, kept, space string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case isAlnum(c) || strings.IndexByte(kept, c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteString(space)
		default:
			b.WriteString("%" + string(upperHex[c>>4]) + string(upperHex[c&15]))
		}
	}
	return b.String()
}

// percentDecode undoes percent signs; what is none stays. plus makes + a blank.
func percentDecode(s string, plus bool) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%' && i+2 < len(s) && digitOf(s[i+1]) < 16 && digitOf(s[i+2]) < 16:
			out = append(out, byte(digitOf(s[i+1])<<4|digitOf(s[i+2])))
			i += 2
		case s[i] == '+' && plus:
			out = append(out, ' ')
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

func uriClassMethods() table {
	return table{
		"parse": {uriParse, 1, 1, false},
		"encode_www_form_component": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.ascii(formEscape(m.toS(a[0]).s, "*-._", "+"))
		}, 1, 1, false},
		"decode_www_form_component": {uriDecodeComponent, 1, 1, false},
		"encode_uri_component":      {refused("encode_uri_component", "use ERB::Util.url_encode"), 1, 1, false},
		"encode_www_form":           {uriEncodeForm, 1, 1, false},
		"decode_www_form":           {uriDecodeForm, 1, 1, false},
		"join":                      {refused("URI.join", ""), 1, -1, false},
	}
}

func uriDecodeComponent(m *Env, _ Value, a []Value, _ *Proc) Value {
	s := m.text(a[0]).s
	if badPercent(s) {
		m.raise("ArgumentError", "invalid %%-encoding (%s)", s)
	}
	return m.str(percentDecode(s, true))
}

func badPercent(s string) bool {
	for i := range len(s) {
		if s[i] == '%' && !(i+2 < len(s) && digitOf(s[i+1]) < 16 && digitOf(s[i+2]) < 16) {
			return true
		}
	}
	return false
}

func uriEncodeForm(m *Env, _ Value, a []Value, _ *Proc) Value {
	var parts []string
	esc := func(v Value) string { return formEscape(m.toS(v).s, "*-._", "+") }
	for _, v := range m.toArray(a[0]) {
		pair := m.listArg(v).v
		k, val := arg(pair, 0), arg(pair, 1)
		switch val := val.(type) {
		case nil:
			parts = append(parts, esc(k))
		case *Array:
			for _, one := range val.v {
				if one == nil {
					parts = append(parts, esc(k))
				} else {
					parts = append(parts, esc(k)+"="+esc(one))
				}
			}
		default:
			parts = append(parts, esc(k)+"="+esc(val))
		}
	}
	return m.ascii(strings.Join(parts, "&"))
}

func uriDecodeForm(m *Env, _ Value, a []Value, _ *Proc) Value {
	var out []Value
	s := m.text(a[0]).s
	if s == "" {
		return m.array(nil)
	}
	if !isASCII(s) {
		m.unsupported("decode_www_form of text that is not ASCII", "")
	}
	for _, part := range strings.Split(s, "&") {
		k, v, _ := strings.Cut(part, "=")
		if badPercent(k) || badPercent(v) {
			m.raise("ArgumentError", "invalid data of application/x-www-form-urlencoded (%s)", s)
		}
		out = append(out, m.list(m.str(percentDecode(k, true)), m.str(percentDecode(v, true))))
	}
	return m.array(out)
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func cgiMethods() table {
	escapeHTML := func(m *Env, _ Value, a []Value, _ *Proc) Value {
		s := m.text(a[0])
		return m.like(htmlEscapes.Replace(s.s), s)
	}
	return table{
		"escape": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			s := m.text(a[0])
			return m.like(formEscape(s.s, "*-._~", "+"), s)
		}, 1, 1, false},
		"unescape":     {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.str(percentDecode(m.text(a[0]).s, true)) }, 1, 1, false},
		"escapeHTML":   {escapeHTML, 1, 1, false},
		"escape_html":  {escapeHTML, 1, 1, false},
		"unescapeHTML": {refused("CGI.unescapeHTML", "use gsub"), 1, 1, false},
	}
}

func erbUtilMethods() table {
	url := func(m *Env, _ Value, a []Value, _ *Proc) Value {
		return m.ascii(formEscape(m.toS(a[0]).s, "-_.~", "%20"))
	}
	html := func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.str(htmlEscapes.Replace(m.toS(a[0]).s)) }
	return table{"url_encode": {url, 1, 1, false}, "u": {url, 1, 1, false}, "html_escape": {html, 1, 1, false}, "h": {html, 1, 1, false}}
}

// shellEscape is Shellwords.escape.
func shellEscape(s string) string {
	if s == "" {
		return "''"
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\n':
			b.WriteString("'\n'")
			continue
		case !isAlnum(c) && strings.IndexByte("_-.,:+/@", c) < 0 && (c < 0x80 || c >= 0xc0):
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
