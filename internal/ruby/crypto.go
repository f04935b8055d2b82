package ruby

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"math"
	"math/big"
	mrand "math/rand/v2"
	"strings"
)

var nan = math.NaN()

var digests = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA1": sha1.New, "SHA256": sha256.New, "SHA384": sha512.New384, "SHA512": sha512.New, "SHA2": sha256.New, "SHA224": sha256.New224,
}

// digestMethods are Digest::MD5.hexdigest and its like.
func digestMethods(algorithm string) table {
	sum := func(m *Env, v Value) []byte {
		h := digests[algorithm]()
		h.Write([]byte(m.text(v).s))
		return h.Sum(nil)
	}
	return table{
		"hexdigest": {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.ascii(hex.EncodeToString(sum(m, a[0]))) }, 1, 1, false},
		"digest":    {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.strEnc(string(sum(m, a[0])), binaryEnc) }, 1, 1, false},
		"base64digest": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.ascii(base64.StdEncoding.EncodeToString(sum(m, a[0])))
		}, 1, 1, false},
	}
}

// hmacMethods are OpenSSL::HMAC.hexdigest("SHA256", key, data).
func hmacMethods() table {
	sum := func(m *Env, a []Value) []byte {
		name := strings.ToUpper(strings.ReplaceAll(m.text(a[0]).s, "-", ""))
		algorithm, ok := digests[name]
		if !ok || name == "SHA2" {
			m.unsupported("the digest "+m.text(a[0]).s, "use SHA256")
		}
		h := hmac.New(algorithm, []byte(m.text(a[1]).s))
		h.Write([]byte(m.text(a[2]).s))
		return h.Sum(nil)
	}
	return table{
		"hexdigest": {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.ascii(hex.EncodeToString(sum(m, a))) }, 3, 3, false},
		"digest":    {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.strEnc(string(sum(m, a)), binaryEnc) }, 3, 3, false},
		"base64digest": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.ascii(base64.StdEncoding.EncodeToString(sum(m, a)))
		}, 3, 3, false},
	}
}

func base64Methods() table {
	encode := func(enc *base64.Encoding, lines bool) fn {
		return func(m *Env, _ Value, a []Value, _ *Proc) Value {
			raw := []byte(m.text(a[0]).s)
			m.room(2, len(raw))
			if lines {
				return m.ascii(lines64(raw))
			}
			return m.ascii(enc.EncodeToString(raw))
		}
	}
	return table{
		"encode64":        {encode(base64.StdEncoding, true), 1, 1, false},
		"strict_encode64": {encode(base64.StdEncoding, false), 1, 1, false},
		"urlsafe_encode64": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			rest, kw := m.keywords(a, "padding")
			text := base64.URLEncoding.EncodeToString([]byte(m.text(rest[0]).s))
			if v, ok := kw.keyword("padding"); ok && !truthy(v) {
				text = strings.TrimRight(text, "=")
			}
			return m.ascii(text)
		}, 1, 1, true},
		"decode64": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.strEnc(string(loose64(m.text(a[0]).s)), binaryEnc)
		}, 1, 1, false},
		"strict_decode64": {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.strict64(m.text(a[0]).s) }, 1, 1, false},
		"urlsafe_decode64": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			s := strings.NewReplacer("-", "+", "_", "/").Replace(m.text(a[0]).s)
			if !strings.HasSuffix(s, "=") && len(s)%4 != 0 {
				s += strings.Repeat("=", (4-len(s)%4)%4)
			}
			return m.strict64(s)
		}, 1, 1, false},
	}
}

// lines64 is base64 in lines of 60 characters.
func lines64(raw []byte) string {
	var b strings.Builder
	for len(raw) > 0 {
		n := min(45, len(raw))
		b.WriteString(base64.StdEncoding.EncodeToString(raw[:n]) + "\n")
		raw = raw[n:]
	}
	return b.String()
}

