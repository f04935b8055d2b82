package s3sink

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// TestKeys holds object keys to those that Fluentd made for the same
// configuration (recorded cases s3/key_*, s3/timekey_*, s3/buffer_*).
func TestKeys(t *testing.T) {
	const id = "6368756e6b2d69640123456789abcdef"
	tokyo := time.FixedZone("+0900", 9*3600)
	hour := event.Meta{HasTimekey: true, Timekey: slice, HasTag: true, Tag: "a.b"}
	for name, c := range map[string]struct {
		lines, want string
		meta        event.Meta
		zone        *time.Location
		index       int
	}{
		"default":           {"", "logs/2020091312_0.gz", hour, time.UTC, 0},
		"index":             {"", "logs/2020091312_7.gz", hour, time.UTC, 7},
		"local time":        {"", "logs/2020091321_0.gz", hour, tokyo, 0},
		"day":               {"<buffer time>\ntimekey 1d\n</buffer>", "logs/20200913_0.gz", hour, time.UTC, 0},
		"no buffer section": {"", "logs/2020091312_0.gz", hour, time.UTC, 0},
		"minute":            {"<buffer time>\ntimekey 10m\n</buffer>", "logs/202009131200_0.gz", hour, time.UTC, 0},
		"second":            {"<buffer time>\ntimekey 1\n</buffer>", "logs/20200913120000_0.gz", hour, time.UTC, 0},
		"slice format":      {"time_slice_format %Y/%m/%d/%H-%M-%S", "logs/2020/09/13/12-00-00_0.gz", hour, time.UTC, 0},
		"index format":      {"index_format %03x", "logs/2020091312_00b.gz", hour, time.UTC, 11},
		"chunk id":          {"s3_object_key_format %{path}${chunk_id}_%{index}.%{file_extension}", "logs/" + id + "_0.gz", hour, time.UTC, 0},
		"hms is empty":      {"s3_object_key_format %{path}%{time_slice}%{hms_slice}_%{index}.%{file_extension}", "logs/2020091312_0.gz", hour, time.UTC, 0},
		"hostname":          {"s3_object_key_format %{path}%{hostname}/%{index}.%{file_extension}", "logs/host.example/0.gz", hour, time.UTC, 0},
		"no index":          {"s3_object_key_format %{path}%{time_slice}.%{file_extension}", "logs/2020091312.gz", hour, time.UTC, 0},
		"path and time":     {"s3_object_key_format %{path}/%Y/%m/%d/${tag}/%H%M_%{index}.%{file_extension}", "logs//2020/09/13/a.b/1200_0.gz", hour, time.UTC, 0},
		"percent":           {"s3_object_key_format %{path}100%%_%{index}", "logs/100%_0", hour, time.UTC, 0},
		"index twice":       {"s3_object_key_format %{path}%{index}%{index}.%{file_extension}", "logs/00.gz", hour, time.UTC, 0},
		"tag parts":         {"s3_object_key_format %{path}${tag}/${tag[0]}/${tag[1]}/%{index}.%{file_extension}", "logs/a.b/a/b/0.gz", hour, time.UTC, 0},
		"unicode":           {"s3_object_key_format %{path}é x+y_%{index}.gz", "logs/é x+y_0.gz", hour, time.UTC, 0},
		"unknown":           {"s3_object_key_format %{path}%{nope}_${nope}_%{index}.%{file_extension}", "logs/_${nope}_0.gz", hour, time.UTC, 0},
		"field": {
			"s3_object_key_format %{path}${k}/${$.k}_%{index}.%{file_extension}", "logs/kv/_0.gz",
			event.Meta{HasTimekey: true, Timekey: slice, Variables: []event.Variable{{Key: "k", Value: "kv"}}},
			time.UTC, 0,
		},
		"missing field": {
			"s3_object_key_format %{path}${user}/%{index}.%{file_extension}", "logs//0.gz",
			event.Meta{Variables: []event.Variable{{Key: "user"}}},
			time.UTC, 0,
		},
		"no time":                  {"", "logs/_0.gz", event.Meta{HasTag: true, Tag: "a"}, time.UTC, 0},
		"placeholders in the path": {"path l/${tag}/%Y/", "l/a.b/2020/2020091312_0.gz", hour, time.UTC, 0},
		"hex":                      {"s3_object_key_format %{path}%{hex_random}_%{index}", "logs/fedc_0", hour, time.UTC, 0},
		"hex of 16":                {"hex_random_length 16\ns3_object_key_format %{path}%{hex_random}", "logs/fedcba9876543210", hour, time.UTC, 0},
		"date slice":               {"s3_object_key_format %{path}%{date_slice}_%{index}", "logs/_0", hour, time.UTC, 0},
		"check_object no":          {"check_object false\ns3_object_key_format %{path}%{date_slice}%{index}-%{hms_slice}", "logs/2020091312-120405", hour, time.UTC, 0},
		"its default":              {"check_object false", "logs//2020091312_120405.gz", hour, time.UTC, 0},
	} {
		t.Run(name, func(t *testing.T) {
			buf := hourly
			if strings.Contains(c.lines, "<buffer") {
				buf = ""
			}
			o, _, err := decode(common("http://127.0.0.1:1")+c.lines+"\n"+buf, 1)
			if err != nil {
				t.Fatal(err)
			}
			o.format.zone = c.zone
			copy(c.meta.ChunkID[:], "chunk-id\x01\x23\x45\x67\x89\xab\xcd\xef")
			filled, err := o.fill(o.format.template, c.meta)
			if err != nil {
				t.Fatal(err)
			}
			got := o.format.finish(filled, c.meta, time.Date(2026, 1, 2, 12, 4, 5, 0, time.UTC)).at(o.format.number(c.index))
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestNotReplaced holds the warnings to the recorded ones of s3/key_key and
// s3/key_unknown.
func TestNotReplaced(t *testing.T) {
	for lines, want := range map[string]string{
		"s3_object_key_format %{path}${k}/${$.k}_%{index}.%{file_extension}":           "WARN chunk key placeholder '$.k' not replaced. template:logs/${k}/${$.k}_%{index}.gz",
		"s3_object_key_format %{path}%{nope}_${nope}_%{index}.%{file_extension}":       "WARN chunk key placeholder 'nope' not replaced. template:logs/%{nope}_${nope}_%{index}.gz",
		"s3_object_key_format %{path}${tag[7]}_${chunk_id}_%{index}.%{file_extension}": "",
	} {
		o, log, err := decode(common("http://127.0.0.1:1")+lines, 1)
		if err != nil {
			t.Fatal(err)
		}
		meta := event.Meta{HasTag: true, Tag: "a", Variables: []event.Variable{{Key: "k", Value: "kv"}}}
		if _, err := o.fill(o.format.template, meta); err != nil {
			t.Fatal(err)
		}
		if want != "" && !log.has(want) || want == "" && log.has("not replaced") {
			t.Errorf("got %q, want %q", log.lines, want)
		}
	}
}

func TestUUIDFlush(t *testing.T) {
	o, _, err := decode(common("http://127.0.0.1:1")+"s3_object_key_format %{uuid_flush}", 1)
	if err != nil {
		t.Fatal(err)
	}
	make1 := func() string { return o.format.finish("%{uuid_flush}", event.Meta{}, time.Now()).at("") }
	if a, b := make1(), make1(); a == b || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("got %s and %s", a, b)
	}
}

// TestRefused lists configurations that can not work, with the words that Fluentd
// has for them, and TestWarned those that it warns about.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ lines, want string }{
		"amazon's endpoint": {"s3_endpoint https://s3.us-east-1.amazonaws.com", "s3_endpoint parameter is not supported for S3, use s3_region instead. This parameter is for S3 compatible services"},
		"endpoint":          {"s3_endpoint minio:9000", "is no http or https URL"},
		"region":            {"s3_region us west", "is no region"},
		"key":               {"aws_key_id AK ID", "is no access key id"},
		"bucket":            {"s3_bucket b1/logs", "is no bucket name"},
		"index format":      {"index_format %s", "index_format parameter should follow `%[flags][width]type`. `0` is the only supported flag, and is mandatory if width is specified. `d`, `x` and `X` are supported types"},
		"hex":               {"hex_random_length 17", "hex_random_length parameter must be less than or equal to 16"},
		"uuid":              {"s3_object_key_format %{uuid:random}", "%{uuid:random} placeholder in s3_object_key_format is removed"},
		"parquet":           {"store_as parquet", "store_as parquet is not there yet"},
		"lzo":               {"store_as lzo", "'lzop' utility must be in PATH for LZO compression"},
		"checksum":          {"checksum_algorithm MD4", "valid options are"},
		"signature":         {"signature_version s3", "signature version 2 is gone"},
		"accelerated":       {"enable_transfer_acceleration true", "only Amazon's own endpoint is accelerated"},
		"proxy":             {"proxy_uri :::", "proxy_uri: is no URL"},
		"role":              {"<assume_role_credentials>\nrole_arn a\n</assume_role_credentials>", "role_session_name: parameter is required"},
		"rule":              {"<bucket_lifecycle_rule>\nid a\nexpiration_days 0\n</bucket_lifecycle_rule>", "expiration_days: 0 is below 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "lzo" {
				t.Setenv("PATH", t.TempDir())
			}
			_, _, err := decode(common("http://127.0.0.1:1")+c.lines, 1)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "AK ID") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestWarned(t *testing.T) {
	const parallel = "No ${chunk_id}, %{uuid_flush} or %{hex_random} in s3_object_key_format with multiple flush threads or multiple workers."
	for name, c := range map[string]struct {
		lines   string
		threads int
		want    []string
	}{
		"default":        {"", 1, []string{"WARN The default value of s3_object_key_format will use ${chunk_id} instead of %{index} to avoid object conflict in v2"}},
		"unchecked":      {"check_object false", 1, []string{"WARN Set 'check_object false' and s3_object_key_format is not specified. Use '%{path}/%{time_slice}_%{hms_slice}.%{file_extension}' for s3_object_key_format"}},
		"unchecked key":  {"check_object false\ns3_object_key_format a", 1, []string{"WARN Set 'check_object false' and s3_object_key_format is specified. Check s3_object_key_format is unique in each write. If not, existing file will be overwritten."}},
		"hostname":       {"s3_object_key_format %{hostname}", 1, []string{"WARN %{hostname} will be removed in the future. Use \"#{Socket.gethostname}\" instead"}},
		"store_as":       {"store_as nope\ns3_object_key_format a", 1, []string{"WARN 'nope' not supported. Use 'text' instead: error = Unknown s3_compressor_type plugin 'nope'. Run 'gem search -rd fluent-plugin' to find plugins"}},
		"reduced":        {"reduced_redundancy true\ns3_object_key_format a", 1, []string{"WARN reduced_redundancy parameter is deprecated. Use storage_class parameter instead"}},
		"threads":        {"s3_object_key_format %{index}", 2, []string{"WARN " + parallel}},
		"threads, apart": {"s3_object_key_format %{hex_random}", 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, log, err := decode(common("http://127.0.0.1:1")+c.lines, c.threads)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(log.lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
					t.Errorf("no line %q in %q", want, log.lines)
				}
			}
			if c.want == nil && len(log.lines) > 0 {
				t.Errorf("got %q, want no warning", log.lines)
			}
		})
	}
}

// TestFlat takes a configuration of Fluentd 0.12.
func TestFlat(t *testing.T) {
	o, _, err := decode("s3_bucket b\nbuffer_type file\nbuffer_path /var/spool/x\nbuffer_chunk_limit 8m\nbuffer_queue_limit 4\ntime_slice_wait 5m\nutc\ntime_slice_format %Y%m%d%H", 1)
	if err != nil {
		t.Fatal(err)
	}
	b := o.buffer
	if !b.OnDisk() || b.Path != "/var/spool/x" || b.ChunkLimitSize != 8<<20 || b.QueueLimitLength != 4 ||
		b.TimekeyWait != 5*time.Minute || !b.TimekeyUseUTC || b.Timekey != time.Hour || o.keys.slice != "%Y%m%d%H" {
		t.Errorf("got %+v", b)
	}
}
