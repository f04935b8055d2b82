package handler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func bury(t *testing.T, d *deadLetters, id, body string) {
	t.Helper()
	if err := d.write(&Read{ID: id, Type: "t", Body: []byte(body)}, &refusal{status: 400, text: "no"}); err != nil {
		t.Fatal(err)
	}
}

// TestDeadLetterIsKeptToTheByte, so that it can be sent as it was.
func TestDeadLetterIsKeptToTheByte(t *testing.T) {
	dir := t.TempDir()
	d := newDeadLetters(dir)
	defer d.close()
	bodies := []string{`{"a":"<b>&amp; \u2028 é","n":1e21,"big":9007199254740993}`, "no json \xff\x00", `{"half":`, ""}
	for _, body := range bodies {
		bury(t, d, "x", body)
	}
	letters, err := readDeadLetters(dir)
	if err != nil || len(letters) != len(bodies) {
		t.Fatalf("%d letters %v", len(letters), err)
	}
	for i, l := range letters {
		if string(l.body()) != bodies[i] {
			t.Errorf("%q became %q", bodies[i], l.body())
		}
	}
}

// TestDeadLetterFileCanBeMovedAway while the handler runs: what comes next is in a
// new file, not in the one that is gone.
func TestDeadLetterFileCanBeMovedAway(t *testing.T) {
	dir := t.TempDir()
	d := newDeadLetters(dir)
	defer d.close()
	bury(t, d, "one", `{}`)
	if err := os.Rename(d.path, filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	bury(t, d, "two", `{}`)
	letters, err := readDeadLetters(dir)
	if err != nil || len(letters) != 1 || letters[0].ID != "two" {
		t.Errorf("%+v %v", letters, err)
	}
}

// TestDeadLettersFull: a full file is an error that says what to do, and nothing is
// dropped for room; once it was moved away, there is room.
func TestDeadLettersFull(t *testing.T) {
	d := newDeadLetters(t.TempDir())
	defer d.close()
	d.limit = 400
	bury(t, d, "one", `{}`)
	big := &Read{ID: "two", Body: []byte(`{"x":"` + strings.Repeat("y", 260) + `"}`)}
	err := d.write(big, &refusal{})
	if err == nil || !strings.Contains(err.Error(), "is full") || !strings.Contains(err.Error(), "move the file away") {
		t.Fatal(err)
	}
	if letters, err := readDeadLetters(filepath.Dir(d.path)); err != nil || len(letters) != 1 {
		t.Errorf("%d letters %v", len(letters), err)
	}
	if err := os.Rename(d.path, d.path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := d.write(big, &refusal{}); err != nil {
		t.Error(err)
	}
}

// TestDeadLetterBeingWritten: a line without its end is not there yet.
func TestDeadLetterBeingWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, deadLetterName), []byte(`{"id":"one","event":{}}`+"\n"+`{"id":"tw`), 0o600); err != nil {
		t.Fatal(err)
	}
	letters, err := readDeadLetters(dir)
	if err != nil || len(letters) != 1 || letters[0].ID != "one" {
		t.Errorf("%+v %v", letters, err)
	}
	// Nor is it there for the next process: what it writes is a line of its own.
	d := newDeadLetters(dir)
	defer d.close()
	bury(t, d, "two", `{}`)
	if letters, err = readDeadLetters(dir); err != nil || len(letters) != 2 || letters[1].ID != "two" {
		t.Errorf("%+v %v", letters, err)
	}
}
