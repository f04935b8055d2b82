package buffer_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/buffer"
	"github.com/sluicelog/sluice/internal/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

const goldenPath = "testdata/chunk_v1.hex"

// goldenChunk is a chunk with every kind of frame and every flag but packing.
func goldenChunk() []byte {
	id := event.ChunkID{0x66, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	meta := event.Meta{
		Tag: "app.log", HasTag: true, Timekey: 1_700_000_040, HasTimekey: true,
		Variables: []event.Variable{{Key: "host", Value: "web-1"}, {Key: "$.n", Value: int64(7)}, {Key: "none", Value: nil}},
	}
	const salt = 0xdecafbad
	var b []byte
	put := func(kind, flags byte, count uint32, body []byte) {
		b = append(b, buffer.FrameForTest(kind, flags, count, salt, int64(len(b)), body)...)
	}
	put('H', 0, 0, buffer.HeadForTest(id, 1_700_000_041_000_000_000, meta, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	put('D', 0, 2, []byte("{\"n\":1}\n{\"n\":2}\n"))
	origin := bytes.Repeat([]byte{0xaa}, 8)
	origin = binary.LittleEndian.AppendUint64(origin, 42)
	ids := append(origin, bytes.Repeat([]byte{0xbb}, 16)...)
	put('D', 1|2, 1, append(ids, "{\"n\":3}\n"...))
	put('S', 0, 0, buffer.SealForTest(3, 24))
	put('N', 0, 0, buffer.NoteForTest(map[string]string{"bucket": "logs", "attempt": "1", "key": "a/b_0.gz"}))
	return append(b, make([]byte, 32)...) // zeros behind the last frame
}

// TestGoldenChunk freezes version 1 of the format. If it fails the format has
// changed: that needs a new version, and a reader for both.
func TestGoldenChunk(t *testing.T) {
	got := wrapHex(goldenChunk())
	if *update {
		if err := os.WriteFile(goldenPath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the bytes of a chunk have changed:\n got\n%s\nwant\n%s", got, want)
	}
}

func wrapHex(b []byte) string {
	var out strings.Builder
	for ; len(b) > 32; b = b[32:] {
		out.WriteString(hex.EncodeToString(b[:32]) + "\n")
	}
	out.WriteString(hex.EncodeToString(b) + "\n")
	return out.String()
}

// TestGoldenChunkIsRead reads the frozen bytes with the reader of now.
func TestGoldenChunkIsRead(t *testing.T) {
	text, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	disk := newDisk(80)
	if err := disk.FS().Mkdir("/var", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := disk.FS().Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	writeBytes(t, disk, folder+"/buffer.q660102030405060708090a0b0c0d0e0f.chunk", raw)
	b := open(t, config(), buffer.Options{FS: disk.FS()})
	c, ok := b.Dequeue()
	if !ok {
		t.Fatal("it is not taken up")
	}
	m := c.Meta()
	if got := content(t, c); got != "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n" {
		t.Errorf("content %q", got)
	}
	if m.Tag != "app.log" || m.Timekey != 1_700_000_040 || len(m.Variables) != 3 || m.Variables[1].Value != int64(7) || m.Variables[2].Value != nil {
		t.Errorf("meta %+v", m)
	}
	if note, _ := c.Note(); note["key"] != "a/b_0.gz" || note["attempt"] != "1" || c.Events() != 3 || c.Size() != 24 {
		t.Errorf("note %v, %d events, %d bytes", note, c.Events(), c.Size())
	}
	if c.Created().Unix() != 1_700_000_041 || c.Fingerprint() != [8]byte{1, 2, 3, 4, 5, 6, 7, 8} {
		t.Errorf("created %v, fingerprint %v", c.Created(), c.Fingerprint())
	}
}

// TestStrangersReader reads a chunk that the buffer wrote with nothing but what
// docs/format/chunk.md says.
func TestStrangersReader(t *testing.T) {
	disk := newDisk(81)
	b := open(t, config(func(c *buffer.Config) { c.Dedup = "content" }), buffer.Options{FS: disk.FS()})
	mustAppend(t, b, batch("a", "one", "two"), withIDs(batch("a", "three")),
		from(buffer.Source{ID: "h", Generation: 9, Start: 9}, withIDs(batch("a", "four", "five"))))
	b.EnqueueAll()
	file := readBytes(t, disk, folder+"/"+chunkFiles(t, disk, folder)[0])

	var events strings.Builder
	kinds := ""
	var salt uint32
	for off := 0; off+20 <= len(file) && file[off] != 0; {
		head := file[off : off+20]
		length := int(binary.LittleEndian.Uint32(head[4:]))
		count := int(binary.LittleEndian.Uint32(head[8:]))
		body := file[off+20 : off+20+length]
		if off == 0 {
			salt = binary.LittleEndian.Uint32(head[12:])
		}
		if salt != binary.LittleEndian.Uint32(head[12:]) {
			t.Fatalf("another salt at %d", off)
		}
		sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		sum.Write(head[:16])
		sum.Write(binary.LittleEndian.AppendUint64(nil, uint64(off)))
		sum.Write(body)
		if sum.Sum32() != binary.LittleEndian.Uint32(head[16:]) {
			t.Fatalf("checksum differs at %d", off)
		}
		kinds += string(rune(head[0]))
		if head[0] == 'D' {
			if head[1]&2 != 0 {
				body = body[16:]
			}
			if head[1]&1 != 0 {
				body = body[16*count:]
			}
			events.Write(body)
		}
		off += 20 + length
	}
	if kinds != "HDDDS" || events.String() != "one\ntwo\nthree\nfour\nfive\n" {
		t.Errorf("frames %s, events %q", kinds, events.String())
	}
}

// TestFramesHoldOnlyInTheirPlace: a frame that moved, that is of another file, or
// whose bytes changed anywhere, is no frame.
func TestFramesHoldOnlyInTheirPlace(t *testing.T) {
	whole := goldenChunk()
	whole = whole[:len(whole)-32]
	end, events, sealed, err := scan(whole)
	if end != int64(len(whole)) || events != 3 || !sealed || err != nil {
		t.Fatalf("good chunk: end %d of %d, %d events, sealed %v, %v", end, len(whole), events, sealed, err)
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(whole)
			bad[i] ^= bit
			if end, _, _, err := scan(bad); err == nil && end > int64(i) {
				t.Fatalf("bit %#x of byte %d may change: good up to %d", bit, i, end)
			}
		}
		if end, _, _, _ := scan(whole[:i]); end > int64(i) {
			t.Fatalf("cut to %d it is good up to %d", i, end)
		}
	}
	head := 20 + int(binary.LittleEndian.Uint32(whole[4:]))
	data := 20 + int(binary.LittleEndian.Uint32(whole[head+4:]))
	moved := append(bytes.Clone(whole[:head+data]), whole[head:head+data]...) // the same frame again
	if end, events, _, _ := scan(moved); end != int64(head+data) || events != 2 {
		t.Errorf("a frame counts at another offset: good up to %d, %d events", end, events)
	}
	other := append(bytes.Clone(whole[:head]), buffer.FrameForTest('D', 0, 1, 1234, int64(head), []byte("x\n"))...)
	if _, events, _, _ := scan(other); events != 0 {
		t.Error("a frame of another file counts")
	}
}

func scan(b []byte) (end, events int64, sealed bool, err error) {
	return buffer.ScanForTest(bytes.NewReader(b), int64(len(b)))
}

func FuzzScan(f *testing.F) {
	whole := goldenChunk()
	f.Add(whole, 0, byte(0))
	f.Add(whole[:100], 50, byte(3))
	f.Add([]byte{}, 0, byte(0))
	f.Add(bytes.Repeat([]byte{'H'}, 64), 3, byte(9))
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		if at >= 0 && at < len(b) {
			b = bytes.Clone(b)
			b[at] ^= x
		}
		end, events, _, err := scan(b)
		if err == nil && (end > int64(len(b)) || events < 0) {
			t.Errorf("good up to %d of %d, %d events", end, len(b), events)
		}
	})
}

// FuzzAppendedText: events whose text is made to look like frames come out as
// they went in.
func FuzzAppendedText(f *testing.F) {
	f.Add("one\n", string(goldenChunk()[:80]))
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, one, two string) {
		if one == "" || two == "" {
			return
		}
		disk := newDisk(82)
		b := open(t, config(), buffer.Options{FS: disk.FS()})
		for _, text := range []string{one, two} {
			mustAppend(t, b, &buffer.Batch{Groups: []buffer.Group{{Body: []byte(text), Ends: []int{len(text)}}}})
		}
		disk.Kill()
		b = open(t, config(), buffer.Options{FS: disk.FS()})
		b.EnqueueAll()
		c, ok := b.Dequeue()
		if !ok || content(t, c) != one+two || c.Events() != 2 {
			t.Errorf("%q and %q came out otherwise", one, two)
		}
	})
}

func FuzzFluentdMeta(f *testing.F) {
	f.Add([]byte{0xc1, 0, 0, 0, 0, 1, 0x80})
	f.Add([]byte{0x80})
	f.Fuzz(func(_ *testing.T, text []byte) { _ = buffer.ReadMetaForTest(text) })
}
