package s3sink

import (
	"github.com/sluicelog/sluice/internal/param"
)

// keyOptions say how an object is called.
type keyOptions struct {
	path        string
	format      string
	formatSet   bool
	slice       string
	index       string
	hexLength   int
	checkObject bool
	overwrite   bool
}

const (
	defaultKeyFormat = "%{path}%{time_slice}_%{index}.%{file_extension}"
	// uncheckedKeyFormat is what fluent-plugin-s3 takes for `check_object false`.
	uncheckedKeyFormat = "%{path}/%{time_slice}_%{hms_slice}.%{file_extension}"
	maxHexLength       = 16
	defaultIndexFormat = "%d"
	pathStyleHint      = "S3 will drop path style API in 2020: See https://aws.amazon.com/blogs/aws/amazon-s3-path-deprecation-plan-the-rest-of-the-story/"
	oldStorageHint     = "Use storage_class parameter instead."
)

func (k *keyOptions) params(p *param.Set) {
	p.String("path", &k.path, "", "Prefix of the object keys; end it with a slash to make a folder of it. May hold placeholders: ${tag}, %Y, ${field}.")
	p.String("s3_object_key_format", &k.format, defaultKeyFormat,
		"Object keys: %{path}, %{time_slice}, %{index}, %{file_extension}, %{hex_random}, %{uuid_flush}, %{hms_slice} (with check_object false), and the buffer's placeholders.").
		Present(&k.formatSet)
	p.String("time_slice_format", &k.slice, "", "Form of %{time_slice}; when it is not set it follows timekey, from %Y%m%d for days to %Y%m%d%H%M%S for seconds.")
	p.String("index_format", &k.index, defaultIndexFormat, "Form of %{index}: %d, %04d, %x.")
	p.Int("hex_random_length", &k.hexLength, 4, "How many hexadecimal digits %{hex_random} has, at most 16. They come from the chunk's id.")
	p.Bool("check_object", &k.checkObject, true, "Look whether an object of the key is there, and take the next index if so.")
	p.Bool("overwrite", &k.overwrite, false, "Overwrite an object that is there when the key has no %{index}; else the chunk is retried until the object is gone.")
}

// putOptions go into each PUT as headers.
type putOptions struct {
	storageClass                   string
	reducedRedundancy              bool
	acl                            string
	grantFull, grantRead           string
	grantReadACP, grantWriteACP    string
	encryption, kmsKey             string
	customerAlgorithm, customerKey string
	customerKeyMD5                 string
	checksum                       string
	md5                            bool
	signature                      string
	metadata                       []param.Pair
	tagging                        string
	partsAbove, partSize           int64
}

func (o *putOptions) params(p *param.Set) {
	p.String("storage_class", &o.storageClass, "STANDARD", "Storage class of the objects.")
	p.Bool("reduced_redundancy", &o.reducedRedundancy, false, "Use storage class REDUCED_REDUNDANCY.").Deprecated(oldStorageHint)
	p.String("acl", &o.acl, "", "Canned ACL of the objects, such as bucket-owner-full-control.")
	p.String("grant_full_control", &o.grantFull, "", "Who may do everything with the object: id=\"...\".")
	p.String("grant_read", &o.grantRead, "", "Who may read the object.")
	p.String("grant_read_acp", &o.grantReadACP, "", "Who may read the object's ACL.")
	p.String("grant_write_acp", &o.grantWriteACP, "", "Who may write the object's ACL.")
	p.String("use_server_side_encryption", &o.encryption, "", "Encryption at rest: AES256, aws:kms or aws:kms:dsse.")
	p.String("ssekms_key_id", &o.kmsKey, "", "Key for aws:kms.").Secret()
	p.String("sse_customer_algorithm", &o.customerAlgorithm, "", "Algorithm for encryption with a key that you bring along: AES256.")
	p.String("sse_customer_key", &o.customerKey, "", "That key, 32 bytes.").Secret()
	p.String("sse_customer_key_md5", &o.customerKeyMD5, "", "MD5 of that key, in base64; it is computed when it is not set.").Secret()
	p.String("checksum_algorithm", &o.checksum, "", "Checksum that the store keeps with the object: CRC32, CRC32C, SHA1, SHA256; without it Content-MD5 is sent.").
		Enum("CRC32", "CRC32C", "SHA1", "SHA256")
	p.Bool("compute_checksums", &o.md5, true, "Send Content-MD5, so that the store notices damaged bytes.")
	p.String("signature_version", &o.signature, "v4", "Signature of requests; only v4 is left.").Enum("v4", "s3")
	p.Hash("s3_metadata", &o.metadata, "Metadata of the objects: {\"name\":\"value\"}. Values may hold placeholders and %{index}.")
	o.partSize = partSize
	p.Size("multipart_threshold", &o.partsAbove, 100<<20, "Objects that are larger, packed, are sent in parts of 16 MB; 0 sends each by one PUT, of which S3 takes 5 GB.")
	p.String("tagging", &o.tagging, "", "Tags of the objects: k=v&k2=v2.")
}

// startOptions concern the way to the bucket, and what is done once.
type startOptions struct {
	checkKeys   bool
	checkBucket bool
	autoCreate  bool
	pathStyle   bool
	accelerate  bool
	dualStack   bool
	lifecycle   []lifecycleRule
}

type lifecycleRule struct {
	id, prefix string
	days       int
}

func (o *startOptions) params(p *param.Set) {
	p.Bool("check_apikey_on_start", &o.checkKeys, true, "Try the credentials at the start, by listing the bucket.")
	p.Bool("check_bucket", &o.checkBucket, true, "Look at the start whether the bucket is there.")
	p.Bool("auto_create_bucket", &o.autoCreate, true, "Create the bucket if it is missing.")
	p.Bool("force_path_style", &o.pathStyle, false, "Write the bucket into the path of URLs, as many compatible stores need it.").Deprecated(pathStyleHint)
	p.Bool("enable_transfer_acceleration", &o.accelerate, false, "Use the bucket's accelerated endpoint.")
	p.Bool("enable_dual_stack", &o.dualStack, false, "Use the endpoint that speaks IPv6 as well.")
	param.Sections(p, "bucket_lifecycle_rule", &o.lifecycle, declareLifecycle, "Rule that the bucket gets at the start, in place of those that it has.")
}

func declareLifecycle(p *param.Set, r *lifecycleRule) {
	p.String("id", &r.id, "", "Name of the rule.").Required()
	p.String("prefix", &r.prefix, "", "Objects whose key begins so; all when it is empty.")
	p.Int("expiration_days", &r.days, 0, "Days after which an object is deleted.").Required()
}

// storeOptions say how bytes are packed.
type storeOptions struct {
	as      string
	command string
	zstd    int
}

func (o *storeOptions) params(p *param.Set) {
	p.String("store_as", &o.as, "gzip", "Packing of the objects: gzip, zstd, lzma2 (xz), lzo, text, json.")
	p.String("command_parameter", &o.command, "", "Level for lzma2 (-qf0 by default), for gzip_command, and parameters of lzop (-qf1 by default).")
	param.Section(p, "compress", &o.zstd, declareCompress, "Parameters of store_as zstd.")
}

func declareCompress(p *param.Set, zstdLevel *int) {
	p.Int("level", zstdLevel, 3, "Level of zstd, 1 to 22.")
	for _, name := range []string{"parquet_compression_codec", "parquet_page_size", "parquet_row_group_size", "record_type", "schema_type", "schema_file"} {
		p.Ignore(name, "store_as parquet is not there yet")
	}
}
