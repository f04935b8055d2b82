package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// LogWriter is where the log goes: the file of -o, which is appended to, else
// stdout. A file is a [LogFile].
func (r *Relay) LogWriter(stdout io.Writer) (io.Writer, error) {
	if r.LogPath == "" || r.LogPath == "-" {
		return stdout, nil
	}
	return OpenLog(r.LogPath)
}

// LogFile is a log that can be rotated from outside: move the file away, then have
// the program call Reopen.
type LogFile struct {
	path string

	mu sync.Mutex
	f  *os.File
}

// OpenLog opens a log to append to. It is made with mode 0640: logs are read by
// groups such as adm.
func OpenLog(path string) (*LogFile, error) {
	l := &LogFile{path: path}
	return l, l.Reopen()
}

// Reopen opens the path anew. When that fails the old file stays in use.
func (l *LogFile) Reopen() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640) //nolint:gosec // see OpenLog
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		_ = l.f.Close() // each line was written by its own call: nothing is held back
	}
	l.f = f
	return nil
}

// Write appends to the file.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Write(p)
}

// Close closes the file.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
