package s3sink

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/strftime"
)

// keyFormat makes object keys of chunks. The order of substitution is that of
// fluent-plugin-s3, and with it its oddities: first %{path} and
// %{file_extension}, then the buffer's placeholders (${tag}, %Y), then the rest;
// a %{...} that means nothing becomes empty.
type keyFormat struct {
	template  *placeholder.Template
	slice     string // strftime format of %{time_slice}
	zone      *time.Location
	index     string // Printf format of %{index}
	hexLength int
	checked   bool // check_object
	numbered  bool // the keys of a slice differ by %{index}
	timed     bool // the key holds %{hms_slice}: another second, another key
	random    bool // the key holds %{uuid_flush}: another time, another key
	unique    bool // no other chunk can have the same key
	utc       bool // of %{hms_slice}
}

// percent is a %{...}, as fluent-plugin-s3 finds it.
var percent = regexp.MustCompile(`%\{[^}]+\}`)

// indexPattern is fluent-plugin-s3's rule for index_format.
var indexPattern = regexp.MustCompile(`^%(0\d*)?[dxX]$`)

// enoughHex is how many digits of %{hex_random} count as unique: the last eight
// bytes of a chunk's id are random, 48 of their bits are here.
const enoughHex = 12

// newKeyFormat compiles format; ext is the file extension of the packing.
func newKeyFormat(k *keyOptions, format, ext string) (*keyFormat, error) {
	text := percent.ReplaceAllStringFunc(format, func(name string) string {
		switch name {
		case "%{path}":
			return k.path
		case "%{file_extension}":
			return ext
		}
		return name
	})
	template, err := placeholder.Compile(text)
	if err != nil {
		return nil, err
	}
	return &keyFormat{
		template: template, slice: k.slice, index: k.index, hexLength: k.hexLength, zone: time.Local, utc: true, checked: k.checkObject,
		numbered: k.checkObject && strings.Contains(text, "%{index}"),
		timed:    !k.checkObject && strings.Contains(text, "%{hms_slice}"),
		random:   strings.Contains(text, "%{uuid_flush}"),
		unique:   uniqueKey(text, k.hexLength),
	}, nil
}

func uniqueKey(format string, hexLength int) bool {
	return strings.Contains(format, "${chunk_id}") || strings.Contains(format, "%{uuid_flush}") ||
		strings.Contains(format, "%{hex_random}") && hexLength >= enoughHex
}

// fill puts the buffer's placeholders in. What the chunk has nothing for is warned
// about in Fluentd's words; as there, it stays, but vanishes from a chunk that is
// keyed by fields.
func (o *output) fill(t *placeholder.Template, meta event.Meta) (string, error) {
	text, err := t.Expand(meta, o.format.zone)
	if err != nil || !(meta.HasTag || meta.HasTimekey || len(meta.Variables) > 0) {
		return text, err
	}
	for _, unknown := range t.Unknown(meta) {
		if strings.Contains(unknown, "[") {
			continue
		}
		o.log.Warn("chunk key placeholder '" + strings.TrimSuffix(strings.TrimPrefix(unknown, "${"), "}") + "' not replaced. template:" + t.String())
		if len(meta.Variables) > 0 {
			text = strings.ReplaceAll(text, unknown, "")
		}
	}
	return text, nil
}

// sliceFormat is the form of %{time_slice} that follows from timekey.
func sliceFormat(timekey time.Duration) string {
	switch {
	case timekey <= 0:
		return ""
	case timekey < time.Minute:
		return "%Y%m%d%H%M%S"
	case timekey < time.Hour:
		return "%Y%m%d%H%M"
	case timekey < 24*time.Hour:
		return "%Y%m%d%H"
	}
	return "%Y%m%d"
}

// keyText is a key whose index is still open: the index goes between the pieces.
type keyText []string

// at is the key of an index.
func (t keyText) at(index string) string { return strings.Join(t, index) }

// slot names all keys that differ by their index only.
func (t keyText) slot() string { return strings.Join(t, "\x00") }

// finish makes the key of a chunk of text, in which the buffer's placeholders are
// filled in. now is for %{hms_slice}; %{uuid_flush} is new at each call, so a key
// is made once and then kept in the chunk.
func (k *keyFormat) finish(text string, meta event.Meta, now time.Time) keyText {
	var pieces keyText
	var piece strings.Builder
	last := 0
	for _, at := range percent.FindAllStringIndex(text, -1) {
		piece.WriteString(text[last:at[0]])
		last = at[1]
		if name := text[at[0]:at[1]]; name == "%{index}" && k.checked {
			pieces = append(pieces, piece.String())
			piece.Reset()
		} else {
			piece.WriteString(k.value(name, meta, now))
		}
	}
	piece.WriteString(text[last:])
	return append(pieces, piece.String())
}

func (k *keyFormat) value(name string, meta event.Meta, now time.Time) string {
	switch name {
	case "%{time_slice}":
		return k.timeSlice(meta)
	case "%{date_slice}":
		if !k.checked {
			return k.timeSlice(meta)
		}
	case "%{hms_slice}":
		if !k.checked {
			return k.hms(now)
		}
	case "%{hex_random}":
		return hexRandom(meta.ChunkID, k.hexLength)
	case "%{uuid_flush}":
		return newUUID()
	}
	return ""
}

func (k *keyFormat) timeSlice(meta event.Meta) string {
	if !meta.HasTimekey {
		return ""
	}
	return string(strftime.Format(nil, k.slice, time.Unix(meta.Timekey, 0).In(k.zone)))
}

func (k *keyFormat) hms(now time.Time) string {
	if k.utc {
		now = now.UTC()
	}
	return now.Format("150405")
}

// number prints an index as index_format says.
func (k *keyFormat) number(index int) string { return fmt.Sprintf(k.index, index) }

// hexRandom is the first digits of the chunk's id read backwards: its end is
// random, its beginning the time.
func hexRandom(id event.ChunkID, length int) string {
	digits := []byte(id.String())
	for i, j := 0, len(digits)-1; i < j; i, j = i+1, j-1 {
		digits[i], digits[j] = digits[j], digits[i]
	}
	return string(digits[:min(max(length, 0), len(digits))])
}

// newUUID is a random UUID, version 4 (RFC 9562).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
