package filter

import (
	"errors"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

func TestParserFilter(t *testing.T) {
	const base = "key_name log\n<parse>\n@type x\n</parse>\n"
	good, other, object := `{"log":"{\"a\":1,\"time\":1500000000}","o":1}`, `{"log":"bad","o":2}`, `{"log":{"x":1},"o":4}`
	two, absent, null := `{"log":"{\"a\":1}\n{\"o\":2}","o":6}`, `{"o":3}`, `{"log":null,"o":7}`
	badTime := `{"log":"{\"a\":1}\n{\"time\":\"x\"}","o":8}`
	const notMatched, gone = "error: pattern not matched with data ", "error: log does not exist"
	for _, c := range []struct{ name, conf, record, want string }{
		{"plain", base, good, `1500000000.000000000 {"a":1}`},
		{"two events", base, two, "{\"a\":1}\n{\"o\":2}"},
		{"other kind", base, other, notMatched + "'bad'"},
		{"object", base, object, notMatched + `'{"x"=>1}'`},
		{"absent", base, absent, gone},
		{"null", base, null, gone},
		{"nothing of a text with a bad time", base + "reserve_data true", badTime, "error: invalid time format: x"},
		{"no error events", base + "emit_invalid_record_to_error false", other, ""},
		{"reserve_time", base + "reserve_time true", good, `{"a":1}`},
		{"reserve_data", base + "reserve_data true", good, `1500000000.000000000 {"log":"{\"a\":1,\"time\":1500000000}","o":1,"a":1}`},
		{"reserve_data, same field", base + "reserve_data true", two, `{"log":"{\"a\":1}\n{\"o\":2}","o":6,"a":1}` + "\n" + `{"log":"{\"a\":1}\n{\"o\":2}","o":2}`},
		{"reserve_data passes on", base + "reserve_data true", other, other + "\n" + notMatched + "'bad'"},
		{"reserve_data passes on without the field", base + "reserve_data true", absent, absent + "\n" + gone},
		{"reserve_data, no error events", base + "reserve_data true\nemit_invalid_record_to_error false", null, null},
		{"remove_key_name_field", base + "reserve_data true\nremove_key_name_field true", good, `1500000000.000000000 {"o":1,"a":1}`},
		{"remove_key_name_field keeps the unparsed", base + "reserve_data true\nremove_key_name_field true", other, other + "\n" + notMatched + "'bad'"},
		{"prefix", base + "inject_key_prefix x_", two, "{\"x_a\":1}\n{\"x_o\":2}"},
		{"hash_value_field", base + "hash_value_field hv\nreserve_data true\nremove_key_name_field true", two, `{"o":6,"hv":{"a":1}}` + "\n" + `{"o":6,"hv":{"o":2}}`},
		{"nested field", "key_name $.h.log\nreserve_data true\nremove_key_name_field true\n<parse>\n@type x\n</parse>", `{"h":{"log":"{\"a\":1}","k":1}}`, `{"h":{"k":1},"a":1}`},
		{"invalid bytes", base + "replace_invalid_sequence true", "{\"log\":\"{\\\"a\\\":\\\"\xff\\\"}\"}", `{"a":"?"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness()
			f := NewParser(h.env)
			if err := h.build(f, c.conf); err != nil {
				t.Fatal(err)
			}
			if got := run(t, f, "t", c.record); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// The log names the class that Fluentd names.
func TestErrorClasses(t *testing.T) {
	h := newHarness()
	f := NewParser(h.env)
	if err := h.build(f, "key_name log\n<parse>\n@type x\n</parse>"); err != nil {
		t.Fatal(err)
	}
	for want, record := range map[string]*event.Record{
		"ArgumentError":                       event.NewRecord("o", 1),
		"Fluent::Plugin::Parser::ParserError": event.NewRecord("log", "bad"),
	} {
		err := f.Filter("t", event.Event{Record: record}, func(event.Event) {})
		var classed interface{ Class() string }
		if !errors.As(err, &classed) || classed.Class() != want {
			t.Errorf("%v, want the class %s", err, want)
		}
	}
}
