package event

import "unsafe"

// text looks at bytes as a string without copying them. The string is only good
// while nobody writes to b: it never leaves the package.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
