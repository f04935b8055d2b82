package parser

import (
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// Access and error logs of web servers: regexp parsers with an expression of
// their own. The pieces are put together here, so that the formats can be
// compared. The format strings are Apache's (mod_log_config) and nginx's
// (ngx_http_log_module, "combined").
const (
	logTime = `\[(?<time>[^\]]*)\]`
	// The request, its path and protocol may be missing, as with "-".
	request     = `"(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?"`
	requestText = `"(?<method>\S+)(?: +(?<path>(?:[^"]|\\.)*?)(?: +\S*)?)?"`
	answer      = `(?<code>[^ ]*) (?<size>[^ ]*)`

	commonLog   = `^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) ` + logTime + ` ` + request + ` ` + answer + `(?: "(?<referer>[^"]*)" "(?<agent>.*)")?$`
	combinedLog = `^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) ` + logTime + ` ` + requestText + ` ` + answer + `(?: "(?<referer>(?:[^"]|\\.)*)" "(?<agent>(?:[^"]|\\.)*)")?$`
	nginxLog    = `^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) ` + logTime + ` "(?<method>\S+)(?: +(?<path>[^"]*?)(?: +\S*)?)?" ` + answer +
		`(?: "(?<referer>[^"]*)" "(?<agent>[^"]*)"(?:\s+(?<http_x_forwarded_for>[^ ]+))?)?$`
	apacheErrorLog = `^\[[^ ]* (?<time>[^\]]*)\] \[(?<level>[^\]]*)\](?: \[pid (?<pid>[^\]]*)\])?(?: \[client (?<client>[^\]]*)\])? (?<message>.*)$`
)

// fixed is a regexp parser whose expression is given.
type fixed struct {
	base
	groups
	expression string
	defaults   defaults
}

func newAccess(expression string) *fixed {
	return &fixed{expression: expression, defaults: defaults{timeKey: "time", timeFormat: "%d/%b/%Y:%H:%M:%S %z"}}
}

// NewApache makes an apache parser: the common log format.
func NewApache(plugin.Env) plugin.Parser { return newAccess(commonLog) }

// NewNginx makes an nginx parser: its combined format, with X-Forwarded-For or not.
func NewNginx(plugin.Env) plugin.Parser { return newAccess(nginxLog) }

// NewApacheError makes an apache_error parser. The time has a fraction from
// Apache 2.4 on.
func NewApacheError(plugin.Env) plugin.Parser {
	return &fixed{expression: apacheErrorLog, defaults: defaults{
		timeKey: "time", timeType: "mixed", timeFormat: "%b %d %H:%M:%S %Y", fallbacks: []string{"%b %d %H:%M:%S.%N %Y"},
	}}
}

func (p *fixed) Params(s *param.Set) {
	p.params(s, p.defaults)
}

func (p *fixed) Check() error {
	re, err := onig.Compile(p.expression, onig.Options{})
	if err != nil {
		return err
	}
	p.groups = newGroups(re)
	return p.base.Check()
}

func (p *fixed) Parse(text []byte, yield func(event.Event) error) error {
	r, err := p.record(string(text))
	if err != nil {
		return err
	}
	return p.yield(r, yield)
}

// apache2 is the combined log format with "-" as null, and numbers.
type apache2 struct{ *fixed }

// NewApache2 makes an apache2 parser.
func NewApache2(plugin.Env) plugin.Parser { return &apache2{newAccess(combinedLog)} }

func (p *apache2) Parse(text []byte, yield func(event.Event) error) error {
	// All fields are always there, in this order.
	r := event.NewRecord("host", nil, "user", nil, "method", nil, "path", nil, "code", nil, "size", nil, "referer", nil, "agent", nil)
	err := p.match(string(text), func(name, value string) {
		if v := apacheValue(name, value); v != nil {
			r.Set(name, v)
		}
	})
	if err != nil {
		return err
	}
	return p.yield(r, yield)
}

// apacheValue is a field's value, nil for null.
func apacheValue(name, value string) any {
	switch name {
	case "host", "user", "referer", "agent":
		if value == "-" {
			return nil
		}
	case "code", "size":
		if value == "-" {
			return nil
		}
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || n == 0 && name == "code" {
			return nil
		}
		return n
	}
	return value
}
