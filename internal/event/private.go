package event

import "errors"

// PrivateError is an error whose text shows what a client has sent. The client may
// read it; a log may not.
type PrivateError struct {
	Err    error
	Public string // the text without what was sent
}

// Error implements error.
func (e *PrivateError) Error() string { return e.Err.Error() }

// Unwrap is the error with the whole text.
func (e *PrivateError) Unwrap() error { return e.Err }

// PublicText is what a log may say of an error.
func PublicText(err error) string {
	if private := new(PrivateError); errors.As(err, &private) {
		return private.Public
	}
	return err.Error()
}
