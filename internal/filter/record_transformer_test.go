package filter

import (
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// Results and warnings are those of Fluentd.
func TestRecordTransformer(t *testing.T) {
	in(t, "Asia/Tokyo")
	for _, c := range []struct{ name, conf, tag, record, want, log string }{
		{
			"plain placeholders", `<record>
				a ${tag}
				b ${tag_parts[0]}
				d ${tag_parts[-1]}
				e ${tag_parts[9]}
				g ${tag_prefix[1]}
				h ${tag_prefix[-1]}
				i ${tag_suffix[0]}
				j ${tag_suffix[1]}
				k ${tag_suffix[-1]}
				l ${hostname}
				m ${time}
				n ${record["k"]}
				p x-${record["k"]}-${record["num"]}-${record["nil"]}
				q ${record["nest"]["in"]}
				r ${record["nest"]}
				t ${record['k']}
				v ${k}
				w \${tag}
				z __HOST_NAME__
			</record>`, "a.b.c", `{"k":"kv","num":5,"nest":{"in":1},"nil":null}`,
			`{"k":"c","num":5,"nest":{"in":1},"nil":null,"a":"a.b.c","b":"a","d":"c","e":null,"g":"a.b","h":"a.b.c","i":"a.b.c","j":"b.c","l":"host1","m":"2020-09-13 21:26:40 +0900","n":"kv","p":"x-kv-5-","q":null,"r":{"in":1},"t":null,"v":null,"w":"\\a.b.c","z":null}`,
			"${tag_parts[9]} ${record[\\\"nest\\\"][\\\"in\\\"]} ${record['k']} ${k} __HOST_NAME__",
		},
		{"types", "<record>\na ${record[\"i\"]}\ng p${record[\"i\"]}\nh ${record[\"i\"]}${record[\"i\"]}\ni 5\n</record>", "t", `{"i":5}`, `{"i":"5","a":5,"g":"p5","h":"55"}`, ""},
		{"no typecast", "auto_typecast false\n<record>\na ${record[\"h\"]}\nb ${record[\"n\"]}\n</record>", "t", `{"h":{"x":1},"n":null}`, `{"h":{"x":1},"n":null,"a":"{\"x\"=>1}","b":""}`, ""},
		{"keys", "<record>\na.b dotted\n$.c.d path\nx_${tag} 1\n</record>", "t", `{"k":1}`, `{"k":1,"a.b":"dotted","$.c.d":"path","x_t":"1"}`, ""},
		{"JSON values", `<record>
				h {"x_${tag}":"${tag}","y":{"z":"p${tag}","n":1.5}}
				l ["${tag}", {"m":"${tag}"}, true]
				s "[not json]"
			</record>`, "t", `{}`, `{"h":{"x_t":"t","y":{"z":"pt","n":1.5}},"l":["t",{"m":"t"},true],"s":"[not json]"}`, ""},
		{"order", "<record>\nb 2\na 1\nk new\n</record>\n<record>\nb 3\n</record>", "t", `{"k":"old","z":1}`, `{"k":"new","z":1,"b":"3","a":"1"}`, ""},
		{"renew and keep", "renew_record true\nkeep_keys x,y, z\n<record>\nn 1\n</record>", "t", `{"x":1,"y":{"a":1},"z":null,"w":2}`, `{"x":1,"y":{"a":1},"z":null,"n":"1"}`, ""},
		{"remove", "remove_keys x,$.y.a,nope\n<record>\nx 1\n</record>", "t", `{"x":1,"y":{"a":1,"b":2}}`, `{"y":{"b":2}}`, ""},
		{"renew_time_key", "renew_time_key ts", "t", `{"ts":1500000000.5}`, `1500000000.500000000 {"ts":1500000000.5}`, ""},
		{"renew_time_key text", "renew_time_key ts", "t", `{"ts":"2020-01-02T03:04:05Z"}`, `2020.000000000 {"ts":"2020-01-02T03:04:05Z"}`, ""},
		{"renew_time_key absent", "renew_time_key ts", "t", `{"n":1}`, `{"n":1}`, ""},
		{"renew_time_key object", "renew_time_key ts", "t", `{"ts":{}}`, `error: the time can not be {}`, ""},

		{"ruby values", `enable_ruby true
			<record>
				a ${1}
				b ${nil}
				d ${[1]}
				e ${{"a"=>1}}
				f ${:sym}
				g ${1.5}
				h ${Time.at(0).utc}
				i ${1..2}
				j v=${nil}
				k ${"5"}
				l }${record["r"]}{
				m text
			</record>`, "t", `{"r":1}`, `{"r":1,"a":1,"b":null,"d":[1],"e":{"a":1},"f":"sym","g":1.5,"h":"1970-01-01 00:00:00 UTC","i":"1..2","j":"v=","k":"5","l":"}1{","m":"text"}`, ""},
		{"ruby without typecast", "enable_ruby true\nauto_typecast false\n<record>\na ${1}\nb ${nil}\nd ${{\"a\"=>1}}\n</record>", "t", `{}`, `{"a":"1","b":"","d":"{\"a\"=>1}"}`, ""},
		{"ruby shares time", `enable_ruby true
			<record>
				u ${time}
				l ["${time}"]
				x ${time.utc.strftime("%Y-%m-%dT%H:%M:%SZ")}
				v ${time}
			</record>`, "t", `{}`, `{"u":"2020-09-13 12:26:40 UTC","l":["2020-09-13 12:26:40 UTC"],"x":"2020-09-13T12:26:40Z","v":"2020-09-13 12:26:40 UTC"}`, ""},
		{"ruby keys", "enable_ruby true\n<record>\nx_${tag.upcase} {\"k#{1+1}\":\"${tag}\"}\n</record>", "t", `{}`, `{"x_T":{"k2":"t"}}`, ""},
		{"ruby changes", `enable_ruby true
			<record>
				a ${record["k"] = "changed"; record.delete("i"); nil}
				b ${record["k"]}
				c ${record["nest"]["in"] = 2; 1}
			</record>`, "t", `{"k":"v","i":7,"nest":{"in":1}}`, `{"k":"v","i":7,"nest":{"in":2},"a":null,"b":"changed","c":1}`, ""},
		{"ruby renews the time", "enable_ruby true\nrenew_time_key t\nremove_keys t\n<record>\nt ${Time.at(1500000000)}\n</record>", "t", `{}`, `1500000000.000000000 {}`, ""},
		{"ruby raises", "enable_ruby true\n<record>\nb ${record[\"nest\"][\"in\"] = 9}\na ${record[\"nope\"][\"x\"]}\n</record>", "t", `{"i":1,"nest":{"in":1}}`, "error: failed to expand `record[\"nope\"][\"x\"]` : error = undefined method `[]' for nil:NilClass", ""},
		{"ruby divides by zero", "enable_ruby true\n<record>\na ${record[\"i\"] / 0}\n</record>", "t", `{"i":1}`, "error: failed to expand `record[\"i\"] / 0` : error = divided by 0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness()
			f := NewRecordTransformer(h.env)
			if err := h.build(f, c.conf); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the machine is used again
				if got := run(t, f, c.tag, c.record); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
			for _, unknown := range strings.Fields(c.log) {
				if !strings.Contains(h.log.String(), "unknown placeholder `"+unknown+"` found") {
					t.Errorf("no warning about %s in\n%s", unknown, &h.log)
				}
			}
			if c.log == "" && strings.Contains(h.log.String(), "unknown") {
				t.Errorf("unexpected warning: %s", &h.log)
			}
		})
	}
}

