package relay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/conf"
)

// written prints a tree as a configuration, one line a parameter.
func written(n *conf.Node) string {
	var b strings.Builder
	for _, p := range n.Params {
		fmt.Fprintf(&b, "%s=%s ", p.Name, p.Value.Text)
	}
	for _, child := range n.Children {
		fmt.Fprintf(&b, "<%s> %s</> ", child.Title(), written(child))
	}
	return b.String()
}

func TestModernize(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"reserved names", "<source>\n type http\n id x\n</source>", "<source> @type=http @id=x </> "},
		{"a record's type stays", "<filter **>\n @type record_transformer\n <record>\n type a\n </record>\n</filter>", "<filter **> @type=record_transformer <record> type=a </> </> "},
		{"format of a source", "<source>\n @type http\n format json\n time_key ts\n time_format %Y\n</source>", "<source> @type=http <parse> @type=json time_key=ts time_format=%Y time_type=string </> </> "},
		{"format default", "<source>\n @type http\n format default\n</source>", "<source> @type=http format=default </> "},
		{"regular expression", "<source>\n @type http\n format /^(?<a>.)$/\n</source>", "<source> @type=http <parse> @type=regexp expression=/^(?<a>.)$/ </> </> "},
		{"a <parse> wins", "<source>\n @type http\n format json\n <parse>\n @type none\n </parse>\n</source>", "<source> @type=http format=json <parse> @type=none </> </> "},
		{
			"s3 buffer", "<match a>\n @type s3\n buffer_path /b\n buffer_queue_full_action exception\n utc\n time_slice_format %Y%m%d%H\n retry_limit 3\n</match>",
			"<match a> @type=s3 time_slice_format=%Y%m%d%H <buffer time> path=/b overflow_action=throw_exception timekey_use_utc=true retry_max_times=3 timekey=1h </> </> ",
		},
		{"no slices", "<match a>\n @type http\n flush_interval 5s\n</match>", "<match a> @type=http <buffer> flush_interval=5s </> </> "},
		{"a <buffer> wins", "<match a>\n @type http\n flush_interval 5s\n <buffer>\n </buffer>\n</match>", "<match a> @type=http flush_interval=5s <buffer> </> </> "},
		{"inject", "<match a>\n @type s3\n include_tag_key true\n tag_key tg\n include_time_key false\n time_key ts\n</match>", "<match a> @type=s3 time_key=ts <inject> tag_key=tg </> </> "},
	} {
		t.Run(test.name, func(t *testing.T) {
			var problems conf.Problems
			tree, err := conf.Parse("fluent.conf", []byte(test.in), conf.Options{Problems: &problems})
			if err != nil {
				t.Fatal(err)
			}
			modernize(tree, &problems)
			if got := written(tree); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
