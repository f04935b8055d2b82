// Package conf reads a Fluentd configuration, fluent.conf text or YAML, into a
// tree of sections that remembers where each line came from.
//
// It knows the language and nothing of plugins: what a parameter means is
// declared in package param. Embedded Ruby ("#{...}") is handed to a function
// that the caller gives, so this package imports nothing of ours.
//
// ParseFile reads a file and all that it includes. The classic form goes line by
// line (classic.go, param.go, quoted.go, json.go), YAML is first turned into nodes
// without aliases and includes (yamlnode.go) and then read as sections (yaml.go,
// yamlsection.go). Both end in the same Node tree, and neither stops at the first
// mistake: a Problems list gathers all of them, with the place and, where it is
// known, the cure. What Fluentd accepts is accepted with the same meaning; what it
// accepts to the user's surprise is a warning.
//
// The values themselves are texts. ParseSize, ParseTime, ParseArray and their
// siblings read them with Fluentd's meaning and say where it surprises.
package conf

import (
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a configuration file. Line and Col count from 1; Col counts
// characters. Included is the chain of @include lines that led here, innermost
// first.
type Pos struct {
	File      string
	Line, Col int
	Included  []Pos
}

// String is "fluent.conf:14:3"; parts that are not known are left out.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Kind says what a parameter's value is.
type Kind uint8

const (
	Text    Kind = iota // ordinary text in Value.Text
	Nil                 // "#{use_nil}": the parameter is unset, whatever its default
	Default             // "#{use_default}": as if the line were not there
)

// Value is a parameter's value: text as Fluentd's parser leaves it (quotes taken
// off, escapes and embedded Ruby done, arrays and hashes as JSON text).
type Value struct {
	Kind Kind
	Text string
	// Quote is '"' or '\'' for a quoted string, '[' or '{' for a JSON value, Typed
	// for a number or boolean of a YAML file, 0 for bare words.
	Quote byte
}

// Typed is the Quote of a YAML number or boolean, which a plugin that keeps types
// (record_transformer) takes as such. Its Text is JSON.
const Typed byte = '#'

// IsJSON says that Text is to be read with ParseJSON where types matter: an array,
// a hash, or a YAML number or boolean.
func (v Value) IsJSON() bool { return v.Quote == '[' || v.Quote == '{' || v.Quote == Typed }

// Param is one line "name value" of a section.
type Param struct {
	Name  string
	Value Value
	Pos   Pos // of the name
	At    Pos // of the value
	// Declared and Secret are set by whoever reads the section: some plugin knows
	// the parameter, and its value must not be shown.
	Declared, Secret bool
}

// secretWords make the name of a parameter that nothing declares a secret's.
var secretWords = []string{"pass", "secret", "token", "credential", "sec_key", "shared_key", "api_key", "access_key"}

// Shown is the value as it may be shown: a secret is xxxxxx.
func (p Param) Shown() string {
	looksSecret := func(word string) bool { return strings.Contains(strings.ToLower(p.Name), word) }
	if p.Secret || !p.Declared && slices.ContainsFunc(secretWords, looksSecret) {
		return "xxxxxx"
	}
	return p.Value.String()
}

// Node is a section: <Name Arg> ... </Name>. The tree's root has Name "ROOT".
type Node struct {
	Name     string
	Arg      string
	Pos      Pos
	Params   []Param // as written, duplicates included; the last one counts
	Children []*Node
}

// Get is the last parameter of that name.
func (n *Node) Get(name string) (Param, bool) {
	for i := len(n.Params) - 1; i >= 0; i-- {
		if n.Params[i].Name == name {
			return n.Params[i], true
		}
	}
	return Param{}, false
}

// Text is the text of the last parameter of that name, or "" when it is absent,
// nil or default.
func (n *Node) Text(name string) string {
	p, _ := n.Get(name)
	return p.Value.Text
}

// Shown is the section's own parameters as they may be shown.
func (n *Node) Shown() map[string]string {
	shown := make(map[string]string, len(n.Params))
	for _, p := range n.Params {
		if p.Value.Kind == Text && p.Shown() == p.Value.String() {
			shown[p.Name] = p.Value.Text
		} else {
			shown[p.Name] = p.Shown()
		}
	}
	return shown
}

// Title names the section as messages do: "match app.**", "source", "buffer tag,time".
func (n *Node) Title() string {
	if n.Arg == "" {
		return n.Name
	}
	return n.Name + " " + n.Arg
}
