package buffer

import (
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
)

// Sizes that depend on where a buffer is kept; they are Fluentd's.
const (
	memoryChunkLimit = 8 << 20
	memoryTotalLimit = 512 << 20
	fileChunkLimit   = 256 << 20
	fileTotalLimit   = 64 << 30
)

// Config is the part of <buffer> that says what is kept and where. When a chunk
// leaves (flush_*, retry_*) is told to package output.
//
// The zero value is not usable: begin with [DefaultConfig], let an output put in
// its own defaults, then decode Params, then Check.
type Config struct {
	Type       string // memory, file, or file_single (kept like file)
	Path       string // of a file buffer; with or without '*', see [splitPath]
	PathSuffix string // only finds what Fluentd left: ours is always .chunk
	ChunkKeys  string // the section's argument: "tag,time,$.a.b"; "[]" or "" for none

	Timekey       time.Duration
	TimekeyWait   time.Duration
	TimekeyUseUTC bool
	TimekeyZone   string

	ChunkLimitSize     int64   // bytes of events in a chunk
	ChunkLimitRecords  int     // 0: no limit
	ChunkFullThreshold float64 // part of a limit at which a chunk counts as full
	TotalLimitSize     int64   // bytes of events in the buffer and its backup folder
	QueueLimitLength   int     // Fluentd's old way to write total_limit_size; 0: not set
	QueuedChunksLimit  int     // chunks in the queue beyond which nothing more is queued by time; 0: no limit
	Compress           string  // text, gzip, zstd
	OverflowAction     string  // throw_exception, block, drop_oldest_chunk
	DisableChunkBackup bool
	FilePermission     string // octal; "" is 0600
	DirPermission      string // octal; "" is 0700

	MinFree     int64         // bytes of the volume that are left free; see [Config.minFree]
	CommitDelay time.Duration // how long a commit waits for company
	MaxOpen     int           // descriptors that staged chunks may hold

	Dedup        string // off, source (requests of our own handler), content (everybody's)
	DedupKey     event.Accessor
	DedupWindow  time.Duration
	DedupMaxKeys int

	set present
}

// present says which parameters a configuration sets itself.
type present struct {
	timekey, chunkLimit, totalLimit, queueLimit, minFree, dedupKey bool
}

// DefaultConfig is what a <buffer> without parameters means for an output that
// has no defaults of its own.
func DefaultConfig() Config {
	return Config{
		Type: "memory", PathSuffix: ".log", TimekeyWait: 10 * time.Minute,
		ChunkFullThreshold: 0.95, Compress: "text", OverflowAction: "throw_exception",
		MaxOpen: 512, Dedup: "source", DedupWindow: time.Hour, DedupMaxKeys: 1_000_000,
	}
}

// Params declares the parameters; what c holds already is their default.
func (c *Config) Params(p *param.Set) {
	p.Arg(&c.ChunkKeys, c.ChunkKeys, "What the events of one chunk share: tag, time, names of fields ($.a.b for nested ones); [] for nothing.")
	p.String("@type", &c.Type, c.Type, "memory, or file: events that were acknowledged survive the process and the power.").
		Enum("memory", "file", "file_single")
	p.String("path", &c.Path, c.Path, "Folder of a file buffer, or a path whose * stands for the chunk.").Alias("buffer_path")
	p.String("path_suffix", &c.PathSuffix, c.PathSuffix, "Suffix of chunks that Fluentd left in the folder; they are taken in. Ours end in .chunk.")
	c.timeParams(p)
	c.limitParams(p)
	c.diskParams(p)
	c.dedupParams(p)
}

func (c *Config) timeParams(p *param.Set) {
	p.Time("timekey", &c.Timekey, c.Timekey, "Length of a slice of time; each chunk holds the events of one.").Present(&c.set.timekey)
	p.Time("timekey_wait", &c.TimekeyWait, c.TimekeyWait, "How long after the end of its slice a chunk waits for late events.")
	p.Bool("timekey_use_utc", &c.TimekeyUseUTC, c.TimekeyUseUTC, "Cut slices, and print their time, in UTC.")
	p.String("timekey_zone", &c.TimekeyZone, c.TimekeyZone, "Cut slices, and print their time, in this zone: +0900, Asia/Tokyo.")
}