func TestRecordTransformerErrors(t *testing.T) {
	for _, c := range []struct{ conf, want string }{
		{"keep_keys x", "test.conf:2:1: filter ** (test): keep_keys: `renew_record` must be true to use `keep_keys`"},
		{"enable_ruby true\n<record>\na ${1 +}\n</record>", "test.conf:4:1: filter ** (test): a: col 6: syntax error, unexpected end-of-input"},
		{"enable_ruby true\n<record>\na ${File.read(\"/etc/passwd\")}\n</record>", "test.conf:4:1: filter ** (test): a: col 8: File.read is not supported\n  hint: "},
	} {
		h := newHarness()
		if err := h.build(NewRecordTransformer(h.env), c.conf); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.conf, err, c.want)
		}
	}
}

// Other outputs may hold the same record: what a filter makes of it is its own.
func TestRecordTransformerLeavesTheOldRecord(t *testing.T) {
	h := newHarness()
	f := NewRecordTransformer(h.env)
	if err := h.build(f, "remove_keys a\n<record>\nb 2\n</record>"); err != nil {
		t.Fatal(err)
	}
	text := []byte(`{"a":1,"c":{"d":1}}`)
	split := event.RawRecord(text)
	split.Keys()
	for _, r := range []*event.Record{event.RawRecord(text), split, event.NewRecord("a", 1, "c", event.NewRecord("d", 1))} {
		var out string
		if err := f.Filter("t", event.Event{Record: r}, func(e event.Event) { out = string(e.Record.AppendJSON(nil)) }); err != nil {
			t.Fatal(err)
		}
		if got := string(r.AppendJSON(nil)); got != string(text) || out != `{"c":{"d":1},"b":"2"}` {
			t.Errorf("the old record is %s, the new one %s", got, out)
		}
	}
}

