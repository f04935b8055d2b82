package parser

import (
	"strings"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/eventtime"
	"github.com/sluicelog/sluice/internal/onig"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// The header of RFC 3164, section 4.1, and of RFC 5424, section 6, as Fluentd
// reads them. The priority is optional in both.
const (
	pri3164    = `<(?<pri>[0-9]{1,3})>`
	time3164   = `(?<time>[^ ]*\s*[^ ]* [^ ]*)`
	ident      = `(?<ident>[^ :\[]*)(?:\[(?<pid>[0-9]+)\])?`
	body3164   = ` (?<host>[^ ]*) ` + ident + `(?:[^:]*:)? *(?<message>.*)$`
	colon3164  = ` (?<host>[^ ]*) (?:` + ident + `: *)?(?<message>.*)$` // support_colonless_ident false
	pri5424    = `<(?<pri>[0-9]{1,3})>[1-9][0-9]{0,2} `
	header5424 = `(?<time>[^ ]+) (?<host>[!-~]{1,255}) (?<ident>[!-~]{1,48}) (?<pid>[!-~]{1,128}) (?<msgid>[!-~]{1,32}) `
	body5424   = header5424 + `(?<extradata>-|(?:\[(?:[^\\\]]|\\.)*\])+)(?: (?<message>.+))?\z`
)

// format5424 without a fraction is tried when rfc5424_time_format does not fit.
const format5424 = "%Y-%m-%dT%H:%M:%S%z"

// syslog reads one line of syslog.
type syslog struct {
	base
	withPriority       bool
	format, format5424 string
	engine             string
	colonless          bool

	old, new groups
	clocks   []*eventtime.Parser // for RFC 5424, in turn
}

// NewSyslog makes a syslog parser.
func NewSyslog(plugin.Env) plugin.Parser { return new(syslog) }

func (p *syslog) Params(s *param.Set) {
	s.Bool("with_priority", &p.withPriority, false, "The text begins with a priority such as <6>.")
	s.String("message_format", &p.format, "rfc3164", "Which of the two forms the text has; auto looks.").Enum("rfc3164", "rfc5424", "auto")
	s.String("rfc5424_time_format", &p.format5424, "%Y-%m-%dT%H:%M:%S.%L%z", "Format of the time in RFC 5424's form.")
	s.String("parser_engine", &p.engine, "regexp", "The order of the fields, which in Fluentd depends on this.").Enum("regexp", "string").Alias("parser_type")
	s.Bool("support_colonless_ident", &p.colonless, true, "The text may lack the colon behind the ident.")
	p.params(s, defaults{timeKey: "time", timeFormat: "%b %d %H:%M:%S"})
}

func (p *syslog) Check() error {
	body, pri, newPri := body3164, "", ""
	if !p.colonless {
		body = colon3164
	}
	if p.withPriority {
		pri, newPri = pri3164, pri5424
	}
	old, err := onig.Compile(`^`+pri+time3164+body, onig.Options{})
	if err != nil {
		return err
	}
	latest, err := onig.Compile(`\A`+newPri+body5424, onig.Options{MultiLine: true})
	if err != nil {
		return err
	}
	p.old, p.new = newGroups(old), newGroups(latest)
	for _, format := range []string{p.format5424, format5424} {
		t := p.timing
		t.Format = format
		clock, err := t.compile()
		if err != nil {
			return err
		}
		p.clocks = append(p.clocks, clock)
	}
	return p.base.Check()
}

func (p *syslog) Parse(text []byte, yield func(event.Event) error) error {
	line := string(text)
	isNew := p.format == "rfc5424" || p.format == "auto" && looksNew(line)
	g := &p.old
	if isNew {
		g = &p.new
	}
	fields := map[string]any{}
	err := g.match(line, func(name, value string) {
		if name == "pri" {
			fields[name] = leadingInteger(value)
			return
		}
		fields[name] = value
	})
	if err != nil {
		return err
	}
	t := p.noTime()
	if written, ok := fields["time"].(string); ok {
		if t, err = p.readTime(written, isNew); err != nil {
			return err
		}
	}
	r := p.inOrder(fields, isNew)
	if err := p.convert(r); err != nil {
		return err
	}
	return yield(event.Event{Time: t, Record: r})
}

// readTime reads the time of either form. In the older one a day below ten has
// two blanks before it.
func (p *syslog) readTime(written string, isNew bool) (t event.Time, err error) {
	if !isNew {
		return p.clock.Parse(strings.Join(strings.Fields(written), " "))
	}
	for _, clock := range p.clocks {
		if t, err = clock.Parse(written); err == nil {
			return t, nil
		}
	}
	return t, err
}

// fieldOrder is the order of the fields in the record, by engine and form.
func (p *syslog) fieldOrder(isNew bool) []string {
	switch {
	case p.engine != "string":
		return []string{"pri", "time", "host", "ident", "pid", "msgid", "extradata", "message"}
	case isNew:
		return []string{"host", "ident", "pid", "msgid", "pri", "extradata", "message", "time"}
	}
	return []string{"host", "pri", "ident", "pid", "message", "time"}
}

func (p *syslog) inOrder(fields map[string]any, isNew bool) *event.Record {
	r := event.NewRecord()
	for _, name := range p.fieldOrder(isNew) {
		if v, ok := fields[name]; ok && (name != "time" || p.keepTimeKey) {
			r.Set(name, v)
		}
	}
	return r
}

// looksNew tells whether a line begins with a priority and a version.
func looksNew(line string) bool {
	rest, ok := strings.CutPrefix(line, "<")
	if !ok {
		return false
	}
	n := digits(rest)
	if n < 1 || n > 3 || n == len(rest) || rest[n] != '>' {
		return false
	}
	rest = rest[n+1:]
	return digits(rest) > 0 && rest[0] != '0'
}

func digits(s string) (n int) {
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}
