package s3sink

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/placeholder"
	"github.com/sluicelog/sluice/internal/plugin"
)

// chunkMetadata names the metadata entry that holds the chunk's id; on the wire
// it is x-amz-meta-sluice-chunk.
const chunkMetadata = "sluice-chunk"

// maxKey is S3's limit for an object key, in bytes.
const maxKey = 1024

// maxMetadata is S3's limit of 2 KB for names and values together, less our own.
const maxMetadata = 2000

// plan is all that was decided about a chunk's object. It is written into the
// chunk before the first byte is sent, and from then on it is what counts: a
// later attempt, after a restart with another configuration too, sends the same
// bytes to the same key, so that it replaces or completes the earlier one.
type plan struct {
	endpoint string // "" is Amazon's
	bucket   string
	key      string
	index    int
	storeAs  string
	level    int
	metadata map[string]string
	upload   string // id of an upload in parts that was begun; only to abort it
}

// note is the plan as the chunk keeps it. attempt is 1 from the first: the note
// says that a request may have been sent, and a reader must take it so.
func (p *plan) note() map[string]string {
	metadata, _ := json.Marshal(p.metadata) // a map of texts always encodes
	return map[string]string{
		"endpoint": p.endpoint, "bucket": p.bucket, "key": p.key, "index": strconv.Itoa(p.index),
		"store_as": p.storeAs, "level": strconv.Itoa(p.level), "encoding": "", "metadata": string(metadata), "attempt": "1",
		"upload": p.upload,
	}
}

// parsePlan reads a note; false when it is none of this output's.
func parsePlan(note map[string]string) (*plan, bool) {
	p := &plan{endpoint: note["endpoint"], bucket: note["bucket"], key: note["key"], storeAs: note["store_as"], upload: note["upload"]}
	if p.bucket == "" || p.key == "" || p.storeAs == "" {
		return nil, false
	}
	var err error
	if p.index, err = strconv.Atoi(note["index"]); err != nil {
		return nil, false
	}
	if p.level, err = strconv.Atoi(note["level"]); err != nil {
		return nil, false
	}
	if err := json.Unmarshal([]byte(note["metadata"]), &p.metadata); err != nil {
		return nil, false
	}
	return p, true
}

// metadataTemplate is one entry of s3_metadata.
type metadataTemplate struct {
	name  string
	value *placeholder.Template
}

func compileMetadata(pairs []param.Pair) ([]metadataTemplate, error) {
	var templates []metadataTemplate
	for _, pair := range pairs {
		t, err := placeholder.Compile(event.Text(pair.Value))
		if err != nil {
			return nil, param.Errorf("s3_metadata", "", "%s: %w", pair.Key, err)
		}
		templates = append(templates, metadataTemplate{pair.Key, t})
	}
	return templates, nil
}

// metadata is the metadata of a chunk's object. As in fluent-plugin-s3, the
// index in it is -1 when check_object is false.
func (o *output) metadata(meta event.Meta, index int) (map[string]string, error) {
	values := map[string]string{chunkMetadata: meta.ChunkID.String()}
	size := 0
	for _, t := range o.meta {
		text, err := o.fill(t.value, meta)
		if err != nil {
			return nil, fmt.Errorf("expand s3_metadata %s: %w", t.name, err)
		}
		values[t.name] = percent.ReplaceAllStringFunc(text, func(name string) string {
			if name == "%{index}" {
				return o.format.number(index)
			}
			return ""
		})
		size += len(t.name) + len(values[t.name])
	}
	if size > maxMetadata {
		return nil, plugin.Permanent(fmt.Errorf("s3_metadata of chunk %s: %d bytes are more than S3 takes (%d)", meta.ChunkID, size, maxMetadata))
	}
	return values, nil
}
