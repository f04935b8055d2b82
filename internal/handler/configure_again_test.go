package handler

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/pki"
)

// changed lists the files that differ between two times.
func changed(before, after map[string]string) (names []string) {
	for name := range after {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fits says whether what is on disk belongs together.
func fits(t *testing.T, dir string) {
	t.Helper()
	files := contents(t, dir)
	ca := cert(t, dir, "ca.crt")
	passphrase, _ := passphraseIn([]byte(files["fluent.conf"]))
	for _, name := range []string{"server", "client"} {
		if err := cert(t, dir, name+".crt").CheckSignatureFrom(ca); err != nil {
			t.Errorf("%s is of another authority: %v", name, err)
		}
		if _, err := pki.Pair([]byte(files[name+".crt"]), []byte(files[name+".key"]), passphrase); err != nil {
			t.Errorf("%s with the passphrase of fluent.conf: %v", name, err)
		}
	}
}

// Whatever was there, and whatever is answered: what is left belongs together.
func TestConfigureAgain(t *testing.T) {
	const (
		server = "server.crt server.key"
		client = "client.crt client.key"
		ca     = "ca.crt ca.key"
	)
	for _, tc := range []struct {
		name    string
		remove  string   // files taken away after the first run
		pipe    string   // passphrase, "-" for none
		answers []string // nil: no terminal
		yes     bool
		want    string // files that change
		say     string // in the output
		fail    string
	}{
		{name: "nobody to ask", pipe: "-", want: "", say: "--yes overwrites them"},
		{name: "yes", pipe: "-", yes: true, want: ca + " " + client + " fluent.conf " + server},
		{name: "new authority", pipe: "-", answers: []string{"y", "y"}, want: ca + " " + client + " fluent.conf " + server},
		{name: "new authority, fluent.conf kept", pipe: "-", answers: []string{"Y", "n"}, want: ca + " " + client + " " + server},
		{name: "new server", pipe: "-", answers: []string{"n", "yes", "n", "y"}, want: "fluent.conf " + server},
		{name: "new server, fluent.conf kept", pipe: "-", answers: []string{"n", "y", "n", "n"}, want: server},
		{name: "new client", pipe: "-", answers: []string{"n", "n", "y"}, want: client},
		{name: "nothing", pipe: "-", answers: []string{"n", "n", "n"}, want: ""},
		{name: "end of input counts as no", pipe: "-", answers: []string{}, want: ""},
		{name: "client is gone", pipe: "-", remove: client, want: client},
		{name: "server is gone", pipe: "-", remove: server, want: server},
		{name: "fluent.conf is gone", pipe: "first", remove: "fluent.conf", want: ""},
		{name: "fluent.conf is gone, and the passphrase with it", pipe: "-", remove: "fluent.conf", fail: "none of the passphrases that are known opens it"},
		{name: "fluent.conf is gone, wrong passphrase", pipe: "other", remove: "fluent.conf", fail: "none of the passphrases"},
		{name: "server is gone, another passphrase", pipe: "other", remove: server, fail: "holds another passphrase than the one for the new"},
		{name: "server is gone, the same passphrase", pipe: "first", remove: server, want: server},
		{name: "half a pair, nobody to ask", pipe: "-", remove: "client.crt", want: "", say: "only one is there"},
		{name: "half a pair", pipe: "-", remove: "client.crt", answers: []string{"n", "n", "y"}, want: client},
		{name: "authority's key is elsewhere", pipe: "-", remove: "ca.key", want: "", say: "--yes overwrites"},
		{name: "authority's key is elsewhere, client gone", pipe: "-", remove: "ca.key " + client, fail: "ca.key is not there; --yes makes a new authority"},
		{name: "authority's key is elsewhere, make a new one", pipe: "-", remove: "ca.key " + client, answers: []string{"y", "y"}, want: ca + " " + client + " fluent.conf " + server},
		{name: "authority is gone, leaves are there", pipe: "-", remove: ca, want: "", say: "--yes overwrites"},
		{name: "role is gone", pipe: "-", remove: "teleport-event-handler-role.yaml", want: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := configure(t, strings.NewReader("first\n"), nil, dir); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			for name := range strings.FieldsSeq(tc.remove) {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			left := contents(t, dir)
			args := []string{dir}
			if tc.yes {
				args = append(args, "--yes")
			}
			var stdin io.Reader
			if tc.pipe != "-" {
				stdin = strings.NewReader(tc.pipe)
			}
			out, err := configure(t, stdin, tc.answers, args...)
			after := contents(t, dir)
			if tc.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fail) || !maps.Equal(left, after) {
					t.Errorf("got %v; changed %v", err, changed(left, after))
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := changed(before, after)
			want := strings.Fields(tc.want)
			slices.Sort(want)
			if !slices.Equal(got, want) || !strings.Contains(out, tc.say) {
				t.Errorf("changed %v, want %v; must say %q:\n%s", got, want, tc.say, out)
			}
			for name := range strings.FieldsSeq(tc.remove) {
				if _, there := after[name]; !there && strings.Contains(between(out, "[1]", "[2]"), name) {
					t.Errorf("says that it kept or made %s, which is not there:\n%s", name, out)
				}
			}
			if tc.say == "" {
				fits(t, dir)
			}
		})
	}
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}

// Twice the same without a question: texts that do not change are not asked about.
func TestConfigureAgainSaysWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	mustConfigure(t, dir)
	out := mustConfigure(t, dir)
	if strings.Contains(out, "Generated mTLS") || !strings.Contains(out, "[1] Kept what was there: ") || !strings.Contains(out, "[2] Generated Teleport role") {
		t.Errorf("got\n%s", out)
	}
}

// A leaf of another authority is the fault that users do not find by themselves.
func TestConfigureFindsALeafOfAnotherAuthority(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	mustConfigure(t, dir)
	mustConfigure(t, other)
	for _, name := range []string{"client.crt", "client.key"} {
		text := contents(t, other)[name]
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := mustConfigure(t, dir); !strings.Contains(out, "client.crt was signed by another authority") {
		t.Errorf("nobody said so:\n%s", out)
	}
	if _, err := configure(t, nil, []string{"n", "n", "y"}, dir); err != nil {
		t.Fatal(err)
	}
	fits(t, dir)
}

func TestConfigureEmptyPassphrase(t *testing.T) {
	dir := t.TempDir()
	if _, err := configure(t, strings.NewReader(""), nil, dir); err != nil {
		t.Fatal(err)
	}
	files := contents(t, dir)
	if strings.Contains(files["server.key"], "ENCRYPTED") || strings.Contains(files["fluent.conf"], "private_key_passphrase") {
		t.Error("an empty passphrase must leave the key unencrypted, and no line")
	}
	fits(t, dir)
	if _, err := configure(t, nil, []string{"n", "y", "n", "n"}, dir); err != nil {
		t.Fatal(err)
	}
	fits(t, dir)
}

func TestReadPassphrase(t *testing.T) {
	for text, want := range map[string]string{"secret\n": "secret", "secret\r\n": "secret", " a b ": " a b ", "": ""} {
		if got, given, err := readPassphrase(t.Context(), strings.NewReader(text), io.Discard); got != want || !given || err != nil {
			t.Errorf("%q: got %q %v %v", text, got, given, err)
		}
	}
	for _, text := range []string{"two\nlines", "tab\t", strings.Repeat("x", maxPassphrase+1)} {
		if _, _, err := readPassphrase(t.Context(), strings.NewReader(text), io.Discard); err == nil {
			t.Errorf("%.10q was taken", text)
		}
	}
}

// A question, and a pipe that never ends, must not outlive ^C.
func TestConfigureCanBeInterrupted(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := readPassphrase(ctx, r, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	a := newAsker(nil, io.Discard, false)
	a.in = bufio.NewReader(r)
	if _, err := a.overwrite(ctx, "?"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestQuotes(t *testing.T) {
	for _, text := range []string{"plain", `a "b" \ #{c} 'd'`, "tab\tnew\nline", `#{`, `\`, `"`, "é"} {
		if got := fluentUnquote(fluentQuote(text)); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
	for text, want := range map[string]string{"bucket": "bucket", "a b": `"a b"`, "": `""`, "a#b": `"a#b"`, "http://s3:7070": "http://s3:7070"} {
		if got := fluentPlain(text); got != want {
			t.Errorf("%q: got %s", text, got)
		}
	}
}
