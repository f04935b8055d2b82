// Package buffer keeps events between the moment they are acknowledged and the
// moment they have arrived where they belong. Losing one of them in between is
// the worst thing that this program can do.
//
// The unit is the chunk: events that leave together, as in Fluentd, whose words
// hold here. An append goes into the chunk of its tag, slice of time and fields
// in the stage. A chunk that is full, or whose time has come, is sealed and
// queued. An output dequeues it, delivers it and purges it, or takes it back.
//
// On disk a chunk is one file that describes itself (format.go,
// docs/format/chunk.md): frames with checksums, no index and no second file that
// must agree with the first. Nothing is ever changed behind a reader's back: data
// are only appended by the process that made the chunk, notes only behind the
// seal.
//
// An append is acknowledged when an fsync that covers it has returned. Appends
// that wait at the same time share one (commit.go). What is promised after that:
//
//   - A chunk of an earlier process gets no more data. It is read up to its last
//     good frame; what stands behind that was never acknowledged.
//   - After a failed fsync the file is never synced again: the kernel has dropped
//     what it could not write, and a second fsync would answer success. The chunk
//     is cut to what was durable before and copied into a new file (rewrite.go),
//     before anybody is told that an append has failed.
//   - What cannot be read or repaired now is tried again (mend.go). Events whose fate
//     is not known meanwhile are neither taken a second time nor forgotten.
//   - Names are made durable too: of new files before the first acknowledgement,
//     of folders up to the first that existed, of purges with the next commit.
//   - Room is reserved in all buffers of a request before anything is written,
//     and behind the data for the seal and the notes, so that a full disk refuses
//     intake and still lets everything out.
//   - A file leaves the folder when it was delivered, or moved to the backup
//     folder. Only drop_oldest_chunk and disable_chunk_backup delete.
//
// Assumed of the disk: what an fsync has acknowledged stays; a write that a power
// cut interrupts damages nothing outside the bytes that it wrote; a rename is
// done or not done.
//
// Where to read on: reserve.go and append.go are the way in, commit.go the
// promise, seal.go and queue.go the way out, resume.go and left.go the start after a
// crash, mend.go what a sick disk left undone, dedup.go the memory of what came
// before.
package buffer
