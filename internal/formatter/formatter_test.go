package formatter

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

func TestMain(m *testing.M) {
	// Times are written in local time; the recordings were made in UTC.
	time.Local = time.UTC
	m.Run()
}

var constructors = map[string]func(plugin.Env) plugin.Formatter{
	"json": NewJSON, "out_file": NewOutFile, "stdout": NewStdout, "ltsv": NewLTSV, "csv": NewCSV, "tsv": NewTSV,
	"msgpack": NewMsgpack, "hash": NewHash, "single_value": NewSingleValue,
}

func build(typ string) (plugin.Formatter, error) {
	if make, ok := constructors[typ]; ok {
		return make(plugin.Env{Formatter: build, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}), nil
	}
	return nil, fmt.Errorf("no formatter %q", typ)
}

// configured makes a formatter of the lines of a <format> section.
func configured(lines string) (plugin.Formatter, error) {
	node, err := conf.Parse("format.conf", []byte("<format>\n"+lines+"\n</format>\n"), conf.Options{})
	if err != nil {
		return nil, err
	}
	section := node.Children[0]
	f, err := build(section.Text("@type"))
	if err != nil {
		return nil, err
	}
	var problems conf.Problems
	param.DecodePlugin(section, "format", &problems, f)
	for _, w := range problems.Warnings {
		return nil, w
	}
	return f, problems.Err()
}

// What real Fluentd wrote of these two events.
const (
	first  = `{"a":"x","n":5,"f":1.5,"t":true,"z":null,"arr":[1,"b"],"h":{"k":"v"},"q":"a \"q\" ,\t\n b","u":"é日"}`
	second = `{"a":"second","n":2}`
)

func TestFormatters(t *testing.T) {
	for lines, want := range map[string]string{
		"@type json":                          first + "\n" + second + "\n",
		"@type json\nnewline crlf":            first + "\r\n" + second + "\r\n",
		"@type json\nadd_newline false":       first + second,
		"@type json\njson_parser yajl":        first + "\n" + second + "\n",
		"@type out_file":                      "2020-09-13T12:26:40+00:00\ta.b\t" + first + "\n2020-09-13T12:26:40+00:00\tc\t" + second + "\n",
		"@type out_file\ntimezone Asia/Tokyo": "2020-09-13T21:26:40+09:00\ta.b\t" + first + "\n2020-09-13T21:26:40+09:00\tc\t" + second + "\n",
		"@type out_file\ntime_type float":     "1600000000.123456700\ta.b\t" + first + "\n1600000000.00000000\tc\t" + second + "\n",
		"@type out_file\ndelimiter COMMA\noutput_tag false\noutput_time false": first + "\n" + second + "\n",
		"@type out_file\ndelimiter SPACE\ntime_type unixtime":                  "1600000000 a.b " + first + "\n1600000000 c " + second + "\n",
		"@type out_file\ndelimiter ,\noutput_time false\nnewline crlf":         "a.b\t" + first + "\r\nc\t" + second + "\r\n",
		"@type out_file\ntime_format %Y/%m/%d %H:%M:%S.%L\nutc true":           "2020/09/13 12:26:40.123\ta.b\t" + first + "\n2020/09/13 12:26:40.000\tc\t" + second + "\n",
		"@type stdout":                            "2020-09-13 12:26:40.123456700 +0000 a.b: " + first + "\n2020-09-13 12:26:40.000000000 +0000 c: " + second + "\n",
		"@type stdout\nnewline crlf":              "2020-09-13 12:26:40.123456700 +0000 a.b: " + first + "\n2020-09-13 12:26:40.000000000 +0000 c: " + second + "\n",
		"@type stdout\noutput_type ltsv":          "2020-09-13 12:26:40.123456700 +0000 a.b: a:x\tn:5\tf:1.5\tt:true\tz:\tarr:[1, \"b\"]\th:{\"k\"=>\"v\"}\tq:a \"q\" , \n b\tu:é日\n2020-09-13 12:26:40.000000000 +0000 c: a:second\tn:2\n",
		"@type stdout\noutput_type tsv\nkeys n,a": "2020-09-13 12:26:40.123456700 +0000 a.b: 5\tx\n2020-09-13 12:26:40.000000000 +0000 c: 2\tsecond\n",
		"@type ltsv":                              "a:x\tn:5\tf:1.5\tt:true\tz:\tarr:[1, \"b\"]\th:{\"k\"=>\"v\"}\tq:a \"q\" , \n b\tu:é日\na:second\tn:2\n",
		"@type ltsv\ndelimiter |\nlabel_delimiter =\nadd_newline false": "a=x|n=5|f=1.5|t=true|z=|arr=[1, \"b\"]|h={\"k\"=>\"v\"}|q=a \"q\" ,\t\n b|u=é日a=second|n=2",
		"@type csv\nfields n,a":                                      "\"5\",\"x\"\n\"2\",\"second\"\n",
		"@type csv\nfields a,$.h.k":                                  "\"x\",\"v\"\n\"second\",\"\"\n",
		"@type csv\nfields a,n\ndelimiter TAB":                       "\"x\"\t\"5\"\n\"second\"\t\"2\"\n",
		"@type csv\nfields a,n,f,q\ndelimiter |\nforce_quotes false": "x|5|1.5|\"a \"\"q\"\" ,\t\n b\"\nsecond|2||\n",
		"@type tsv\nkeys a,n,z,q,nope,arr":                           "x\t5\t\ta \"q\" ,\t\n b\t\t[1, \"b\"]\nsecond\t2\t\t\t\t\n",
		"@type tsv\nkeys a,n\ndelimiter ;\nadd_newline false":        "x;5second;2",
		"@type single_value\nmessage_key a":                          "x\nsecond\n",
		"@type single_value\nmessage_key n":                          "5\n2\n",
		"@type single_value\nmessage_key h":                          "{\"k\"=>\"v\"}\n\n",
		"@type single_value\nmessage_key nope":                       "\n\n",
		"@type single_value\nmessage_key a\nadd_newline false":       "xsecond",
		"@type hash": `{"a"=>"x", "n"=>5, "f"=>1.5, "t"=>true, "z"=>nil, "arr"=>[1, "b"], "h"=>{"k"=>"v"}, "q"=>"a \"q\" ,\t\n b", "u"=>"\u00E9\u65E5"}` + "\n" + `{"a"=>"second", "n"=>2}` + "\n",
	} {
		f, err := configured(lines)
		if err != nil {
			t.Errorf("%s\n%v", lines, err)
			continue
		}
		got, err := formatted(f)
		if err != nil || got != want {
			t.Errorf("%s (%v)\n got %q\nwant %q", lines, err, got, want)
		}
	}
}

