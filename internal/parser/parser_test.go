package parser

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

func TestMain(m *testing.M) {
	// Times without a zone are local; the recordings were made in UTC.
	time.Local = time.UTC
	m.Run()
}

var constructors = map[string]func(plugin.Env) plugin.Parser{
	"json": NewJSON, "msgpack": NewMsgpack, "none": NewNone, "regexp": NewRegexp, "multiline": NewMultiline, "csv": NewCSV, "tsv": NewTSV,
	"ltsv": NewLTSV, "apache": NewApache, "apache2": NewApache2, "apache_error": NewApacheError, "nginx": NewNginx, "syslog": NewSyslog,
}

// configured makes a parser of the lines of a <parse> section.
func configured(lines string) (plugin.Parser, error) {
	node, err := conf.Parse("parse.conf", []byte("<parse>\n"+lines+"\n</parse>\n"), conf.Options{})
	if err != nil {
		return nil, err
	}
	section := node.Children[0]
	make, ok := constructors[section.Text("@type")]
	if !ok {
		return nil, fmt.Errorf("no parser %q", section.Text("@type"))
	}
	p := make(plugin.Env{})
	var problems conf.Problems
	param.DecodePlugin(section, "parse", &problems, p)
	for _, w := range problems.Warnings {
		return nil, w
	}
	return p, problems.Err()
}