// loose64 decodes what can be decoded and skips what cannot, as unpack("m").
func loose64(s string) []byte {
	var out []byte
	acc, bits := 0, 0
	for i := range len(s) {
		v := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", s[i])
		if s[i] == '=' {
			break
		}
		if v < 0 {
			continue
		}
		acc = acc<<6 | v
		if bits += 6; bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	return out
}

func (m *Env) strict64(s string) Value {
	if strings.ContainsAny(s, "\r\n") {
		m.raise("ArgumentError", "invalid base64")
	}
	out, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		m.raise("ArgumentError", "invalid base64")
	}
	return m.strEnc(string(out), binaryEnc)
}

func randomFloat() float64 { return mrand.Float64() }

func randomInt(n int) int { return mrand.IntN(n) }

// randomIn is rand(n) or rand(range).
func (m *Env) randomIn(v Value) Value {
	switch v := v.(type) {
	case int64:
		if v == 0 {
			return randomFloat()
		}
		return mrand.Int64N(max(v, -v))
	case float64:
		if n := int64(math.Abs(v)); n > 0 {
			return mrand.Int64N(n)
		}
		return randomFloat()
	case *Range:
		lo, ok1 := v.lo.(int64)
		hi, ok2 := v.hi.(int64)
		if ok1 && ok2 {
			if v.excl {
				hi--
			}
			if hi < lo || hi-lo < 0 {
				return nil
			}
			return lo + mrand.Int64N(hi-lo+1)
		}
		f, ok1 := floatOf(v.lo)
		g, ok2 := floatOf(v.hi)
		if ok1 && ok2 {
			return f + randomFloat()*(g-f)
		}
	}
	m.raise("ArgumentError", "invalid argument - %s", m.inspect(v))
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// secureMethods are those of SecureRandom.
func secureMethods() table {
	sized := func(m *Env, a []Value, def int) int {
		n := def
		if len(a) > 0 && a[0] != nil {
			n = m.int(a[0])
		}
		if n < 0 {
			m.raise("ArgumentError", "negative string size (or size too big)")
		}
		m.room(2, n)
		return n
	}
	return table{
		"hex": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.ascii(hex.EncodeToString(randomBytes(sized(m, a, 16))))
		}, 0, 1, false},
		"uuid": {func(m *Env, _ Value, _ []Value, _ *Proc) Value { return m.ascii(newUUID()) }, 0, 0, false},
		"random_bytes": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.strEnc(string(randomBytes(sized(m, a, 16))), binaryEnc)
		}, 0, 1, false},
		"bytes": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.strEnc(string(randomBytes(sized(m, a, 16))), binaryEnc)
		}, 1, 1, false},
		"base64": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.ascii(base64.StdEncoding.EncodeToString(randomBytes(sized(m, a, 16))))
		}, 0, 1, false},
		"urlsafe_base64": {func(m *Env, _ Value, a []Value, _ *Proc) Value {
			return m.ascii(base64.RawURLEncoding.EncodeToString(randomBytes(sized(m, a, 16))))
		}, 0, 1, false},
		"alphanumeric":  {func(m *Env, _ Value, a []Value, _ *Proc) Value { return m.ascii(alphanumeric(sized(m, a, 16))) }, 0, 1, false},
		"random_number": {kernelRand, 0, 1, false},
		"rand":          {kernelRand, 0, 1, false},
	}
}

func newUUID() string {
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	t := hex.EncodeToString(b)
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}

func alphanumeric(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, n)
	for i := range out {
		k, _ := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		out[i] = letters[k.Int64()]
	}
	return string(out)
}

func zlibMethods() table {
	sum := func(f func(b []byte) uint32, empty int64) fn {
		return func(m *Env, _ Value, a []Value, _ *Proc) Value {
			if len(a) == 0 {
				return empty
			}
			return int64(f([]byte(m.text(a[0]).s)))
		}
	}
	return table{
		"crc32":   {sum(crc32.ChecksumIEEE, 0), 0, 1, false},
		"adler32": {sum(adler32.Checksum, 1), 0, 1, false},
	}
}