func (c *Config) limitParams(p *param.Set) {
	p.Size("chunk_limit_size", &c.ChunkLimitSize, c.ChunkLimitSize, "Largest chunk, in bytes of events: 8m in memory and 256m in files when it is not set.").
		Alias("buffer_chunk_limit").Present(&c.set.chunkLimit)
	p.Int("chunk_limit_records", &c.ChunkLimitRecords, c.ChunkLimitRecords, "Most events in a chunk; 0 is no limit.")
	p.Float("chunk_full_threshold", &c.ChunkFullThreshold, c.ChunkFullThreshold, "Part of chunk_limit_size at which a chunk counts as full.")
	p.Size("total_limit_size", &c.TotalLimitSize, c.TotalLimitSize, "Most that the buffer keeps, in bytes of events: 512m in memory and 64g in files when it is not set.").
		Present(&c.set.totalLimit)
	p.Int("queue_limit_length", &c.QueueLimitLength, c.QueueLimitLength, "Sets total_limit_size to this many chunks of chunk_limit_size.").
		Alias("buffer_queue_limit").Present(&c.set.queueLimit)
	p.Int("queued_chunks_limit_size", &c.QueuedChunksLimit, c.QueuedChunksLimit, "Chunks in the queue beyond which no more are queued by time; 0 is no limit.")
	p.String("compress", &c.Compress, c.Compress, "How chunks are packed while they wait.").Enum("text", "gzip", "zstd")
	p.String("overflow_action", &c.OverflowAction, c.OverflowAction,
		"What happens to a request when the buffer is full: throw_exception refuses it (503), block lets it wait below 30 seconds, drop_oldest_chunk deletes what is oldest in the queue.").
		Enum("throw_exception", "block", "drop_oldest_chunk")
	p.Bool("disable_chunk_backup", &c.DisableChunkBackup, c.DisableChunkBackup, "Delete chunks that can never be delivered, where they would be moved to the backup folder.")
}

func (c *Config) diskParams(p *param.Set) {
	p.String("file_permission", &c.FilePermission, c.FilePermission, "Permission of chunk files, octal; 0600 when it is not set.")
	p.String("dir_permission", &c.DirPermission, c.DirPermission, "Permission of folders that are made, octal; 0700 when it is not set.")
	p.Size("min_free", &c.MinFree, c.MinFree,
		"Bytes of the volume that stay free: with less the buffer is full. When it is not set: 5% of the volume or two chunks for each flush thread, whichever is more, but at most 1g and at most a quarter of the volume; 0 is none.").
		Present(&c.set.minFree)
	p.Time("commit_delay", &c.CommitDelay, c.CommitDelay, "How long a commit waits so that more requests share its fsync; for slow disks.")
	p.Int("max_open", &c.MaxOpen, c.MaxOpen, "Files that chunks in the stage may keep open.")
}

func (c *Config) dedupParams(p *param.Set) {
	p.String("dedup", &c.Dedup, c.Dedup,
		"Whose repeated events are dropped: source is our own handler, which says what it sends again; content is everybody; off is nobody.").
		Enum("off", "source", "content")
	p.Accessor("dedup_key", &c.DedupKey, "Field that names an event, such as $.uid. Events with the same name and different content are stored and counted.").
		Present(&c.set.dedupKey)
	p.Time("dedup_window", &c.DedupWindow, c.DedupWindow, "How long an event is remembered that did not come from our handler.")
	p.Int("dedup_max_keys", &c.DedupMaxKeys, c.DedupMaxKeys, "How many events are remembered, 16 bytes each; a gauge shows the window that this covers.")
}

