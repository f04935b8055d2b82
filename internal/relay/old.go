package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
)

// Configurations written for Fluentd 0.12 and before still run: what they say in
// old words is turned into today's sections before anything is built, with a
// warning that shows the new words.

// modernize rewrites old words in the whole tree.
func modernize(n *conf.Node, problems *conf.Problems) {
	for _, child := range n.Children {
		modernize(child, problems)
	}
	if !slices.Contains(pluginSections, n.Name) {
		return
	}
	o := old{n, problems}
	o.reserved()
	switch n.Name {
	case "source":
		if slices.Contains([]string{"http", "forward"}, n.Text("@type")) {
			o.parse()
		}
	case "match", "store":
		if !slices.Contains([]string{"copy", "relabel", "roundrobin", "null"}, n.Text("@type")) {
			o.buffer()
		}
		o.format()
		o.inject()
	}
}

// pluginSections hold a plugin, whose @type was written without the @ once.
var pluginSections = []string{"source", "match", "filter", "store", "secondary", "buffer", "parse", "format", "storage"}

type old struct {
	*conf.Node
	problems *conf.Problems
}

func (o old) warn(p conf.Param, hint, format string, args ...any) {
	o.problems.Warn(&conf.Error{Pos: p.Pos, Path: pathOf(o.Node), Err: fmt.Errorf(format, args...), Hint: hint})
}

// reserved puts the @ before type, id and log_level.
func (o old) reserved() {
	for _, name := range []string{"type", "id", "log_level"} {
		if _, modern := o.Get("@" + name); modern {
			continue
		}
		for i := range o.Params {
			if p := &o.Params[i]; p.Name == name {
				p.Name = "@" + name
				o.warn(*p, "", "'%s' is deprecated parameter name. use '@%s' instead.", name, name)
			}
		}
	}
}

