package s3sink

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/internal/param"
)

// Check holds the rules between the parameters and compiles what they describe.
// It warns where fluent-plugin-s3 does, in its words. It does no I/O.
func (o *output) Check() error {
	for _, check := range []func() error{o.checkPlace, o.aws.Check, o.checkPut, o.checkStore, o.checkKeys} {
		if err := check(); err != nil {
			return err
		}
	}
	if w := o.aws.Warning(); w != "" {
		o.log.Warn(w)
	}
	return nil
}

func (o *output) checkPlace() error {
	if strings.ContainsAny(o.bucket, "/ \t") || o.bucket == "" {
		return param.Errorf("s3_bucket", "the name alone; a folder goes into `path`", "%q is no bucket name", o.bucket)
	}
	if err := o.aws.CheckRegion("s3_region"); err != nil {
		return err
	}
	switch {
	case o.endpoint == "" && o.begin.accelerate && o.begin.pathStyle:
		return param.Errorf("enable_transfer_acceleration", "leave out force_path_style", "there is no accelerated endpoint with path-style URLs")
	case o.endpoint == "":
		return nil
	case o.begin.accelerate:
		return param.Errorf("enable_transfer_acceleration", "", "only Amazon's own endpoint is accelerated, and s3_endpoint is set")
	case o.begin.dualStack:
		return param.Errorf("enable_dual_stack", "", "it chooses one of Amazon's own endpoints, and s3_endpoint is set")
	}
	if strings.HasSuffix(o.endpoint, "amazonaws.com") && !ownEndpoint(o.endpoint) {
		return param.Errorf("s3_endpoint", "leave the line out and write `s3_region`",
			"s3_endpoint parameter is not supported for S3, use s3_region instead. This parameter is for S3 compatible services")
	}
	u, err := url.Parse(o.endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.RawQuery != "" {
		return param.Errorf("s3_endpoint", "write it as https://minio.example.com:9000", "%q is no http or https URL", o.endpoint)
	}
	return nil
}

// ownEndpoint recognises the endpoints of Amazon's that have to be written out.
func ownEndpoint(endpoint string) bool {
	return strings.HasSuffix(endpoint, "vpce.amazonaws.com") || strings.Contains(endpoint, "fips") || strings.Contains(endpoint, "gov")
}

// foreign reports whether the store is not Amazon's.
func (o *output) foreign() bool {
	return o.endpoint != "" && !strings.HasSuffix(strings.TrimSuffix(o.endpoint, "/"), "amazonaws.com")
}

func (o *output) checkPut() error {
	if o.put.reducedRedundancy {
		o.log.Warn("reduced_redundancy parameter is deprecated. Use storage_class parameter instead")
		o.put.storageClass = "REDUCED_REDUNDANCY"
	}
	if o.put.signature == "s3" {
		return param.Errorf("signature_version", "leave the line out", "signature version 2 is gone; requests are signed by version 4")
	}
	if _, err := url.ParseQuery(o.put.tagging); err != nil {
		return param.Errorf("tagging", "write k=v&k2=v2", "%w", err)
	}
	for _, r := range o.begin.lifecycle {
		if r.days < 1 {
			return param.Errorf("expiration_days", "", "%d is below 1", r.days)
		}
	}
	var err error
	o.meta, err = compileMetadata(o.put.metadata)
	return err
}

func (o *output) checkStore() error {
	pack, unknown, err := newPacker(&o.storeAs)
	switch {
	case err != nil && o.storeAs.as == "zstd":
		return param.Errorf("level", "3 is usual", "%w", err)
	case err != nil && (o.storeAs.as == "lzma2" || o.storeAs.as == "gzip_command"):
		return param.Errorf("command_parameter", "a level such as -6 is all that counts", "%w", err)
	case err != nil:
		return param.Errorf("store_as", "gzip and zstd are there without a helper", "%w", err)
	}
	if unknown {
		o.log.Warn(fmt.Sprintf("'%s' not supported. Use 'text' instead: error = Unknown s3_compressor_type plugin '%s'. Run 'gem search -rd fluent-plugin' to find plugins", o.storeAs.as, o.storeAs.as))
	}
	pack.spools.checksum, pack.spools.md5 = o.put.checksum, o.put.md5
	pack.spools.sign = strings.HasPrefix(o.endpoint, "http://")
	if o.buffer.OnDisk() {
		pack.spools.dir = folderOf(o.buffer.Path)
	}
	o.pack = pack
	return nil
}

// folderOf is the folder of a buffer path, which may hold a * in its last part.
func folderOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); strings.Contains(path[i+1:], "*") {
		return path[:max(i, 0)]
	}
	return path
}

