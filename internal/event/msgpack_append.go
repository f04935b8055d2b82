package event

import (
	"encoding/binary"
	"math/big"

	"github.com/tinylib/msgp/msgp"
)

// eventTimeExt is Fluentd's extension type of an event's time: seconds and
// nanoseconds, two big-endian uint32.
const eventTimeExt = 0

// AppendMsgpack appends a value as Ruby's msgpack packs it: the shortest form of
// each integer, floats with 64 bits, text as str, Binary as bin, Time as
// EventTime. Integers beyond 64 bits, which msgpack does not have, become text.
func AppendMsgpack(dst []byte, v any) []byte { return appendMsgpack(dst, v, 0) }

func appendMsgpack(dst []byte, v any, depth int) []byte {
	if depth > maxPrintDepth {
		return msgp.AppendNil(dst)
	}
	switch v := v.(type) {
	case nil:
		return msgp.AppendNil(dst)
	case bool:
		return msgp.AppendBool(dst, v)
	case int64:
		if v >= 0 {
			return msgp.AppendUint64(dst, uint64(v))
		}
		return msgp.AppendInt64(dst, v)
	case *big.Int:
		return appendMsgpackBig(dst, v)
	case float64:
		return msgp.AppendFloat64(dst, v)
	case string:
		return msgp.AppendString(dst, v)
	case Binary:
		return msgp.AppendBytes(dst, v)
	case Time:
		return AppendMsgpackTime(dst, v)
	case []any:
		dst = msgp.AppendArrayHeader(dst, uint32(len(v)))
		for _, e := range v {
			dst = appendMsgpack(dst, e, depth+1)
		}
		return dst
	case *Record:
		return appendMsgpackRecord(dst, v, depth)
	}
	return appendMsgpack(dst, canonicalValue(v), depth)
}

func appendMsgpackRecord(dst []byte, r *Record, depth int) []byte {
	if r == nil {
		return msgp.AppendNil(dst)
	}
	if !r.split {
		return appendMsgpackFields(dst, r.whole(), depth)
	}
	dst = msgp.AppendMapHeader(dst, uint32(r.live))
	for i := range r.fields {
		switch f := &r.fields[i]; f.state {
		case undecoded:
			dst = appendMsgpackText(msgp.AppendString(dst, f.key), f.text[f.colon:], depth+1)
		case decoded:
			dst = appendMsgpack(msgp.AppendString(dst, f.key), f.val, depth+1)
		}
	}
	return dst
}

// appendMsgpackText packs canonical JSON text without decoding it.
func appendMsgpackText(dst []byte, s string, depth int) []byte {
	if depth > maxPrintDepth {
		return msgp.AppendNil(dst)
	}
	switch s[0] {
	case '{':
		return appendMsgpackFields(dst, s, depth)
	case '[':
		n := uint32(0)
		for range elements(s) {
			n++
		}
		dst = msgp.AppendArrayHeader(dst, n)
		for e := range elements(s) {
			dst = appendMsgpackText(dst, e, depth+1)
		}
		return dst
	case '"':
		if len(s) > 1 {
			return msgp.AppendString(dst, unquoteCanonical(s[1:len(s)-1]))
		}
	}
	return appendMsgpack(dst, decodeText(s), depth)
}

// appendMsgpackFields packs the text of an object.
func appendMsgpackFields(dst []byte, s string, depth int) []byte {
	n := uint32(0)
	for c := (cutter{s: s}); c.next(); {
		n++
	}
	dst = msgp.AppendMapHeader(dst, n)
	for c := (cutter{s: s}); c.next(); {
		dst = msgp.AppendString(dst, unquoteCanonical(s[c.begin+1:c.quote-1]))
		dst = appendMsgpackText(dst, s[c.colon:c.end], depth+1)
	}
	return dst
}

func appendMsgpackBig(dst []byte, n *big.Int) []byte {
	switch {
	case n.IsUint64():
		return msgp.AppendUint64(dst, n.Uint64())
	case n.IsInt64():
		return msgp.AppendInt64(dst, n.Int64())
	}
	return msgp.AppendString(dst, n.String())
}

// AppendMsgpackTime appends a time as EventTime in its fixext8 form.
func AppendMsgpackTime(dst []byte, t Time) []byte {
	dst = append(dst, mFixExt8, eventTimeExt)
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Sec))
	return binary.BigEndian.AppendUint32(dst, uint32(t.Nsec))
}
