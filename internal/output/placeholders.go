package output

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/strftime"
)

// checkPlaceholders holds a parameter against the chunk keys: each key must stand
// in the text, or events of different chunks would meet in one place; and nothing
// may stand there that no chunk has. The rules and the words are Fluentd's.
func checkPlaceholders(name, text string, c buffer.Config) error {
	t, err := placeholder.Compile(text)
	if err != nil {
		return param.Errorf(name, "", "%w", err)
	}
	complain := func(hint, what string) error {
		return param.Errorf(name, hint, "Parameter '%s: %s' %s", name, text, what) //nolint:staticcheck // Fluentd's own words
	}
	switch uses, keyed := t.UsesTag(), c.KeyedByTag(); {
	case keyed && !uses:
		return complain("put ${tag} into it, or take tag out of <buffer ...>", "doesn't have tag placeholder")
	case uses && !keyed:
		return complain("write <buffer tag>", "has tag placeholders, but chunk key 'tag' is not configured")
	}
	fields, _ := c.FieldKeys()
	if missing := without(fields, t.Keys()); len(missing) > 0 {
		return complain("put ${"+missing[0]+"} into it", "doesn't have enough placeholders for keys "+strings.Join(missing, ","))
	}
	if unknown := without(t.Keys(), fields); len(unknown) > 0 {
		return complain("write <buffer "+strings.Join(unknown, ",")+">", "has placeholders, but chunk keys doesn't have keys "+strings.Join(unknown, ","))
	}
	if hint, what := timeComplaint(text, c); what != "" {
		return complain(hint, what)
	}
	return nil
}

// without is a less b, sorted.
func without(a, b []string) []string {
	var left []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			left = append(left, s)
		}
	}
	slices.Sort(left)
	return left
}

// finest is the units of time that a text can tell apart, the shortest first.
var finest = []struct {
	seconds     int64
	unit, place string
}{
	{1, "second", "%S"},
	{60, "minute", "%M"},
	{3600, "hour", "%H"},
	{86400, "day", "%d"},
	{2678400, "month", "%m"},
	{31622400, "year", "%Y"},
}

// timeComplaint says what is wrong with the time directives of a text: they must
// tell each slice from the next.
func timeComplaint(text string, c buffer.Config) (hint, what string) {
	// A moment at which each unit's change shows.
	base := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int64) string {
		return string(strftime.Format(nil, text, base.Add(time.Duration(seconds)*time.Second)))
	}
	timekey := int64(c.Timekey / time.Second)
	key := strconv.FormatInt(timekey, 10)
	for _, f := range finest {
		switch {
		case at(f.seconds) == at(0):
			continue
		case !c.Timekeyed():
			return "write <buffer time> with a timekey", "has timestamp placeholders, but chunk key 'time' is not configured"
		case timekey < f.seconds:
			return "put " + f.place + " into it", "doesn't have timestamp placeholder for " + f.unit + "('" + f.place + "') for timekey " + key
		}
		return "", ""
	}
	if c.Timekeyed() {
		return "put " + strings.Join(directives(c.Timekey), "") + " into it", "doesn't have timestamp placeholders for timekey " + key
	}
	return "", ""
}

// directives is the time that names a slice of this length, and no more.
func directives(timekey time.Duration) []string {
	all := []string{"%Y", "%m", "%d", "%H", "%M", "%S"}
	switch {
	case timekey < time.Minute:
		return all
	case timekey < time.Hour:
		return all[:5]
	case timekey < 24*time.Hour:
		return all[:4]
	}
	return all[:3]
}