func (o *output) checkKeys() error {
	k := &o.keys
	if k.hexLength > maxHexLength {
		return param.Errorf("hex_random_length", "", "hex_random_length parameter must be less than or equal to %d", maxHexLength)
	}
	if !goodIndexFormat(k.index) {
		return param.Errorf("index_format", "write %d or %04d",
			"index_format parameter should follow `%%[flags][width]type`. `0` is the only supported flag, and is mandatory if width is specified. `d`, `x` and `X` are supported types")
	}
	for _, gone := range []string{"%{uuid}", "%{uuid:random}", "%{uuid:hostname}", "%{uuid:timestamp}"} {
		if strings.Contains(k.format, gone) {
			return param.Errorf("s3_object_key_format", "%{uuid_flush} is a random UUID", "%s placeholder in s3_object_key_format is removed", gone)
		}
	}
	format := o.hostname(k.format)
	if !k.checkObject && !k.formatSet {
		format = uncheckedKeyFormat
	}
	o.warnKeys(format)
	if k.slice == "" {
		k.slice = sliceFormat(o.buffer.Timekey)
	}
	compiled, err := newKeyFormat(k, format, o.pack.extension())
	if err != nil {
		return param.Errorf("s3_object_key_format", "", "%w", err)
	}
	compiled.zone = o.buffer.Zone()
	compiled.utc = o.env.Node == nil || !flatTrue(o.env.Node, "localtime")
	o.format = compiled
	return nil
}

// goodIndexFormat bounds the width besides, since nobody means a key of a
// million zeros.
func goodIndexFormat(format string) bool {
	if !indexPattern.MatchString(format) {
		return false
	}
	width, err := strconv.Atoi(cmp.Or(strings.Trim(format, "%dxX"), "0"))
	return err == nil && width <= maxKey
}

// hostname puts the host's name in, which belongs to the configuration, not to
// the chunk.
func (o *output) hostname(format string) string {
	if !strings.Contains(format, "%{hostname}") {
		return format
	}
	o.log.Warn("%{hostname} will be removed in the future. Use \"#{Socket.gethostname}\" instead")
	name := o.env.Hostname
	if name == "" {
		name, _ = os.Hostname()
	}
	return strings.ReplaceAll(format, "%{hostname}", name)
}

// distinct is the placeholders of which one must be in the key when several
// threads write.
var distinct = []string{"${chunk_id}", "%{uuid_flush}", "%{hex_random}"}

func (o *output) warnKeys(format string) {
	switch {
	case !o.keys.checkObject && o.keys.formatSet:
		o.log.Warn("Set 'check_object false' and s3_object_key_format is specified. Check s3_object_key_format is unique in each write. If not, existing file will be overwritten.")
	case !o.keys.checkObject:
		o.log.Warn("Set 'check_object false' and s3_object_key_format is not specified. Use '" + uncheckedKeyFormat + "' for s3_object_key_format")
	}
	if !o.keys.formatSet {
		o.log.Warn("The default value of s3_object_key_format will use ${chunk_id} instead of %{index} to avoid object conflict in v2")
	}
	if o.threads > 1 && !slices.ContainsFunc(distinct, func(name string) bool { return strings.Contains(format, name) }) {
		o.log.Warn("No ${chunk_id}, %{uuid_flush} or %{hex_random} in s3_object_key_format with multiple flush threads or multiple workers. " +
			"Recommend to set ${chunk_id}, %{uuid_flush} or %{hex_random} to avoid data lost by object conflict")
	}
}
