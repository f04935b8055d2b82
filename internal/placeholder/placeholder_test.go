package placeholder

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// hour is the chunk of the cases recorded from Fluentd: tag a.b, the hour of
// 2020-09-13 12:26:40.
func hour(variables ...event.Variable) event.Meta {
	m := event.Meta{Tag: "a.b", HasTag: true, Timekey: 1599998400, HasTimekey: true, Variables: variables}
	copy(m.ChunkID[:], "\x66\x01\x02")
	return m
}

func TestExpand(t *testing.T) {
	k := event.Variable{Key: "k", Value: "kv"}
	for _, c := range []struct {
		text, want, unknown string
		meta                event.Meta
	}{
		{"logs//%Y/%m/%d/${tag}/%H%M_%{index}.gz", "logs//2020/09/13/a.b/1200_%{index}.gz", "", hour()},
		{"logs/${tag}/${tag[0]}/${tag[1]}/${tag[-1]}/${tag[-2]}/x${tag[2]}${tag[-3]}", "logs/a.b/a/b/b/a/x", "", hour()},
		{"logs/%{nope}_${nope}_%{index}", "logs/%{nope}_${nope}_%{index}", "${nope}", hour()},
		{"logs/${k}/${$.k}_", "logs/kv/_", "${$.k}", hour(k)},
		{"logs/100%%_%{index}", "logs/100%_%{index}", "", hour()},
		{"${chunk_id}", "66010200000000000000000000000000", "", hour()},
		{"é%Y/日", "é2020/日", "", hour()},
		// A directive ends at a placeholder.
		{"%${tag}%Y%${tag}", "%a.b2020%a.b", "", hour()},
		{"${a b}${}${tag[x]}${a${k}", "${a b}${}${tag[x]}${akv", "", hour(k)},
		// Without time, tag or fields among the chunk keys nothing of them is filled in.
		{"%Y-${tag}-${tag[0]}-${k}-100%", "%Y-${tag}-${tag[0]}-${k}-100%", "${tag} ${tag[0]} ${k}", event.Meta{}},
		{"${k}/${tag}/${tag[0]}/${chunk_id}", "kv/${tag}/${tag[0]}/" + strings.Repeat("0", 32), "${tag} ${tag[0]}", event.Meta{Variables: []event.Variable{k}}},
		// Values are put in as text and not read again.
		{"${k}/%Y", "%Y${tag}/2020", "", hour(event.Variable{Key: "k", Value: "%Y${tag}"})},
		{"${k}${n}${h}", `{"a"=>1}`, "", hour(event.Variable{Key: "k"}, event.Variable{Key: "n", Value: ""}, event.Variable{Key: "h", Value: event.NewRecord("a", int64(1))})},
		{"${$.a.b}${k.x-y_z@1}", "12", "", hour(event.Variable{Key: "$.a.b", Value: int64(1)}, event.Variable{Key: "k.x-y_z@1", Value: int64(2)})},
	} {
		tpl, err := Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tpl.Expand(c.meta, time.UTC)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.text, got, err, c.want)
		}
		if unknown := strings.Join(tpl.Unknown(c.meta), " "); unknown != c.unknown {
			t.Errorf("%s: unknown %q, want %q", c.text, unknown, c.unknown)
		}
	}
}

func TestExpandZone(t *testing.T) {
	tpl, err := Compile("%Y%m%d%H %z")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := tpl.Expand(hour(), time.FixedZone("", 9*3600)); got != "2020091321 +0900" {
		t.Errorf("in +09:00: %q", got)
	}
}

func TestNoTimeFormat(t *testing.T) {
	tpl, err := Compile("logs/100%")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tpl.Expand(hour(), time.UTC); err == nil {
		t.Errorf("a percent sign at the end: %q, want an error", got)
	}
}

func TestUses(t *testing.T) {
	for _, c := range []struct {
		text      string
		time, tag bool
		keys      []string
	}{
		{"logs/100%%/%{index}", false, false, nil},
		{"logs/%-d", true, false, nil},
		{"%{time_slice}%s", true, false, nil},
		{"%s${tag[0]}", true, true, nil},
		{"${tag}/${k}/${$.a.b}/${k}/${chunk_id}", false, true, []string{"k", "$.a.b"}},
	} {
		tpl, err := Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if tpl.UsesTime() != c.time || tpl.UsesTag() != c.tag || !slices.Equal(tpl.Keys(), c.keys) {
			t.Errorf("%s: time %v, tag %v, keys %q", c.text, tpl.UsesTime(), tpl.UsesTag(), tpl.Keys())
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("logs/${tag[-1]}/%Y/${k}${nope}${chunk_id}%", "a.b", "v")
	f.Fuzz(func(t *testing.T, text, tag, value string) {
		tpl, err := Compile(text)
		if err != nil {
			return
		}
		// Without chunk keys a text without ${chunk_id} stays what it is.
		if got, err := tpl.Expand(event.Meta{}, time.UTC); err != nil || got != strings.ReplaceAll(text, "${chunk_id}", event.ChunkID{}.String()) {
			t.Errorf("%q without chunk keys: %q, %v", text, got, err)
		}
		m := event.Meta{Tag: tag, HasTag: true, HasTimekey: true, Variables: []event.Variable{{Key: "k", Value: value}}}
		got, err := tpl.Expand(m, time.UTC)
		if err == nil && text == "${k}" && got != value {
			t.Errorf("the field's value %q came out as %q", value, got)
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	tpl, err := Compile("logs/%Y/%m/%d/${tag}/%{time_slice}_%{index}.gz")
	if err != nil {
		b.Fatal(err)
	}
	m := hour()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tpl.Expand(m, time.UTC); err != nil {
			b.Fatal(err)
		}
	}
}
