package event

import (
	"errors"
	"fmt"
)

// JSONMode is the JSON reader that Fluentd would use; they differ only on text
// that RFC 8259 does not allow. All read `1e400` as Infinity and skip comments.
type JSONMode uint8

const (
	// Oj takes NaN, Infinity and -Infinity, and raw control characters in strings
	// (all but NUL). It is Fluentd's default.
	Oj JSONMode = iota
	// Yajl refuses bytes that are no UTF-8, and reads half of a surrogate pair as "?".
	Yajl
	// JSON is Ruby's own parser.
	JSON
)

// ParseJSONMode is the mode with Fluentd's name: oj, yajl or json.
func ParseJSONMode(name string) (JSONMode, error) {
	switch name {
	case "oj":
		return Oj, nil
	case "yajl":
		return Yajl, nil
	case "json":
		return JSON, nil
	}
	return 0, fmt.Errorf("valid options are oj,yajl,json but got %s", name)
}

// MaxDepth is how many objects and arrays may lie within one another.
const MaxDepth = 1000

// ErrTooDeep says that a text is nested deeper than MaxDepth. Fluentd accepts it
// and fails when it prints it.
var ErrTooDeep = errors.New("too deeply nested")

// SyntaxError says where a text is no JSON, and never shows the text: it is
// answered to clients and logged.
type SyntaxError struct {
	Offset int    // bytes before the fault
	Want   string // what would have been right
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: expected %s", e.Offset, e.Want)
}
