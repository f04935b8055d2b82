package ruby

import (
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

// BenchmarkEval runs what configurations hold; each round is a new record.
func BenchmarkEval(b *testing.B) {
	for _, c := range []struct{ name, src string }{
		{"published", `time.utc.strftime("%Y-%m-%dT%H:%M:%SZ")`},
		{"field", `record["user"]`},
		{"nested", `record["addr"]["remote"]`},
		{"dig", `record.dig("addr", "remote")`},
		{"default", `record["nope"] || "none"`},
		{"text", `"#{record["user"]}@#{tag_parts[0]}"`},
		{"gsub", `record["event"].gsub(/\./, "_").upcase`},
		{"ternary", `record["code"].start_with?("T2") ? "session" : "other"`},
		{"map", `record["logins"].map { |x| x.upcase }.join(",")`},
		{"json", `record.to_json`},
		{"millis", `(time.to_f * 1000).to_i`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := Parse(c.src, RecordVars())
			if err != nil {
				b.Fatal(err)
			}
			raw := []byte(`{"event":"session.start","code":"T2000I","user":"alice","logins":["root","ubuntu"],"addr":{"remote":"10.0.0.1:50000","local":"10.0.0.2:3022"},"time":"2020-09-13T12:26:40Z"}`)
			m := &Env{Hostname: "host"}
			r := event.RawRecord(raw)
			b.ReportAllocs()
			for b.Loop() {
				*r = *event.RawRecord(raw)
				m.Reset("teleport.log", event.Time{Sec: 1600000000, Nsec: 5}, r)
				v, err := p.Eval(m)
				if err != nil {
					b.Fatal(err)
				}
				m.ToEvent(v)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(`time.utc.strftime("%Y-%m-%dT%H:%M:%SZ")`, RecordVars()); err != nil {
			b.Fatal(err)
		}
	}
}
