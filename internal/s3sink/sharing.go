package s3sink

// Sharing is what a check of a whole configuration must know of an S3 output. On a
// store that is not known to honour If-None-Match a HEAD goes before each PUT; whoever
// puts the same key between the two is overwritten.
type Sharing struct {
	Prefix  string // "https://minio.example.com/bucket/logs/", up to the first placeholder
	Guarded bool   // the store is Amazon's, or no two chunks can have one key
	Threads int    // that write at one time
}

// Sharing may be called after Check.
func (o *output) Sharing() Sharing {
	return Sharing{
		Prefix:  o.endpoint + "/" + o.bucket + "/" + plainPrefix(o.format.template.String()),
		Guarded: !o.foreign() || o.format.unique,
		Threads: o.threads,
	}
}
