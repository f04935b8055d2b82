package output

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const memory = "@type memory\nflush_mode lazy\n</buffer>"

func TestFileNames(t *testing.T) {
	a, b := `t.a {"k":"x","n":1}`, `t.b {"k":"y","n":2}`
	for name, tc := range map[string]struct{ lines, want string }{
		"slice of a day behind the path": {"path DIR/f\n<buffer time>\ntimekey 1d\n" + memory, "f.20200913_0.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"slice of an hour":               {"path DIR/f\n<buffer time>\ntimekey 1h\n" + memory, "f.2020091312_0.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"slice of a minute":              {"path DIR/f\n<buffer time>\ntimekey 60\n" + memory, "f.202009131226_0.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"append":                         {"path DIR/f\nappend true\n<buffer time>\ntimekey 1d\n" + memory, "f.20200913.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"slice in place of a star":       {"path DIR/f.*.x\n<buffer time>\ntimekey 1d\n" + memory, "f.20200913_0.x.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"time_slice_format":              {"path DIR/f\ntime_slice_format %d-%m-%Y\n<buffer time>\ntimekey 1d\n" + memory, "f.13-09-2020_0.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"tag, field and time":            {"path DIR/${tag[1]}/${k}/%Y-%m-%d\n<buffer tag,k,time>\ntimekey 1d\n" + memory, "a/x/2020-09-13_0.log: t.a\t" + a[4:] + "\nb/y/2020-09-13_0.log: t.b\t" + b[4:]},
		"no time":                        {"path DIR/${tag}\n<buffer tag>\n" + memory, "t.a_0.log: t.a\t" + a[4:] + "\nt.b_0.log: t.b\t" + b[4:]},
		"chunks one behind the other":    {"path DIR/f\nappend true\n<buffer n>\n" + memory, "error"},
		"suffix and format":              {"path DIR/f\npath_suffix .json\n<format>\n@type json\n</format>\n<buffer []>\n" + memory, "f_0.json: " + a[4:] + " | " + b[4:]},
		"no suffix":                      {"path DIR/f\nadd_path_suffix false\n<buffer []>\n" + memory, "f_0: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"gzip":                           {"path DIR/f\ncompress gzip\n<buffer []>\n" + memory, "f_0.log.gz: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"gz is gzip":                     {"path DIR/f\ncompress gz\n<buffer []>\n" + memory, "f_0.log.gz: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"zstd":                           {"path DIR/f\ncompress zstd\n<buffer []>\n" + memory, "f_0.log.zst: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"packed by the buffer":           {"path DIR/f\ncompress gzip\n<buffer []>\ncompress gzip\n" + memory, "f_0.log.gz: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"packed by the buffer and anew":  {"path DIR/f\ncompress gzip\nrecompress true\n<buffer []>\ncompress gzip\n" + memory, "f_0.log.gz: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
		"packed by the buffer only":      {"path DIR/f\n<buffer []>\ncompress gzip\n" + memory, "f_0.log: t.a\t" + a[4:] + " | t.b\t" + b[4:]},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lines := "@type file\n" + strings.ReplaceAll(tc.lines, "DIR", dir)
			if tc.want == "error" {
				if _, _, err := matchOf(t, lines); err == nil {
					t.Error("no error")
				}
				return
			}
			pass(t, lines, a, b)
			if got := filesOf(t, dir); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestFileRefusesPaths(t *testing.T) {
	for lines, want := range map[string]string{
		"":                                      "path: parameter is required",
		"path /o/${k}\n<buffer tag>\n" + memory: "doesn't have tag placeholder",
		"path /o/${tag}/${k}\n<buffer tag>\n" + memory:                                              "has placeholders, but chunk keys doesn't have keys k",
		"path /o/${tag}\n<buffer tag,k>\n" + memory:                                                 "doesn't have enough placeholders for keys k",
		"path /o/${tag}\n<buffer []>\n" + memory:                                                    "has tag placeholders, but chunk key 'tag' is not configured",
		"path /o/%Y\n<buffer []>\n" + memory:                                                        "has timestamp placeholders, but chunk key 'time' is not configured",
		"path /o/*\n<buffer []>\n" + memory:                                                         "path including '*' must be used with buffer chunk key 'time'",
		"path /o/%Y%m\n<buffer time>\ntimekey 1h\n" + memory:                                        "insufficient timestamp placeholders in path",
		"path /o/f\ncompress lzo\n<buffer []>\n" + memory:                                           "valid options are text,gzip,gz,zstd but got lzo",
		"path /o/f\n<buffer time>\n" + memory + "\n<secondary>\n@type secondary_file\n</secondary>": "directory: parameter is required",
	} {
		if _, _, err := matchOf(t, "@type file\n"+lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", lines, err, want)
		}
	}
}

// What tags and fields say may not lead out of the path's own folder.
func TestFileStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	log := pass(t, "@type file\npath "+dir+"/in/${k}/f\n<buffer k>\ndisable_chunk_backup true\n"+memory, `t {"k":"../../out"}`, `t {"k":"good"}`)
	if got, want := filesOf(t, dir), `in/good/f_0.log: t	{"k":"good"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !strings.Contains(log.String(), "leads out of the folder") {
		t.Errorf("the log does not say it:\n%s", log)
	}
}

// An attempt after a crash fills the file that the one before it has made.
func TestFileFillsItsOwnFileAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f"+indexMark)
	target := fileTarget{name: indexBeforeSuffix}
	first, second := &noteChunk{id: 1, body: "one\n"}, &noteChunk{id: 2, body: "two\n"}
	for _, c := range []*noteChunk{first, second, first} {
		if err := target.write(c, path); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := filesOf(t, filepath.Dir(path)), "f_0: one\nf_1: two"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Where chunks share a file a crash leaves the beginning of a chunk, or all of it,
// or another's data behind it. Only what is torn is cut off; nothing is lost.
func TestFileCutsOffWhatIsTorn(t *testing.T) {
	for name, tc := range map[string]struct{ left, want string }{
		"nothing was written":    {"", "old | one | two"},
		"torn within a line":     {"one\ntw", "old | one | two"},
		"torn between two lines": {"one\n", "old | one | one | two"},
		"all of it was written":  {"one\ntwo\n", "old | one | two | one | two"},
		"another's lines":        {"other\n", "old | other | one | two"},
		"another's, torn alike":  {"one\ntw\nmore\n", "old | one | tw | more | one | two"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			target := fileTarget{append: true, name: func(p string, _ int) string { return p }}
			if err := os.WriteFile(path, []byte("old\n"+tc.left), 0o600); err != nil {
				t.Fatal(err)
			}
			c := &noteChunk{id: 1, body: "one\ntwo\n", note: map[string]string{noteFile: path, noteOffset: "4"}}
			if err := target.write(c, path); err != nil {
				t.Fatal(err)
			}
			if got := filesOf(t, filepath.Dir(path)); got != "f: "+tc.want {
				t.Errorf("got %s, want f: %s", got, tc.want)
			}
		})
	}
}

func TestSecondaryFile(t *testing.T) {
	for name, tc := range map[string]struct{ lines, want string }{
		"a file of its own":  {"directory DIR", "dump.bin.0: {\"n\":1}\ndump.bin.1: {\"n\":2}"},
		"append":             {"directory DIR\nappend true\nbasename all", "all: {\"n\":1} | {\"n\":2}"},
		"placeholders":       {"directory DIR/${tag}\nbasename x_${tag[0]}", "a/x_a.0: {\"n\":1}\nb/x_b.0: {\"n\":2}"},
		"gzip":               {"directory DIR\ncompress gzip\nbasename ${tag}", "a.0.gz: {\"n\":1}\nb.0.gz: {\"n\":2}"},
		"a time":             {"directory DIR\nbasename %Y", "error"},
		"a field":            {"directory DIR\nbasename ${k}", "error"},
		"a slash":            {"directory DIR\nbasename a/b", "error"},
		"no folder was said": {"basename a", "error"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lines := "@type http\nendpoint http://127.0.0.1:1/\nretryable_response_codes 503\n<buffer tag>\n@type memory\nflush_mode immediate\nretry_max_times 0\n</buffer>\n<secondary>\n@type secondary_file\n" +
				strings.ReplaceAll(tc.lines, "DIR", dir) + "\n</secondary>"
			o, _, err := matchOf(t, lines)
			if tc.want == "error" || err != nil {
				if tc.want != "error" || err == nil {
					t.Errorf("got error %v", err)
				}
				return
			}
			if err := o.secondary.(*secondaryFile).Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			writeBoth(t, o.secondary.(*secondaryFile))
			if got := filesOf(t, dir); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}
