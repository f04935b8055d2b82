package relay

import (
	"slices"

	"github.com/sluicelog/sluice/internal/conf"
)

// unroutedSources warns about sources whose events nothing takes: there is no
// <match> on their way at all, or they give every event a tag that none of them
// takes. Fluentd, too, answers such events and drops them.
func (l *linter) unroutedSources() {
	if len(l.relay.inputs) == 0 && len(l.tree.Children) == 0 {
		l.problems.Warn(&conf.Error{Pos: l.tree.Pos, Err: errEmpty, Hint: "begin with what `handler configure` writes, or with docs/reference/sources.md"})
	}
	for _, in := range l.relay.inputs {
		kind := in.node.Text("@type")
		switch tag := in.node.Text("tag"); {
		case !slices.Contains([]string{"http", "forward", "unix", "tcp", "udp", "syslog", "sample", "dummy"}, kind):
		case !l.hasMatch(in.label):
			l.warn(in.node.Pos, in.node, "", "add a <match **> with an output",
				"there is no <match> for the events of this source: all of them are dropped")
		case tag == "" || kind == "syslog" || l.relay.Takes(in.label, tag):
		default:
			line, _ := in.node.Get("tag")
			l.warn(line.Pos, in.node, "tag", "write <match "+tag+">, or correct the tag",
				"no <match> takes the tag %s: the events of this source are dropped", tag)
		}
	}
}

// hasMatch reports whether a label, or the top level, has any <match>.
func (l *linter) hasMatch(label string) bool {
	if label == rootLabel {
		return len(sections(l.tree, "match")) > 0
	}
	for _, section := range sections(l.tree, "label") {
		if section.Arg == label {
			return len(sections(section, "match")) > 0
		}
	}
	return true // what the relay adds of itself
}