// OnDisk reports whether the buffer is kept in files.
func (c *Config) OnDisk() bool { return c.Type != "memory" }

// Keys is the chunk keys in the order written: "tag", "time", names of fields.
func (c *Config) Keys() []string {
	text := strings.TrimSpace(c.ChunkKeys)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	var keys []string
	for key := range strings.SplitSeq(text, ",") {
		if key = strings.Trim(strings.TrimSpace(key), `"`); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// KeyedByTag reports whether each chunk holds events of one tag.
func (c *Config) KeyedByTag() bool { return slices.Contains(c.Keys(), "tag") }

// Timekeyed reports whether each chunk holds events of one slice of time.
func (c *Config) Timekeyed() bool { return slices.Contains(c.Keys(), "time") }

// FieldKeys is the chunk keys that are fields: their names as written, which are
// also those of Meta.Variables, and how to find them. Check has passed before.
func (c *Config) FieldKeys() (names []string, fields []event.Accessor) {
	for _, key := range c.Keys() {
		if key == "tag" || key == "time" {
			continue
		}
		if a, err := event.ParseAccessor(key); err == nil {
			names, fields = append(names, key), append(fields, a)
		}
	}
	return names, fields
}

// Zone is where slices of time are cut.
func (c *Config) Zone() *time.Location {
	if c.TimekeyUseUTC {
		return time.UTC
	}
	if loc, err := parseZone(c.TimekeyZone); err == nil && c.TimekeyZone != "" {
		return loc
	}
	return time.Local
}

// DedupOn reports whether repeated events may be dropped at all, so that a
// caller knows whether to compute ids.
func (c *Config) DedupOn() bool { return c.Dedup != "off" }

// WantIDs reports whether the events of a request need ids; src is nil for a
// client that is not our handler.
func (c *Config) WantIDs(src *Source) bool {
	return c.Dedup == "content" || c.Dedup == "source" && src != nil
}

// DedupField is the field of dedup_key, if there is one.
func (c *Config) DedupField() (event.Accessor, bool) { return c.DedupKey, c.set.dedupKey }

// keyPattern is what Fluentd takes for the name of a chunk key.
var keyPattern = regexp.MustCompile(`^[-_.@a-zA-Z0-9]+$`)

// Check holds the rules between the parameters and fills in what depends on the
// type. It does no I/O. Each error blames one parameter.
func (c *Config) Check() error {
	for _, check := range []func() error{c.checkKeys, c.checkTimekey, c.checkLimits, c.checkDisk} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkKeys() error {
	for _, key := range c.Keys() {
		switch {
		case strings.HasPrefix(key, "$["):
			return param.Errorf("", "write $.a.b", "in chunk_keys: bracket notation is not allowed")
		case strings.HasPrefix(key, "$."):
			if _, err := event.ParseAccessor(key); err != nil {
				return param.Errorf("", "", "in chunk_keys: %w", err)
			}
		case !keyPattern.MatchString(key):
			return param.Errorf("", "chunk keys are separated by commas: <buffer tag,time>", "chunk_keys specification includes invalid char: %q", key)
		}
	}
	return nil
}

func (c *Config) checkTimekey() error {
	switch _, err := parseZone(c.TimekeyZone); {
	case err != nil:
		return param.Errorf("timekey_zone", "write +0900, +09:00 or Asia/Tokyo", "%w", err)
	case c.TimekeyWait < 0:
		return param.Errorf("timekey_wait", "", "%s is below 0", c.TimekeyWait)
	case !c.Timekeyed():
		return nil
	case c.Timekey == 0 && !c.set.timekey:
		return param.Errorf("", "add a line such as `timekey 1h`", "<buffer ...> argument includes 'time', but timekey is not configured")
	case c.Timekey < time.Second:
		return param.Errorf("timekey", "", "timekey should be greater than 0. current timekey: %v", c.Timekey.Seconds())
	}
	return nil
}

func (c *Config) checkLimits() error {
	if c.set.chunkLimit && c.ChunkLimitSize <= 0 {
		return param.Errorf("chunk_limit_size", "", "%d leaves no room for an event", c.ChunkLimitSize)
	}
	if c.set.totalLimit && c.TotalLimitSize <= 0 {
		return param.Errorf("total_limit_size", "", "%d leaves no room for an event", c.TotalLimitSize)
	}
	chunk, total := int64(memoryChunkLimit), int64(memoryTotalLimit)
	if c.OnDisk() {
		chunk, total = fileChunkLimit, fileTotalLimit
	}
	c.ChunkLimitSize = cmp.Or(c.ChunkLimitSize, chunk)
	if c.QueueLimitLength > 0 {
		c.TotalLimitSize = c.ChunkLimitSize * int64(c.QueueLimitLength)
	}
	c.TotalLimitSize = cmp.Or(c.TotalLimitSize, total)
	switch {
	case c.ChunkLimitRecords < 0:
		return param.Errorf("chunk_limit_records", "", "%d is below 0", c.ChunkLimitRecords)
	case c.QueuedChunksLimit < 0:
		return param.Errorf("queued_chunks_limit_size", "", "%d is below 0", c.QueuedChunksLimit)
	case c.set.queueLimit && c.QueueLimitLength <= 0:
		return param.Errorf("queue_limit_length", "", "%d leaves no room for an event", c.QueueLimitLength)
	case c.ChunkFullThreshold <= 0 || c.ChunkFullThreshold > 1:
		return param.Errorf("chunk_full_threshold", "0.95 is usual", "%v must be above 0 and at most 1", c.ChunkFullThreshold)
	case c.DedupWindow < 0:
		return param.Errorf("dedup_window", "", "%s is below 0", c.DedupWindow)
	case c.DedupMaxKeys < 1:
		return param.Errorf("dedup_max_keys", "", "%d remembers nothing; write `dedup off`", c.DedupMaxKeys)
	}
	return nil
}

func (c *Config) checkDisk() error {
	switch _, err := parsePermission(c.FilePermission, 0o600); {
	case err != nil:
		return param.Errorf("file_permission", "write octal digits: 0640", "%w", err)
	case c.MinFree < 0:
		return param.Errorf("min_free", "", "%d is below 0", c.MinFree)
	case c.CommitDelay < 0 || c.CommitDelay > time.Second:
		return param.Errorf("commit_delay", "a few milliseconds are enough", "%s is not between 0 and 1s", c.CommitDelay)
	case c.MaxOpen < 1:
		return param.Errorf("max_open", "", "%d leaves no file to write to", c.MaxOpen)
	}
	if _, err := parsePermission(c.DirPermission, 0o700); err != nil {
		return param.Errorf("dir_permission", "write octal digits: 0750", "%w", err)
	}
	if c.OnDisk() && c.Path == "" {
		return param.Errorf("path", "add a line such as `path /var/lib/relay/buffer`", "buffer path is not configured. specify 'path' in <buffer>")
	}
	return nil
}

// parsePermission reads octal digits; "" is def.
func parsePermission(text string, def fs.FileMode) (fs.FileMode, error) {
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q is no octal permission", text)
	}
	return fs.FileMode(n), nil
}

var zoneOffset = regexp.MustCompile(`^([-+])(\d\d):?(\d\d)?$`)

// parseZone reads +HH, +HHMM, +HH:MM or a name of the zone database; "" is the
// local zone.
func parseZone(text string) (*time.Location, error) {
	if text == "" {
		return time.Local, nil
	}
	if m := zoneOffset.FindStringSubmatch(text); m != nil {
		hours, _ := strconv.Atoi(m[2])
		minutes, _ := strconv.Atoi(cmp.Or(m[3], "0"))
		seconds := hours*3600 + minutes*60
		if m[1] == "-" {
			seconds = -seconds
		}
		return time.FixedZone(text, seconds), nil
	}
	loc, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone", text)
	}
	return loc, nil
}