// child finds a section.
func (o old) child(name string) *conf.Node {
	for _, child := range o.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// word is an old parameter: what it is called now, in the section that it moves
// to, and how its value is written there; nil: as it was.
type word struct {
	now   string
	value func(string) string
}

// move takes the lines with old names out of the section into a new one of the
// given name and argument, if there are any.
func (o old) move(section, arg string, words map[string]word) *conf.Node {
	to := &conf.Node{Name: section, Arg: arg, Pos: o.Pos}
	kept := o.Params[:0:0]
	for _, p := range o.Params {
		w, isOld := words[p.Name]
		if !isOld {
			kept = append(kept, p)
			continue
		}
		if len(to.Params) == 0 {
			to.Pos = p.Pos
		}
		o.warn(p, fmt.Sprintf("write %s into <%s>", w.now, section), "'%s' is an old way to write it and deprecated", p.Name)
		if w.value != nil {
			p.Value.Text = w.value(p.Value.Text)
		}
		p.Name = w.now
		to.Params = append(to.Params, p)
	}
	o.Params = kept
	o.Children = append(o.Children, to)
	return to
}

func (o old) hasAny(names ...string) bool {
	return slices.ContainsFunc(o.Params, func(p conf.Param) bool { return slices.Contains(names, p.Name) })
}

// parse makes a <parse> section of `format` and what belongs to it.
func (o old) parse() {
	if o.child("parse") != nil || !o.hasAny("format") || o.Text("format") == "default" {
		return
	}
	words := map[string]word{"format": {now: "@type"}}
	for _, name := range []string{"time_key", "time_type", "time_format", "keep_time_key", "timezone", "utc", "localtime", "types", "null_value_pattern", "null_empty_string", "keys", "delimiter", "label_delimiter", "message_key", "estimate_current_event"} {
		words[name] = word{now: name}
	}
	to := o.move("parse", "", words)
	// A form was given to times as text only, whatever the parser's own default is.
	if _, typed := to.Get("time_type"); to.Text("time_format") != "" && !typed {
		to.Params = append(to.Params, conf.Param{Name: "time_type", Value: conf.Value{Text: "string"}, Pos: to.Pos, At: to.Pos})
	}
	// format /.../ is a regular expression.
	if p, _ := to.Get("@type"); strings.HasPrefix(p.Value.Text, "/") {
		to.Params = append(to.Params, conf.Param{Name: "expression", Value: p.Value, Pos: p.Pos, At: p.At})
		setText(to, "@type", "regexp")
	}
}

// format makes a <format> section of `format`.
func (o old) format() {
	if o.child("format") != nil || !o.hasAny("format") {
		return
	}
	words := map[string]word{"format": {now: "@type"}}
	for _, name := range []string{"delimiter", "output_time", "output_tag", "label_delimiter", "force_quotes", "message_key", "add_newline", "output_type", "fields"} {
		words[name] = word{now: name}
	}
	o.move("format", "", words)
}

// inject makes an <inject> section of include_time_key and include_tag_key.
func (o old) inject() {
	if o.child("inject") != nil || !o.hasAny("include_time_key", "include_tag_key") {
		return
	}
	words := map[string]word{"include_time_key": {now: "time_key"}, "include_tag_key": {now: "tag_key"}}
	if isYes(o.Text("include_time_key")) {
		for _, name := range []string{"time_key", "time_format"} {
			words[name] = word{now: name}
		}
	}
	if isYes(o.Text("include_tag_key")) {
		words["tag_key"] = word{now: "tag_key"}
	}
	flags := map[string]string{"time_key": o.Text("include_time_key"), "tag_key": o.Text("include_tag_key")}
	names := map[string]string{"time_key": o.textOr("time_key", "time"), "tag_key": o.textOr("tag_key", "tag")}
	to := o.move("inject", "", words)
	to.Params = slices.DeleteFunc(to.Params, func(p conf.Param) bool { return p.Name == "time_key" || p.Name == "tag_key" })
	for _, key := range []string{"time_key", "tag_key"} {
		if isYes(flags[key]) {
			to.Params = append(to.Params, conf.Param{Name: key, Value: conf.Value{Text: names[key]}, Pos: to.Pos, At: to.Pos})
		}
	}
	if _, ok := to.Get("time_format"); ok || isYes(flags["time_key"]) {
		to.Params = append(to.Params, conf.Param{Name: "time_type", Value: conf.Value{Text: "string"}, Pos: to.Pos, At: to.Pos})
	}
}

func (o old) textOr(name, def string) string {
	if text := o.Text(name); text != "" {
		return text
	}
	return def
}

func isYes(text string) bool {
	yes, err := conf.ParseBool(text)
	return err == nil && yes && text != ""
}

// bufferWords are the old names of what <buffer> holds today.
var bufferWords = map[string]word{
	"buffer_type":                 {now: "@type"},
	"buffer_path":                 {now: "path"},
	"num_threads":                 {now: "flush_thread_count"},
	"flush_interval":              {now: "flush_interval"},
	"try_flush_interval":          {now: "flush_thread_interval"},
	"queued_chunk_flush_interval": {now: "flush_thread_burst_interval"},
	"disable_retry_limit":         {now: "retry_forever"},
	"retry_limit":                 {now: "retry_max_times"},
	"max_retry_wait":              {now: "retry_max_interval"},
	"retry_wait":                  {now: "retry_wait"},
	"buffer_chunk_limit":          {now: "chunk_limit_size"},
	"buffer_queue_limit":          {now: "queue_limit_length"},
	"buffer_queue_full_action":    {now: "overflow_action", value: overflowOf},
	"flush_at_shutdown":           {now: "flush_at_shutdown"},
}

// sliceWords are those of outputs that write a file or object for each slice of time.
var sliceWords = map[string]word{
	"time_slice_wait": {now: "timekey_wait"},
	"timezone":        {now: "timekey_zone"},
	"utc":             {now: "timekey_use_utc", value: func(t string) string { return yesOr(t) }},
	"localtime":       {now: "timekey_use_utc", value: func(t string) string { return notYes(t) }},
}

func yesOr(text string) string {
	if text == "" {
		return "true"
	}
	return text
}

func notYes(text string) string {
	if isYes(yesOr(text)) {
		return "false"
	}
	return "true"
}

func overflowOf(text string) string {
	if text == "exception" {
		return "throw_exception"
	}
	return text
}

// buffer makes a <buffer> section of the old names.
func (o old) buffer() {
	names := make([]string, 0, len(bufferWords))
	for name := range bufferWords {
		names = append(names, name)
	}
	if !o.hasAny(names...) {
		return
	}
	if o.child("buffer") != nil {
		for _, p := range o.Params {
			if w, isOld := bufferWords[p.Name]; isOld {
				o.problems.Warn(&conf.Error{Pos: p.Pos, Path: pathOf(o.Node), Param: p.Name, Err: errors.New("has no effect beside a <buffer> section"), Hint: "write " + w.now + " into <buffer>"})
			}
		}
		return
	}
	words, arg := bufferWords, ""
	sliced := o.Text("@type") == "s3" || o.Text("@type") == "file"
	if sliced {
		arg = "time"
		words = map[string]word{}
		for _, some := range []map[string]word{bufferWords, sliceWords} {
			for name, w := range some {
				words[name] = w
			}
		}
	}
	to := o.move("buffer", arg, words)
	if sliced {
		to.Params = append(to.Params, conf.Param{Name: "timekey", Value: conf.Value{Text: sliceOf(o.Text("time_slice_format"))}, Pos: to.Pos, At: to.Pos})
	}
	if o.Text("@type") == "file" && to.Text("@type") == "" {
		to.Params = append(to.Params, conf.Param{Name: "@type", Value: conf.Value{Text: "file"}, Pos: to.Pos, At: to.Pos})
	}
}

// sliceOf is how long a slice is whose time is written like that.
func sliceOf(format string) string {
	for _, s := range []struct{ sign, length string }{{"%S", "1s"}, {"%M", "1m"}, {"%H", "1h"}} {
		if strings.Contains(format, s.sign) {
			return s.length
		}
	}
	return "1d"
}

func setText(n *conf.Node, name, text string) {
	for i := range n.Params {
		if n.Params[i].Name == name {
			n.Params[i].Value.Text = text
		}
	}
}
