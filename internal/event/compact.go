package event

// CompactRecord stub.
func CompactRecord(dst, b []byte) (out []byte, ok bool) {
	r, err := ParseRecord(b)
	if err != nil {
		return dst, false
	}
	return r.AppendJSON(dst), true
}

// CompactArray stub.
func CompactArray(dst, b []byte, ends []int) (out []byte, newEnds []int, ok bool) {
	return dst, ends, false
}
