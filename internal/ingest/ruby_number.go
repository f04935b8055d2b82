package ingest

import (
	"regexp"
	"strconv"
	"strings"
)

var leadingNumber = regexp.MustCompile(`^[+-]?[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9]+)?`)

// rubyToF is Ruby's String#to_f: the leading number of a text, else 0.
func rubyToF(text string) float64 {
	number := leadingNumber.FindString(strings.TrimSpace(text))
	f, _ := strconv.ParseFloat(strings.ReplaceAll(number, "_", ""), 64)
	return f
}