const published = `enable_ruby true
<record>
  time ${time.utc.strftime("%Y-%m-%dT%H:%M:%SZ")}
</record>`

// A Teleport event goes through the published configuration as text.
func TestPublishedConfigurationDecodesNothing(t *testing.T) {
	h := newHarness()
	f := NewRecordTransformer(h.env)
	if err := h.build(f, published); err != nil {
		t.Fatal(err)
	}
	raw := []byte(`{"ei":0,"event":"user.login","success":true,"traits":{"a":["b"]}}`)
	err := f.Filter("test.log", event.Event{Time: event.Time{Sec: 1600000000, Nsec: 5}, Record: event.RawRecord(raw)}, func(e event.Event) {
		text, ok := e.Record.Raw()
		if want := `{"ei":0,"event":"user.login","success":true,"traits":{"a":["b"]},"time":"2020-09-13T12:26:40Z"}`; !ok || string(text) != want {
			t.Errorf("still text: %v, %s", ok, text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// teleportEvent is about as long as most.
var teleportEvent = []byte(`{"ei":0,"event":"session.start","uid":"55dc09f3-5c85-4c05-9a40-6a2b0a1a2b3c","code":"T2000I","cluster_name":"teleport.example.com","user":"alice@example.com","login":"root","user_kind":1,"sid":"e0a5b5d1-3f5a-4f0c-9d43-5f8f4fb7a3a5","private_key_policy":"none","server_version":"17.2.0","namespace":"default","server_id":"9f1c1a0e-77f7-4d6a-8b56-0f9d6c1c2d11","server_hostname":"node-1.example.com","server_addr":"10.1.2.3:3022","server_labels":{"env":"prod","team":"core"},"proto":"ssh","addr.remote":"203.0.113.7:50432","size":"80:25","initial_command":null,"session_recording":"node"}`)

func BenchmarkRecordTransformer(b *testing.B) {
	for _, c := range []struct{ name, conf string }{
		{"published", published},
		{"plain", "<record>\ntag ${tag}\nhost ${hostname}\n</record>"},
		{"remove", "remove_keys server_labels"},
		{"field", "enable_ruby true\n<record>\nwho ${record[\"user\"]}\n</record>"},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newHarness()
			f := NewRecordTransformer(h.env)
			if err := h.build(f, c.conf); err != nil {
				b.Fatal(err)
			}
			benchmark(b, f)
		})
	}
}

func benchmark(b *testing.B, f plugin.Filter) {
	b.ReportAllocs()
	b.SetBytes(int64(len(teleportEvent)))
	e := event.Event{Time: event.Time{Sec: 1600000000}}
	var out []byte
	for b.Loop() {
		e.Record = event.RawRecord(teleportEvent)
		if err := f.Filter("test.log", e, func(e event.Event) { out = e.Record.AppendJSON(out[:0]) }); err != nil {
			b.Fatal(err)
		}
	}
}
