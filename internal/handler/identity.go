package handler

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/state"
)

// generationsPerStart is how many generations one run may use before its
// numbers would meet the next run's: more than anybody's cursor is written.
const generationsPerStart = 1 << 32

// numbersPerStart is how far the numbers of two starts are apart. Their lower half
// counts the starts of versions that note which chunks they begin; an older one
// leaves it as it is.
const numbersPerStart = generationsPerStart + 1

// generationName is the file of the newest block of generations.
const generationName = "sluice_generation"

// loadIdentity reads, or makes, the id of the state folder, and takes the next
// block of generations. The block is on disk before the first post: a process
// that was paused can never carry a newer start than its successor.
func loadIdentity(dir string, dryRun bool) (*identity, error) {
	if dryRun {
		return &identity{}, nil
	}
	id, err := readOr(filepath.Join(dir, "sluice_source"), newSourceID)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, generationName)
	text, err := readOr(path, func() string { return "0" })
	if err != nil {
		return nil, err
	}
	last, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; remove the file when the relay may forget what it knows of this handler", path, err)
	}
	next := last + numbersPerStart
	if err := state.WriteFile(path, []byte(strconv.FormatUint(next, 10))); err != nil {
		return nil, err
	}
	return &identity{source: id, start: next, gen: next}, nil
}

// unnoted is how many processes have used the folder that keep no such notes.
func (i *identity) unnoted() uint64 {
	return i.start/generationsPerStart - i.start%generationsPerStart
}

func newSourceID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// readOr reads a small file, or writes what fresh gives when there is none.
func readOr(path string, fresh func() string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	text := fresh()
	return text, state.WriteFile(path, []byte(text))
}