// formatted are the two events, one behind the other.
func formatted(f plugin.Formatter) (string, error) {
	dst := []byte("before ")
	for _, e := range []struct {
		tag, record string
		at          event.Time
	}{{"a.b", first, event.Time{Sec: 1600000000, Nsec: 123456700}}, {"c", second, event.Time{Sec: 1600000000}}} {
		var err error
		if dst, err = f.Format(dst, e.tag, event.Event{Time: e.at, Record: event.RawRecord([]byte(e.record))}); err != nil {
			return "", err
		}
	}
	return strings.TrimPrefix(string(dst), "before "), nil
}

func TestMsgpack(t *testing.T) {
	f, err := configured("@type msgpack")
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Format(nil, "a.b", event.Event{Record: event.RawRecord([]byte(first))})
	if err != nil {
		t.Fatal(err)
	}
	const want = "iaFhoXihbgWhZss/+AAAAAAAAKF0w6F6wKNhcnKSAaFioWiBoWuhdqFxq2EgInEiICwJCiBioXWlw6nml6U="
	if text := base64.StdEncoding.EncodeToString(got); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

// Milliseconds taken for seconds: what Fluentd printed.
func TestFarYears(t *testing.T) {
	f, err := configured("@type stdout")
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Format(nil, "t", event.Event{Time: event.Time{Sec: 1500000000123}, Record: event.NewRecord("n", 9)})
	if want := "9503-02-10 02:42:03.000000000 +0000 t: {\"n\":9}\n"; err != nil || string(got) != want {
		t.Errorf("got %q %v, want %q", got, err, want)
	}
}

func TestConfigurationErrors(t *testing.T) {
	for lines, want := range map[string]string{
		"@type csv":                             "required",
		"@type csv\nfields $.":                  "empty key",
		"@type csv\nfields a\ndelimiter \"\"":   "delimiter",
		"@type tsv":                             "required",
		"@type ltsv\ndelimiter \"\"":            "delimiter is empty",
		"@type out_file\ntimezone Nowhere/Land": "Unsupported timezone",
		"@type stdout\noutput_type stdout":      "hold itself",
		"@type stdout\noutput_type nope":        "nope",
		"@type stdout\noutput_type tsv":         "required",
		"@type json\nnewline cr":                "lf",
	} {
		if _, err := configured(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", lines, err, want)
		}
	}
}

// BenchmarkFormat prints a record that is text, and one that is taken apart.
func BenchmarkFormat(b *testing.B) {
	raw := event.RawRecord([]byte(first))
	split := raw.Clone()
	split.Keys()
	for _, lines := range []string{"@type json", "@type out_file", "@type ltsv", "@type csv\nfields a,b", "@type msgpack", "@type single_value"} {
		f, err := configured(lines)
		if err != nil {
			b.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(lines, "@type "), "\n")
		b.Run(name+"/text", func(b *testing.B) { benchFormat(b, f, raw) })
		b.Run(name+"/split", func(b *testing.B) { benchFormat(b, f, split) })
	}
}

func benchFormat(b *testing.B, f plugin.Formatter, r *event.Record) {
	e := event.Event{Time: event.Time{Sec: 1600000000}, Record: r}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Format(dst, "test.log", e); err != nil {
			b.Fatal(err)
		}
	}
}
