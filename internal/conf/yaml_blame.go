package conf

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

// mostBlamed bounds the search for the line of an error, which reads the file once
// for each line.
const mostBlamed = 500

// blamedLine is the line with which a broken YAML text begins to be broken: the
// parser names the line at which the surrounding list or map began, often the
// file's first. A text that is broken from line n on stays so however much of it is
// read; one that goes on over several lines, such as a quoted one, mends itself.
// Where this finds nothing the answer is reported.
func blamedLine(text []byte, reported int) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) > mostBlamed {
		return reported
	}
	blamed, read := reported, len(text)
	for n := len(lines); n > 0; n-- {
		if yaml.Unmarshal(text[:read], new(yaml.Node)) == nil {
			break
		}
		blamed = n
		read -= len(lines[n-1])
	}
	return blamed
}
