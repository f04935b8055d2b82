package buffer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
)

// decode reads the parameters of a <buffer> section, one "name value" a line; the
// first line is its argument.
func decode(t *testing.T, c *buffer.Config, arg string, lines ...string) error {
	t.Helper()
	n := &conf.Node{Name: "buffer", Arg: arg, Pos: conf.Pos{File: "fluent.conf", Line: 1, Col: 1}}
	for i, line := range lines {
		name, value, _ := strings.Cut(line, " ")
		at := conf.Pos{File: "fluent.conf", Line: i + 2, Col: 3}
		n.Params = append(n.Params, conf.Param{Name: name, Value: conf.Value{Text: value}, Pos: at, At: at})
	}
	var problems conf.Problems
	param.Decode(n, "buffer", &problems, c.Params)
	if err := problems.Err(); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return param.Place(err, n, "buffer")
	}
	return nil
}

func keyed(t *testing.T, c *buffer.Config) {
	t.Helper()
	if err := decode(t, c, "tag", "@type file", "path "+folder, "dedup content", "dedup_key $.uid", "min_free 1"); err != nil {
		t.Fatal(err)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ arg, lines, want string }{
		{"time", "", "<buffer ...> argument includes 'time', but timekey is not configured"},
		{"time", "timekey 0", "timekey: timekey should be greater than 0. current timekey: 0"},
		{"ti/me", "", "chunk_keys specification includes invalid char"},
		{"$[a]", "", "in chunk_keys: bracket notation is not allowed"},
		{"", "@type nope", "@type: valid options are memory,file,file_single"},
		{"", "@type file", "buffer path is not configured. specify 'path' in <buffer>"},
		{"", "chunk_limit_size 0", "chunk_limit_size: 0 leaves no room for an event"},
		{"", "total_limit_size 0", "total_limit_size: 0 leaves no room for an event"},
		{"", "chunk_full_threshold 1.5", "chunk_full_threshold: 1.5 must be above 0 and at most 1"},
		{"", "timekey_zone Mars/Base", "timekey_zone: \"Mars/Base\" is no time zone"},
		{"", "file_permission 999", "file_permission: \"999\" is no octal permission"},
		{"", "compress brotli", "compress: valid options are text,gzip,zstd"},
		{"", "overflow_action wait", "overflow_action: valid options are throw_exception,block,drop_oldest_chunk"},
		{"", "dedup_max_keys 0", "dedup_max_keys: 0 remembers nothing"},
	} {
		cfg := buffer.DefaultConfig()
		var lines []string
		if c.lines != "" {
			lines = strings.Split(c.lines, ";")
		}
		if err := decode(t, &cfg, c.arg, lines...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("<buffer %s> %s: got %v, want %s", c.arg, c.lines, err, c.want)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	cfg := buffer.DefaultConfig()
	if err := decode(t, &cfg, ""); err != nil {
		t.Fatal(err)
	}
	if cfg.ChunkLimitSize != 8<<20 || cfg.TotalLimitSize != 512<<20 || cfg.OnDisk() || len(cfg.Keys()) != 0 {
		t.Errorf("memory: %+v", cfg)
	}
	cfg = buffer.DefaultConfig()
	cfg.ChunkKeys, cfg.Timekey = "time", 24*time.Hour // what the S3 output puts in
	if err := decode(t, &cfg, "", "@type file", "path /x"); err != nil {
		t.Fatal(err)
	}
	if cfg.ChunkLimitSize != 256<<20 || cfg.TotalLimitSize != 64<<30 || !cfg.Timekeyed() || cfg.Timekey != 24*time.Hour {
		t.Errorf("file: %+v", cfg)
	}
	if err := decode(t, &cfg, "[]", "@type file", "path /x", "chunk_limit_size 10m", "queue_limit_length 16"); err != nil {
		t.Fatal(err)
	}
	if cfg.Timekeyed() || cfg.TotalLimitSize != 160<<20 {
		t.Errorf("blank keys, queue limit: %+v", cfg)
	}
}

func TestConfigKeys(t *testing.T) {
	cfg := buffer.DefaultConfig()
	if err := decode(t, &cfg, "time, tag,$.a.b,host", "timekey 60"); err != nil {
		t.Fatal(err)
	}
	names, fields := cfg.FieldKeys()
	if got := strings.Join(names, " "); got != "$.a.b host" || len(fields) != 2 || !cfg.KeyedByTag() || !cfg.Timekeyed() {
		t.Errorf("fields %q", got)
	}
	cfg.TimekeyZone = "+09:00"
	if _, offset := time.Unix(0, 0).In(cfg.Zone()).Zone(); offset != 9*3600 {
		t.Errorf("zone is %d seconds off", offset)
	}
	cfg.TimekeyUseUTC = true
	if cfg.Zone() != time.UTC {
		t.Error("timekey_use_utc is not UTC")
	}
}
