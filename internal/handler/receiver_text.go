package handler

import (
	"bytes"
	"strings"
	"unicode"
)

// What a receiver says goes into logs, /readyz and dead letters: one short line, and
// nothing in it of what was sent. Parsers like to quote what they could not read.
const (
	longestReason = 300 // bytes
	shortestQuote = 12  // bytes in a row that are taken for a quotation
)

// reasonIn is the readable part of an answer's text.
func reasonIn(status string, text, sent []byte) string {
	said := strings.TrimSpace(withoutQuotes(text, sent))
	if strings.HasPrefix(said, "<") {
		return "" // a page for a browser
	}
	said = strings.TrimSpace(strings.TrimPrefix(said, status))
	said = strings.Join(strings.FieldsFunc(said, func(r rune) bool { return unicode.IsControl(r) }), " ")
	if len(said) > longestReason {
		said = strings.ToValidUTF8(said[:longestReason], "") + "…"
	}
	return said
}

// withoutQuotes puts … in the place of each longer run of bytes that was sent.
func withoutQuotes(text, sent []byte) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		n := quoted(text[i:], sent)
		if n == 0 {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString("…")
		i += n
	}
	return out.String()
}

// quoted is how many bytes at the beginning of text were sent in a row.
func quoted(text, sent []byte) int {
	n := min(shortestQuote, len(text))
	if n < shortestQuote || !bytes.Contains(sent, text[:n]) {
		return 0
	}
	for n < len(text) && bytes.Contains(sent, text[:n+1]) {
		n++
	}
	return n
}
