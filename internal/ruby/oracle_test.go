package ruby

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/sluicelog/sluice/internal/event"
)

//go:embed testdata/oracle.rb
var oracleScript string

// oracleRecord is the record that oracle.rb gives to expressions.
func oracleRecord(t testing.TB) *event.Record {
	t.Helper()
	_, rest, _ := strings.Cut(oracleScript, "RECORD = %q(")
	text, _, _ := strings.Cut(rest, "\n\ndef show")
	r, err := event.ParseJSON([]byte(strings.TrimSuffix(strings.TrimSpace(text), ")")))
	if err != nil {
		t.Fatal(err)
	}
	return r.(*event.Record)
}

// oracle evaluates expressions with the real Ruby, run as Fluentd runs its
// workers. It skips the test, saying so, where Ruby is not installed.
func oracle(t testing.TB, exprs []string) []string {
	t.Helper()
	path, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("ruby is not installed: nothing to compare with")
	}
	var in bytes.Buffer
	for _, e := range exprs {
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(e)) + "\n")
	}
	cmd := exec.Command(path, "-Eascii-8bit:ascii-8bit", "--disable=did_you_mean,error_highlight", "-W0", "-e", oracleScript)
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "TZ=Asia/Tokyo", "GX=gxv")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run ruby: %v", err)
	}
	var results []string
	s := bufio.NewScanner(bytes.NewReader(out))
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		raw, err := base64.StdEncoding.DecodeString(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, string(raw))
	}
	if len(results) != len(exprs) {
		t.Fatalf("ruby answered %d of %d expressions; the next is %s", len(results), len(exprs), exprs[min(len(results), len(exprs)-1)])
	}
	return results
}

// ours is what this package gives for an expression, in the oracle's form, or
// "REFUSED …".
func ours(t testing.TB, expr string) string {
	t.Helper()
	p, err := Parse(expr, RecordVars())
	if err != nil {
		return "REFUSED " + err.Error()
	}
	m := testEnv(t)
	v, err := p.Eval(m)
	var exc *Exception
	switch {
	case errors.As(err, &exc):
		return "!! " + exc.Class() + ": " + exc.Error()
	case err != nil:
		var un *Unsupported
		var limit *LimitError
		if !errors.As(err, &un) && !errors.As(err, &limit) {
			t.Errorf("%s\n%v", expr, err)
		}
		return "REFUSED " + err.Error()
	}
	return shown(m, v)
}

func testEnv(t testing.TB) *Env {
	t.Helper()
	loc, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	m := &Env{Hostname: "host", WorkerID: "0", Location: loc, Getenv: func(name string) (string, bool) {
		if name == "GX" {
			return "gxv", true
		}
		return "", false
	}}
	m.Reset("a.b.c", event.Time{Sec: 1600000000, Nsec: 123456700}, oracleRecord(t))
	return m
}

func shown(m *Env, v Value) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = "SKIP"
			if _, ok := r.(*Unsupported); !ok {
				panic(r)
			}
		}
	}()
	text := m.inspect(v)
	if str, ok := v.(*Str); ok && !(isASCII(str.s) && !str.enc.wide()) {
		text += " " + str.enc.String()
	}
	return "=> " + text
}
