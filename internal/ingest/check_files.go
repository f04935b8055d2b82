package ingest

import "time"

// CheckFiles says what is wrong with the certificates, as far as they are here.
func (in *inHTTP) CheckFiles(now time.Time) error { return in.transport.CheckFiles(now) }

// CheckFiles says what is wrong with the certificates, as far as they are here.
func (in *inForward) CheckFiles(now time.Time) error { return in.transport.CheckFiles(now) }

// CheckFiles says what is wrong with the certificates, as far as they are here.
func (in *inTCP) CheckFiles(now time.Time) error { return in.transport.CheckFiles(now) }

// CheckFiles says what is wrong with the certificates, as far as they are here.
func (in *inSyslog) CheckFiles(now time.Time) error { return in.transport.CheckFiles(now) }
