package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkCheck5000Lines is `relay check` on what a large installation has: some
// hundred applications with their own filters and buckets.
func BenchmarkCheck5000Lines(b *testing.B) {
	var text strings.Builder
	text.WriteString("<source>\n  @type http\n  <parse>\n    @type json\n    time_type string\n    time_format %iso8601\n    keep_time_key true\n  </parse>\n</source>\n")
	for i := 0; strings.Count(text.String(), "\n") < 5000; i++ {
		fmt.Fprintf(&text, `# application %[1]d
<filter app%[1]d.**>
  @type record_transformer
  enable_ruby true
  <record>
    time ${time.utc.strftime("%%Y-%%m-%%dT%%H:%%M:%%SZ")}
    host "#{hostname}"
    kind ${tag_parts[0]}
    who ${record["user"] || "nobody"}
  </record>
</filter>
<filter app%[1]d.**>
  @type grep
  <regexp>
    key event
    pattern /^(user|session)\.[a-z]+$/
  </regexp>
</filter>
<match app%[1]d.**>
  @type s3
  @id s3_%[1]d
  s3_bucket bucket%[1]d
  s3_region us-east-1
  path logs/app%[1]d/
  time_slice_format %%Y%%m%%d-%%H
  <buffer tag,time>
    @type file
    path %[2]s/buffer%[1]d
    timekey 1h
    timekey_wait 1m
    chunk_limit_size 16m
  </buffer>
  <format>
    @type json
  </format>
</match>
`, i, b.TempDir())
	}
	path := filepath.Join(b.TempDir(), "fluent.conf")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if code := check([]string{path}, io.Discard, io.Discard); code != 0 {
			b.Fatalf("exit %d: see %s", code, path)
		}
	}
}
