package param

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/onig"
)

// sample declares one parameter of each kind.
type sample struct {
	name, mode, arg string
	list            []string
	on              bool
	n, port         int
	f               float64
	size            int64
	wait            time.Duration
	re              *onig.Regexp
	field           event.Accessor
	pairs           []Pair
	inner           inner
	innerThere      bool
	many            []inner
	nSet            bool
}

type inner struct{ key string }

func (s *sample) Params(p *Set) {
	p.String("name", &s.name, "", "Its name.").Required()
	p.String("mode", &s.mode, "fast", "How.").Enum("fast", "slow")
	p.Strings("list", &s.list, []string{"a", "b"}, "Some.")
	p.Bool("on", &s.on, true, "Whether.")
	p.Int("n", &s.n, 3, "How many.").Present(&s.nSet).Alias("number")
	p.Port("port", &s.port, 24224, "At which door.")
	p.Float("f", &s.f, 0.5, "How much.")
	p.Size("size", &s.size, 8<<20, "How large.")
	p.Time("wait", &s.wait, 90*time.Second, "How long.")
	p.Regexp("re", &s.re, "Which.")
	p.Accessor("field", &s.field, "Where.")
	p.Hash("pairs", &s.pairs, "What.")
	p.String("token", new(string), "", "Secret word.").Secret().Enum("sesame")
	p.String("old", new(string), "", "Old way.").Deprecated("write new")
	p.Arg(&s.arg, "none", "The argument.")
	p.Ignore("jobs", "there is one process")
	Section(p, "inner", &s.inner, innerParams, "Inside.").Present(&s.innerThere)
	Sections(p, "many", &s.many, innerParams, "Several.")
}

func innerParams(p *Set, i *inner) { p.String("key", &i.key, "", "Key.").Required() }

func decode(t *testing.T, text string) (*sample, *conf.Problems) {
	t.Helper()
	root, err := conf.Parse("t.conf", []byte(text), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, problems := &sample{}, &conf.Problems{}
	Decode(root.Children[0], "match x (sample)", problems, s.Params)
	problems.Sort()
	return s, problems
}

func TestDecodeFillsFields(t *testing.T) {
	s, problems := decode(t, `<match x y>
  name "n"
  mode slow
  list ["p","q"]
  on no
  number 7
  f 1.5
  size 10k
  wait 1h
  re /a+/
  field $.a.b
  pairs k:v
  <inner>
    key one
  </inner>
  <many>
    key two
  </many>
  <many>
    key three
  </many>
</match>`)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if s.name != "n" || s.mode != "slow" || strings.Join(s.list, "") != "pq" || s.on || s.n != 7 || !s.nSet || s.f != 1.5 ||
		s.size != 10<<10 || s.wait != time.Hour || s.re == nil || s.field.String() != "$.a.b" || s.arg != "x y" {
		t.Errorf("wrong values: %+v", s)
	}
	if !s.innerThere || s.inner.key != "one" || len(s.many) != 2 || s.many[1].key != "three" {
		t.Errorf("wrong sections: %+v %+v", s.inner, s.many)
	}
	if len(s.pairs) != 1 || s.pairs[0].Key != "k" {
		t.Errorf("pairs = %v", s.pairs)
	}
}

func TestDefaults(t *testing.T) {
	s, problems := decode(t, "<match>\n  name n\n</match>")
	if len(problems.Errors)+len(problems.Warnings) > 0 {
		t.Fatalf("problems: %v %v", problems.Errors, problems.Warnings)
	}
	if s.mode != "fast" || len(s.list) != 2 || !s.on || s.n != 3 || s.nSet || s.f != 0.5 || s.size != 8<<20 || s.wait != 90*time.Second || s.arg != "none" || s.innerThere {
		t.Errorf("wrong defaults: %+v", s)
	}
}

// Every default decodes back to itself, so that the reference pages tell the truth.
func TestDefaultsDecodeBack(t *testing.T) {
	doc := Describe((&sample{}).Params)
	var b strings.Builder
	b.WriteString("<match>\n name n\n")
	for _, p := range doc.Params {
		if p.HasDefault {
			b.WriteString(p.Name + " " + p.Default + "\n")
		}
	}
	b.WriteString("</match>")
	s, problems := decode(t, b.String())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if s.n != 3 || s.size != 8<<20 || s.wait != 90*time.Second || s.f != 0.5 || s.mode != "fast" || len(s.list) != 2 {
		t.Errorf("defaults came back changed: %+v", s)
	}
}

func TestProblems(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"missing", "", "t.conf:1:1: match x (sample): name: parameter is required\n  hint: add a line `name ...`: its name."},
		{"enum", "name n\nmode fst", `mode: valid options are fast,slow but got fst` + "\n  hint: did you mean fast?"},
		{"bool", "name n\non maybe", "on: "},
		{"size", "name n\nsize x", "size: "},
		{"port", "name n\nport 65536", "t.conf:3:6: match x (sample): port: 65536 is no port"},
		{"port beside another fault", "port -1", "port: -1 is no port"},
		{"regexp", "name n\nre /(/", "re: "},
		{"inner", "name n\n<many>\n</many>", "key: parameter is required"},
		{"secret is never shown", "name n\ntoken hunter2", "got xxxxxx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := decode(t, "<match>\n"+tt.line+"\n</match>")
			err := problems.Err()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the secret is in the message")
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	_, problems := decode(t, "<match>\nname n\nnmae m\nold x\njobs 4\nsize 0.5k\n<buffer>\n</buffer>\n</match>")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, w := range problems.Warnings {
		texts = append(texts, w.Error())
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{
		"parameter 'nmae' in <match> is not used", "did you mean name?", "old: is deprecated", "write new", "jobs: has no effect",
		"section <buffer> is not used in <match>", "is read as 5 KiB",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in:\n%s", want, all)
		}
	}
}

func TestPlaceBlamesTheParameter(t *testing.T) {
	root, err := conf.Parse("t.conf", []byte("<match>\n  a 1\n  <buffer>\n    path /x\n  </buffer>\n</match>"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := Place(Errorf("path", "another", "is taken"), root.Children[0], "match")
	if want := "t.conf:4:5: match: path: is taken\n  hint: another"; got.Error() != want {
		t.Errorf("got %q, want %q", got.Error(), want)
	}
}
