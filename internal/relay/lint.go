package relay

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/strftime"
)

// Lint adds warnings about what a configuration does, correctly and as Fluentd
// does it, but what hardly anybody wants: times that lose their zone, tags that
// nothing takes, keys that run together. Start and `relay check` both show them.
func (r *Relay) Lint(tree *conf.Node, problems *conf.Problems) {
	l := &linter{relay: r, tree: tree, problems: problems}
	l.timeFormats()
	l.sessionTags()
	l.objectKeys()
	l.unreadBuffers()
	l.memoryBuffers()
	l.ownLog()
	l.unroutedSources()
	l.bareSizes(l.tree)
}

var errEmpty = errors.New("the configuration is empty: nothing is read and nothing is written")

type linter struct {
	relay    *Relay
	tree     *conf.Node
	problems *conf.Problems
}

func (l *linter) warn(at conf.Pos, n *conf.Node, name, hint, format string, args ...any) {
	l.problems.Warn(&conf.Error{Pos: at, Path: pathOf(n), Param: name, Err: fmt.Errorf(format, args...), Hint: hint})
}

// sampleTime has everything that a Teleport event's time can have.
const sampleTime = "2026-01-15T09:30:00.123456789Z"

// timeFormats warns about a <parse> whose time_format drops the fraction or the
// zone of an event's time, and about one that takes the time out of the record.
func (l *linter) timeFormats() {
	for _, source := range sections(l.tree, "source") {
		for _, parse := range sections(source, "parse") {
			if parse.Text("@type") == "json" && parse.Text("time_type") == "string" {
				l.timeFormat(source, parse)
			}
		}
	}
}

func (l *linter) timeFormat(source, parse *conf.Node) {
	line, ok := parse.Get("time_format")
	if !ok {
		return
	}
	layout, err := strftime.Compile(line.Value.Text)
	if err != nil {
		return
	}
	t, hasZone, rest, err := layout.Parse(sampleTime, time.UTC)
	if err != nil {
		return // another kind of time, which this sample says nothing about
	}
	var losses []string
	if t.Nanosecond() == 0 {
		losses = append(losses, "drops the fraction of the second")
	}
	if !hasZone && !fixedZone(parse) && strings.HasSuffix(rest, "Z") {
		losses = append(losses, "ignores the zone, so that the text is read as this machine's local time")
	}
	keeps := isTrue(parse.Text("keep_time_key"))
	if len(losses) == 0 && keeps {
		return
	}
	if !keeps {
		losses = append(losses, fmt.Sprintf("takes %q out of the record (keep_time_key is off)", timeKey(parse)))
	}
	l.warn(line.Pos, source, "time_format",
		"write `time_format %iso8601` and `keep_time_key true`; then no filter has to put the time back",
		"%s on %s: this %s", line.Value.Text, sampleTime, strings.Join(losses, ", "))
}

func fixedZone(parse *conf.Node) bool {
	return isTrue(parse.Text("utc")) || parse.Text("timezone") != "" || parse.Text("localtime") == "false"
}

func timeKey(parse *conf.Node) string {
	if key := parse.Text("time_key"); key != "" {
		return key
	}
	return "time"
}

func isTrue(text string) bool { return text == "true" || text == "yes" }

// sessionID stands for any session's id in the tags that the lints try.
const sessionID = "01234567-89ab-cdef-0123-456789abcdef"

// sessionTags warns about <match session.*>: the handler's tags for recordings
// are session.<id>.log, two parts more, and a single * is one part.
func (l *linter) sessionTags() {
	for _, section := range append([]*conf.Node{l.tree}, sections(l.tree, "label")...) {
		label := rootLabel
		if section.Name == "label" {
			label = section.Arg
		}
		for _, m := range sections(section, "match") {
			for pattern := range strings.FieldsSeq(m.Arg) {
				l.sessionTag(label, m, pattern)
			}
		}
	}
}

func (l *linter) sessionTag(label string, m *conf.Node, pattern string) {
	stem, ok := strings.CutSuffix(pattern, ".*")
	if !ok || strings.ContainsAny(stem, "*{}/") || !strings.Contains(stem, "session") {
		return
	}
	tag := stem + "." + sessionID + ".log"
	if l.relay.Takes(label, tag) {
		return
	}
	l.warn(m.Pos, m, "", fmt.Sprintf("write <match %s.**>", stem),
		"the event handler's tags %s.<session id>.log match nothing: * is one part, so %s does not take them and these events are dropped", stem, pattern)
}

// objectKeys warns about an S3 path that runs into the file name.
func (l *linter) objectKeys() {
	l.eachOutput(func(m *conf.Node) {
		path, ok := m.Get("path")
		if m.Text("@type") != "s3" || !ok || path.Value.Text == "" || strings.HasSuffix(path.Value.Text, "/") {
			return
		}
		if key := m.Text("s3_object_key_format"); key != "" && !strings.Contains(key, "%{path}%{") {
			return
		}
		l.warn(path.Pos, m, "path", fmt.Sprintf("write `path %s/`", path.Value.Text),
			"%s does not end in a slash: object keys will begin %s20260115..., outside of any folder of that name", path.Value.Text, path.Value.Text)
	})
}

// unreadBuffers gives the cure where Fluentd only says that a section is not
// used: the handler's own template has a <buffer> in the source.
func (l *linter) unreadBuffers() {
	for _, w := range l.problems.Warnings {
		var unused *param.Unused
		if errors.As(w, &unused) && unused.Child != nil && unused.Child.Name == "buffer" && unused.Section.Name == "source" {
			w.Hint = "a source has no buffer and nothing reads this section; put these lines into the <buffer> of the <match> that takes the events"
		}
	}
}

// memoryBuffers warns that acknowledged events die with the process.
func (l *linter) memoryBuffers() {
	for _, o := range l.relay.outputs {
		if o.Memory() {
			n := o.Node()
			l.warn(o.BufferPos(), n, "", "write `@type file` and a `path` into <buffer>",
				"the buffer is in memory: events that were answered 200 are lost when the process ends without flushing")
		}
	}
}

// ownLog warns, as Fluentd does, that events of the relay's own log go where the
// other events go.
func (l *linter) ownLog() {
	if l.relay.pipelines[logLabel] != nil || !l.relay.takesLog() {
		return
	}
	l.problems.Warn(&conf.Error{
		Pos:  l.tree.Pos,
		Err:  errors.New("define <match fluent.**> to capture fluentd logs in top level is deprecated. Use <label @FLUENT_LOG> instead"),
		Hint: "a <match> at the top level takes the relay's own log, tagged fluent.info and so on; a <label @FLUENT_LOG> section with <match **> @type null keeps it out",
	})
}

// eachOutput visits every <match> and <store>.
func (l *linter) eachOutput(visit func(*conf.Node)) {
	var walk func(*conf.Node)
	walk = func(n *conf.Node) {
		for _, child := range n.Children {
			if child.Name == "match" || child.Name == "store" {
				visit(child)
			}
			walk(child)
		}
	}
	walk(l.tree)
}
