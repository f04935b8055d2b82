package s3sink

import (
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
)

// Configurations of Fluentd 0.12 say flatly, in <match>, what belongs into
// <buffer> today. Fluentd still understands that when there is no <buffer>.

// flatParams makes the old names known. Their values are taken by flatBuffer,
// before the buffer's own parameters are declared, since they are its defaults.
func flatParams(p *param.Set) {
	var ignored string
	for _, f := range []struct{ name, now string }{
		{"buffer_type", "@type in <buffer>"},
		{"buffer_path", "path in <buffer>"},
		{"buffer_chunk_limit", "chunk_limit_size in <buffer>"},
		{"buffer_queue_limit", "queue_limit_length in <buffer>"},
		{"buffer_queue_full_action", "overflow_action in <buffer>"},
		{"time_slice_wait", "timekey_wait in <buffer>"},
		{"utc", "timekey_use_utc in <buffer>"},
		{"localtime", "timekey_use_utc false in <buffer>"},
		{"timezone", "timekey_zone in <buffer>"},
	} {
		p.String(f.name, &ignored, "", "Old way to write "+f.now+"; without a <buffer> it still means that.").Deprecated("write " + f.now)
	}
}

// flatBuffer makes the buffer's defaults of the old names.
func flatBuffer(n *conf.Node, c *buffer.Config) {
	if n == nil || hasBuffer(n) {
		return
	}
	for name, dst := range map[string]*string{"buffer_type": &c.Type, "buffer_path": &c.Path, "timezone": &c.TimekeyZone, "buffer_queue_full_action": &c.OverflowAction} {
		if text := n.Text(name); text != "" {
			*dst = text
		}
	}
	if c.OverflowAction == "exception" {
		c.OverflowAction = "throw_exception"
	}
	if size, _, err := conf.ParseSize(n.Text("buffer_chunk_limit")); err == nil && size > 0 {
		c.ChunkLimitSize = size
	}
	if length, _, err := conf.ParseSize(n.Text("buffer_queue_limit")); err == nil && length > 0 {
		c.QueueLimitLength = int(length)
	}
	if wait, _, err := conf.ParseTime(n.Text("time_slice_wait")); err == nil && n.Text("time_slice_wait") != "" {
		c.TimekeyWait = wait
	}
	c.TimekeyUseUTC = flatTrue(n, "utc")
	c.Timekey = flatTimekey(n.Text("time_slice_format"))
}

// flatTimekey is how Fluentd guesses the slice from its form.
func flatTimekey(format string) time.Duration {
	switch {
	case strings.Contains(format, "%S"):
		return time.Second
	case strings.Contains(format, "%M"):
		return time.Minute
	case strings.Contains(format, "%H"):
		return time.Hour
	}
	return 24 * time.Hour
}

func hasBuffer(n *conf.Node) bool {
	for _, child := range n.Children {
		if child.Name == "buffer" {
			return true
		}
	}
	return false
}

// flatTrue reads a flag; a name without a value means true.
func flatTrue(n *conf.Node, name string) bool {
	p, ok := n.Get(name)
	if !ok {
		return false
	}
	yes, err := conf.ParseBool(p.Value.Text)
	return err == nil && yes
}