// parsed shows what a parser makes of a text: a line "time record" per event, then
// the error. Times close to the present are "now".
func parsed(p plugin.Parser, text string) string {
	var out strings.Builder
	err := p.Parse([]byte(text), func(e event.Event) error {
		at := e.Time.Std().Format("2006-01-02 15:04:05.999999999")
		if since := time.Since(e.Time.Std()); since >= 0 && since < time.Minute {
			at = "now"
		} else if e.Time.IsNone() {
			at = "none"
		}
		fmt.Fprintf(&out, "%s %s\n", at, e.Record.AppendJSON(nil))
		return nil
	})
	if err != nil {
		out.WriteString("error: " + err.Error())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

type example struct{ in, want string }

// Each configuration with texts and what becomes of them. What real Fluentd takes
// is recorded from it; what it drops is refused here.
func TestParsers(t *testing.T) {
	const noMatch = "error: the text does not match the expression"
	for lines, examples := range map[string][]example{
		"@type json\ntime_type string\ntime_format %Y-%m-%dT%H:%M:%S": {
			{`{"n":6,"time":"2021-06-11T12:13:14.5Z"}`, `2021-06-11 12:13:14 {"n":6}`},
			{` {"n" : 1 } `, `now {"n":1}`},
			{`[{"n":1,"time":"2021-06-11T12:13:14Z"},{"time":"2021-06-11T12:13:15Z","n":2}]`, "2021-06-11 12:13:14 {\"n\":1}\n2021-06-11 12:13:15 {\"n\":2}"},
			{`{"n":1e3,"time":"2021-06-11T12:13:14Z"}`, `2021-06-11 12:13:14 {"n":1000.0}`},
			{`[{"n":1e3},{"n":NaN}]`, "now {\"n\":1000.0}\nnow {\"n\":NaN}"},
			{`[]`, ``},
			{`{"time":"bad"}`, `error: invalid time format: value = bad, error_class = ArgumentError, error = string doesn't match`},
			{`{"time":5}`, `error: value must be string: 5`},
			{`{"time":null}`, `error: value must be string: `},
			{`{"n":4`, `error: malformed JSON at byte 6: expected ',' or '}'`},
			{`5`, `error: expected an object or an array of objects`},
			{`[{"n":1},5]`, `error: expected an object or an array of objects`},
			{``, `error: malformed JSON at byte 0: expected a value`},
			{"{\"n\":8}\n{\"n\":9}", `error: malformed JSON at byte 8: expected the end`},
		},
		"@type json\ntime_type string\ntime_format %Y-%m-%dT%H:%M:%S\nkeep_time_key true": {
			{`{"n":1,"time":"2021-06-11T12:13:14.5Z"}`, `2021-06-11 12:13:14 {"n":1,"time":"2021-06-11T12:13:14.5Z"}`},
			{`{"n":2}`, `now {"n":2}`},
		},
		"@type json": {
			{`{"n":1,"time":1500000000}`, `2017-07-14 02:40:00 {"n":1}`},
			{`{"n":4,"time":"1500000000.5"}`, `2017-07-14 02:40:00.5 {"n":4}`},
			{`{"n":5,"time":"x"}`, `1970-01-01 00:00:00 {"n":5}`},
			{`{"n":8,"time":-1}`, `1969-12-31 23:59:59 {"n":8}`},
		},
		"@type json\ntime_key $.a.ts\ntime_type unixtime": {
			{`{"n":1,"a":{"ts":1500000000,"b":2}}`, `now {"n":1,"a":{"ts":1500000000,"b":2}}`},
			{`{"n":2,"$.a.ts":1500000000.7}`, `2017-07-14 02:40:00 {"n":2}`},
		},
		"@type json\nnull_value_pattern ^(-|null)$\nnull_empty_string true": {
			{`{"a":"-","b":"","c":"null","d":"x-","e":null}`, `now {"a":null,"b":null,"c":null,"d":"x-","e":null}`},
		},
		"@type json\nestimate_current_event false": {
			{`{"a":1}`, `none {"a":1}`},
		},
		"@type json\njson_parser yajl": {
			{"{\"a\":\"\xff\"}", `error: malformed JSON at byte 6: expected a string in UTF-8`},
			{`{"a":"\ud83d"}`, `now {"a":"?"}`},
		},
		"@type json\njson_parser json": {
			{`{"a":NaN}`, `error: malformed JSON at byte 5: expected a value`},
			{"{\"a\":\"\xff\"}", "now {\"a\":\"\xff\"}"},
		},
		"@type json\ntypes a:integer,b:float,c:bool,d:string,e:array,f:array:|,g:time:%Y-%m-%d,h:time:float": {
			{
				`{"a":" 1_0x","b":"1.5e1y","c":"YES","d":5,"e":"1,2,,","f":"1|2","g":"2020-01-02","h":5.5}`,
				`now {"a":10,"b":15.0,"c":true,"d":"5","e":["1","2"],"f":["1","2"],"g":1577923200,"h":5}`,
			},
			{`{"a":"123456789012345678901","b":"x","c":"no","d":null,"e":""}`, `now {"a":123456789012345678901,"b":0.0,"c":false,"d":null,"e":[]}`},
			{`{"a":-1.9,"b":2,"c":1}`, `now {"a":-1,"b":2.0,"c":true}`},
			{`{"a":[]}`, `error: field a: a value of type array is no integer`},
		},
		"@type none": {
			{"line1\nline2\n", `now {"message":"line1\nline2\n"}`},
		},
		"@type none\nmessage_key m": {
			{"x", `now {"m":"x"}`},
		},
		"@type msgpack": {
			{"\x81\xa1n\x01", `now {"n":1}`},
			{"\x92\x81\xa1n\x02\x81\xa1n\x03\x82\xa1n\x04\xa4time\xceYh/\x00", "now {\"n\":2}\nnow {\"n\":3}\nnow {\"n\":4,\"time\":1500000000}"},
			{"\xc1", `error: malformed msgpack: invalid byte`},
			{"", `error: there is no msgpack`},
			{"\x05", `error: expected an object or an array of objects`},
			{"\x81\xa1", `error: malformed msgpack: unexpected EOF`},
		},
		"@type regexp\nexpression /^(?<host>[^ ]*) (?<n>\\d+) \\[(?<time>[^\\]]*)\\] (?<msg>.*)$/\ntime_format %d/%b/%Y:%H:%M:%S %z\ntypes n:integer": {
			{"h1 42 [02/Jan/2020:03:04:05 +0000] the message", `2020-01-02 03:04:05 {"host":"h1","n":42,"msg":"the message"}`},
			{"h1 42 [02/Jan/2020:03:04:05 +0000] a\nb", `2020-01-02 03:04:05 {"host":"h1","n":42,"msg":"a"}`},
			{"h1 42 [bad] x", `error: invalid time format: value = bad, error_class = ArgumentError, error = string doesn't match`},
			{"no match here", noMatch},
		},
		"@type regexp\nexpression /^(?<A>hello) (?<b>.*)$/im": {
			{"HELLO x\ny", `now {"A":"HELLO","b":"x\ny"}`},
			{"nope", noMatch},
		},
		"@type multiline\nformat_firstline /^START/\nformat1 /^START (?<a>\\w+)\\n/\nformat2 /^(?<b>.*)$/": {
			{"START x\nrest of it", `now {"a":"x","b":"rest of it"}`},
			{"other", noMatch},
		},
		"@type csv\nkeys a,b,c": {
			{`1,"two, 2",3`, `now {"a":"1","b":"two, 2","c":"3"}`},
			{`1,2`, `now {"a":"1","b":"2","c":null}`},
			{`1,2,3,4`, `now {"a":"1","b":"2","c":"3"}`},
			{`1,"a""b",`, `now {"a":"1","b":"a\"b","c":null}`},
			{"1,\"\",\"a\nb\"\r\n", `now {"a":"1","b":"","c":"a\nb"}`},
			{`"unclosed`, `error: Unclosed quoted field in line 1.`},
			{`a"b`, `error: Illegal quoting in line 1.`},
			{`"a"b`, `error: Any value after quoted field isn't allowed in line 1.`},
			{``, `error: there is no row`},
			{"1,2,3\n4,5,6\n", `error: there is more than one row`},
		},
		"@type csv\nkeys time,b\nparser_type fast\ndelimiter ;\ntime_format %Y-%m-%d\ntypes b:integer": {
			{"2020-01-02;5", `now {"time":"2020-01-02","b":5}`},
			{`2020-01-02;"7"`, `now {"time":"2020-01-02","b":7}`},
			{`x"y"`, `now {"time":"x\"y\""}`},
		},
		"@type tsv\nkeys a,b,c": {
			{"1\ttwo 2\t3", `now {"a":"1","b":"two 2","c":"3"}`},
			{"1\t2", `now {"a":"1","b":"2","c":null}`},
			{"1\t\t3\t4", `now {"a":"1","b":"","c":"3\t4"}`},
		},
		"@type ltsv\ntypes n:integer": {
			{"host:h1\tn:5\tmsg:a b:c", `now {"host":"h1","n":5,"msg":"a b:c"}`},
			{"nolabel\tb:", `now {"b":""}`},
			{"nolabel", `error: no part of the text has a label`},
		},
		"@type ltsv\ndelimiter_pattern /[, ]+/\nlabel_delimiter =": {
			{"a=1, b=2 c=3", `now {"a":"1","b":"2","c":"3"}`},
		},
		"@type apache": {
			{`192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777`, `2013-02-28 03:00:00 {"host":"192.168.0.1","user":"-","method":"GET","path":"/","code":"200","size":"777"}`},
		},
		"@type apache2": {
			{`192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0"`, `2013-02-28 03:00:00 {"host":"192.168.0.1","user":null,"method":"GET","path":"/","code":200,"size":777,"referer":null,"agent":"Opera/12.0"}`},
			{`192.168.0.1 - bob [28/Feb/2013:12:00:00 +0900] "GET /a%20b HTTP/1.1" 304 - "http://r/" "UA"`, `2013-02-28 03:00:00 {"host":"192.168.0.1","user":"bob","method":"GET","path":"/a%20b","code":304,"size":null,"referer":"http://r/","agent":"UA"}`},
			{`192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] "-" 408 -`, `2013-02-28 03:00:00 {"host":"192.168.0.1","user":null,"method":"-","path":null,"code":408,"size":null,"referer":null,"agent":null}`},
			{`junk`, noMatch},
		},
		"@type apache2\nkeep_time_key true": {
			{`h - - [28/Feb/2013:12:00:00 +0900] "-" 408 -`, `2013-02-28 03:00:00 {"host":"h","user":null,"method":"-","path":null,"code":408,"size":null,"referer":null,"agent":null,"time":"28/Feb/2013:12:00:00 +0900"}`},
		},
		"@type apache_error": {
			{`[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration`, `2000-10-11 14:32:52 {"level":"error","client":"127.0.0.1","message":"client denied by server configuration"}`},
			{`[Wed Oct 11 14:32:52.125 2000] [notice] [pid 5] up`, `2000-10-11 14:32:52.125 {"level":"notice","pid":"5","message":"up"}`},
		},
		"@type nginx": {
			{`127.0.0.1 192.168.0.1 - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0" -`, `2013-02-28 03:00:00 {"remote":"127.0.0.1","host":"192.168.0.1","user":"-","method":"GET","path":"/","code":"200","size":"777","referer":"-","agent":"Opera/12.0","http_x_forwarded_for":"-"}`},
			{`127.0.0.1 - bob [28/Feb/2013:12:00:00 +0900] "POST /x?y=1 HTTP/2.0" 404 0 "http://r/" "curl/8"`, `2013-02-28 03:00:00 {"remote":"127.0.0.1","host":"-","user":"bob","method":"POST","path":"/x?y=1","code":"404","size":"0","referer":"http://r/","agent":"curl/8"}`},
			{"junk", noMatch},
		},
	} {
		p, err := configured(lines)
		if err != nil {
			t.Errorf("%s\n%v", lines, err)
			continue
		}
		for _, e := range examples {
			if got := parsed(p, e.in); got != e.want {
				t.Errorf("%s\n%q\n got %s\nwant %s", lines, e.in, got, e.want)
			}
		}
	}
}

func TestSyslog(t *testing.T) {
	year := time.Now().Year()
	old := fmt.Sprintf("%d-02-28 12:00:00", year)
	for lines, examples := range map[string][]example{
		"@type syslog\nwith_priority true": {
			{"<6>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test", old + ` {"pri":6,"host":"192.168.0.1","ident":"fluentd","pid":"11111","message":"[error] Syslog test"}`},
			{"<6>Feb  8 12:00:00 h app: x", fmt.Sprintf("%d-02-08 12:00:00", year) + ` {"pri":6,"host":"h","ident":"app","message":"x"}`},
			{"Feb 28 12:00:00 h app: x", "error: the text does not match the expression"},
		},
		"@type syslog\nkeep_time_key true": {
			{"Feb 28 12:00:00 h app x y", old + ` {"time":"Feb 28 12:00:00","host":"h","ident":"app","message":"x y"}`},
		},
		"@type syslog\nsupport_colonless_ident false": {
			{"Feb 28 12:00:00 h x y z", old + ` {"host":"h","message":"x y z"}`},
			{"Feb 28 12:00:00 h app[5]: x", old + ` {"host":"h","ident":"app","pid":"5","message":"x"}`},
		},
		"@type syslog\nmessage_format rfc5424\nwith_priority true": {
			{`<16>1 2013-02-28T12:00:00.003Z 192.168.0.1 fluentd 11111 ID24224 [exampleSDID@20224 iut="3" e="\]"] Hi, from` + "\nFluentd!", `2013-02-28 12:00:00.003 {"pri":16,"host":"192.168.0.1","ident":"fluentd","pid":"11111","msgid":"ID24224","extradata":"[exampleSDID@20224 iut=\"3\" e=\"\\]\"]","message":"Hi, from\nFluentd!"}`},
			{`<16>1 2013-02-28T12:00:00+09:00 h a - - -`, `2013-02-28 03:00:00 {"pri":16,"host":"h","ident":"a","pid":"-","msgid":"-","extradata":"-"}`},
		},
		"@type syslog\nmessage_format auto\nparser_engine string\nwith_priority true": {
			{"<16>1 2013-02-28T12:00:00.003Z 192.168.0.1 fluentd 11111 ID24224 - Hi", `2013-02-28 12:00:00.003 {"host":"192.168.0.1","ident":"fluentd","pid":"11111","msgid":"ID24224","pri":16,"extradata":"-","message":"Hi"}`},
			{"<6>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test", old + ` {"host":"192.168.0.1","pri":6,"ident":"fluentd","pid":"11111","message":"[error] Syslog test"}`},
		},
	} {
		p, err := configured(lines)
		if err != nil {
			t.Errorf("%s\n%v", lines, err)
			continue
		}
		for _, e := range examples {
			if got := parsed(p, e.in); got != e.want {
				t.Errorf("%s\n%q\n got %s\nwant %s", lines, e.in, got, e.want)
			}
		}
	}
}

func TestConfigurationErrors(t *testing.T) {
	for lines, want := range map[string]string{
		"@type json\njson_parser nope":                    "oj",
		"@type json\ntypes a:size":                        "unknown value conversion for key:'a', type:'size'",
		"@type json\ntimezone Nowhere/Land":               "Unsupported timezone 'Nowhere/Land'",
		"@type json\nutc true\nlocaltime true":            "both of utc and localtime are specified, use only one of them",
		"@type regexp":                                    "required",
		"@type regexp\nexpression /abc/":                  "No named captures in 'expression' parameter",
		"@type regexp\nexpression /(?<a>/":                "expression",
		"@type multiline\nformat1 /(?<a>.)/\nformat3 /x/": "Jump of format index found. format2 is missing.",
		"@type multiline\nformat1 (?<a>.)":                "Invalid regexp in format1",
		"@type multiline":                                 "required",
		"@type csv":                                       "required",
		"@type csv\nkeys a\ndelimiter \"\\\"\"":           "delimiter must not be empty",
		"@type tsv\nkeys a\ndelimiter \"\"":               "delimiter is empty",
	} {
		if _, err := configured(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", lines, err, want)
		}
	}
}

// An input or filter must be able to tell text of the wrong kind from a bad time.
func TestNoMatch(t *testing.T) {
	var none interface{ NoMatch() bool }
	for lines, in := range map[string]string{
		"@type json": "bad", "@type msgpack": "\xc1", "@type regexp\nexpression /(?<a>x)/": "y", "@type csv\nkeys a": "", "@type nginx": "y",
	} {
		p, err := configured(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Parse([]byte(in), func(event.Event) error { return nil }); !errors.As(err, &none) || !none.NoMatch() {
			t.Errorf("%s: %v does not say that nothing matched", lines, err)
		}
	}
	p, _ := configured("@type json\ntime_type string\ntime_format %Y")
	if err := p.Parse([]byte(`{"time":"x"}`), func(event.Event) error { return nil }); err == nil || errors.As(err, &none) {
		t.Errorf("a bad time: %v", err)
	}
}

// TestTimeout: a pattern that backtracks without end is given up when timeout says so.
func TestTimeout(t *testing.T) {
	for _, lines := range []string{"@type regexp\nexpression /(?=a)(?<x>a+)+\\k<x>y/", "@type multiline\nformat1 /(?=a)(?<x>a+)+\\k<x>y/"} {
		p, err := configured(lines + "\ntimeout 0.001")
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed(p, strings.Repeat("a", 60)+"!"); !strings.Contains(got, "more than 1ms") {
			t.Errorf("%s: got %s", lines, got)
		}
	}
}

func TestYieldErrorStops(t *testing.T) {
	p, err := configured("@type json")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	calls := 0
	err = p.Parse([]byte(`[{"a":1},{"a":2}]`), func(event.Event) error { calls++; return full })
	if err != full || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

// A kept time leaves the record as the bytes that came.
func TestKeptRecordStaysRaw(t *testing.T) {
	p, err := configured("@type json\nkeep_time_key true")
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(`{"a":{"b":[1,2]},"time":5}`)
	err = p.Parse(text, func(e event.Event) error {
		if raw, ok := e.Record.Raw(); !ok || &raw[0] != &text[0] {
			t.Error("the record was taken apart or copied")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzParsers(f *testing.F) {
	var parsers []plugin.Parser
	for _, lines := range []string{
		"@type csv\nkeys a,b", "@type csv\nkeys a,b\nparser_type fast\ndelimiter ||", "@type ltsv\ndelimiter_pattern /,*/", "@type tsv\nkeys a,b\ntypes a:integer,b:float",
		"@type syslog\nmessage_format auto\nwith_priority true", "@type apache2", "@type json\ntypes a:integer", "@type msgpack",
		"@type apache", "@type apache_error", "@type nginx", "@type none", "@type syslog\nmessage_format rfc5424", "@type syslog\nparser_type string",
		"@type regexp\nexpression /^(?<a>[^ ]*) (?<t>\\d+)(?: (?<b>.*))?$/\ntypes a:array,t:time:unixtime,b:bool\nnull_empty_string true",
		"@type multiline\nformat1 /^(?<a>[^\\n]*)\\n/\nformat2 /(?<b>.*)/",
	} {
		p, err := configured(lines)
		if err != nil {
			f.Fatal(err)
		}
		parsers = append(parsers, p)
	}
	for _, s := range []string{`1,"two, 2",3`, "a||\"b\"||", "a:1\tb:2", "-1_0\t1.5e-3", "<6>Feb 28 12:00:00 h a[1]: x", `[{"a":"1"}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range parsers {
			p.Parse(b, func(e event.Event) error {
				out := e.Record.AppendJSON(nil)
				if _, err := event.ParseRecord(out); err != nil {
					t.Fatalf("%q became %q, which is no JSON: %v", b, out, err)
				}
				return nil
			})
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	text := []byte(`{"addr.remote":"203.0.113.10:51454","cluster_name":"teleport.example.com","code":"T1000I","ei":0,"event":"user.login","method":"local","mfa_device":{"mfa_device_name":"yubikey","mfa_device_uuid":"f919295a-7862-4616-978a-ed0ce3c6c4f3","mfa_device_type":"WebAuthn"},"success":true,"time":"2026-01-15T09:30:21.123Z","uid":"695139c0-9d75-4277-b806-e96cea4d4c4c","user":"alice@example.com","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"}`)
	batch := []byte("[" + strings.Repeat(string(text)+",", 99) + string(text) + "]")
	for _, c := range []struct {
		name, keep string
		text       []byte
	}{{"keep", "true", text}, {"take", "false", text}, {"array100", "true", batch}} {
		b.Run(c.name, func(b *testing.B) {
			p, err := configured("@type json\ntime_type string\ntime_format %Y-%m-%dT%H:%M:%S\nkeep_time_key " + c.keep)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Parse(c.text, func(event.Event) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
