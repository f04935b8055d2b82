package ruby

import (
	"os"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
)

// Limits bound one evaluation.
const (
	maxSteps = 1_000_000 // method calls and block rounds
	maxBytes = 64 << 20  // what strings and lists may take in all
	maxCalls = 2000      // blocks and lambdas within one another

	keptScratch = 1 << 20 // bytes of scratch that are kept from one evaluation to the next
)

// Env is what expressions see: the variables of one record, and the machine that
// runs them. It is made once and used for record after record by one goroutine;
// values that Eval returned live until the next Reset.
type Env struct {
	Hostname string         // hostname
	WorkerID string         // worker_id
	Location *time.Location // local time; nil means time.Local
	// Getenv is ENV; nil means the process's environment.
	Getenv func(name string) (string, bool)
	// Now is Time.now; nil means the real time.
	Now func() time.Time

	tag     string
	stamp   event.Time
	record  Hash
	time    Time
	timeSet bool
	parts   *Array
	prefix  *Array
	suffix  *Array

	base                 frame // the program's variables
	mostSteps, mostBytes int   // the limits

	frame   *frame     // those of the block that runs
	free    []*frame   // frames of blocks that have ended
	match   *Match     // $~
	err     *Exception // $!
	stack   []Value    // arguments on their way
	slab    []Str
	buf     []byte // scratch of formatting
	steps   int
	bytes   int
	calls   int
	calling string // the method that was called last
	nodes   int    // values that ToEvent came upon
	lastSrc string // the last regular expression that was put together
	lastRe  *Regexp
	held    Value // the receiver of &. on its way
	dirty   bool  // something that came out of the record was changed
	owned   []entry
}

// Reset gives the next event to the variables tag, time and record. The record
// is read only when an expression asks for it and never changed: what expressions
// do to it is theirs alone, see [Env.Changed].
func (m *Env) Reset(tag string, t event.Time, r *event.Record) {
	if tag != m.tag || m.dirty { // an expression may have changed the parts in place
		m.tag = tag
		m.parts, m.prefix, m.suffix = nil, nil, nil
	}
	m.stamp, m.timeSet = t, false
	m.record.reset(m, r)
	m.owned = m.owned[:0]
	m.dirty = false
}

// begin readies the machine for one evaluation.
func (m *Env) begin() {
	m.frame, m.match, m.err = nil, nil, nil
	if cap(m.buf) > keptScratch || cap(m.stack) > keptScratch/16 || len(m.free) > keptScratch/1024 {
		m.stack, m.buf, m.free = nil, nil, nil // one large record must not cost memory for ever
	}
	m.stack, m.buf = m.stack[:0], m.buf[:0]
	m.steps, m.bytes, m.calls = 0, 0, 0
	if m.mostSteps == 0 {
		m.mostSteps, m.mostBytes = maxSteps, maxBytes
	}
}

func (m *Env) step() {
	if m.steps++; m.steps > m.mostSteps {
		panic(&LimitError{"many steps"})
	}
}

// work counts time that a step takes beyond the usual, by the bytes it looks at.
func (m *Env) work(bytes int) {
	m.steps += bytes >> 8
	m.step()
}

// deeper counts a level of recursion that data cause; the caller undoes it.
func (m *Env) deeper() {
	if m.calls++; m.calls > maxCalls {
		panic(newException("SystemStackError", "stack level too deep"))
	}
}

// charge counts memory that an evaluation takes.
func (m *Env) charge(n int) {
	if m.bytes += n; m.bytes > m.mostBytes || n < 0 {
		panic(&LimitError{"much memory"})
	}
}

// room refuses a result that would be too large before it is made.
func (m *Env) room(n, times int) {
	if n > 0 && times > (m.mostBytes-m.bytes)/n {
		panic(&LimitError{"much memory"})
	}
}

func (m *Env) loc() *time.Location {
	if m.Location != nil {
		return m.Location
	}
	return time.Local
}

func (m *Env) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func (m *Env) getenv(name string) (string, bool) {
	if m.Getenv != nil {
		return m.Getenv(name)
	}
	return os.LookupEnv(name)
}

// variables are the names that Env can give a value to.
var variables = map[string]func(m *Env) Value{
	"record": func(m *Env) Value { return &m.record },
	"time": func(m *Env) Value {
		if !m.timeSet {
			m.time = Time{t: time.Unix(m.stamp.Sec, int64(m.stamp.Nsec)).In(m.loc())}
			m.timeSet = true
		}
		return &m.time
	},
	"tag":        func(m *Env) Value { return m.str(m.tag) },
	"tag_parts":  func(m *Env) Value { return m.tagParts() },
	"tag_prefix": func(m *Env) Value { return m.tagPrefix() },
	"tag_suffix": func(m *Env) Value { return m.tagSuffix() },
	"hostname": func(m *Env) Value {
		return m.strEnc(m.Hostname, binaryEnc)
	},
	"worker_id": func(m *Env) Value {
		return m.strEnc(m.WorkerID, binaryEnc)
	},
}

// RecordVars are the variables of record_transformer's expressions.
func RecordVars() []string {
	return []string{"tag", "time", "record", "tag_parts", "tag_prefix", "tag_suffix", "hostname"}
}

// ConfigVars are the variables of "#{…}" in a configuration. use_nil and
// use_default are known there too: Eval returns [ErrUseNil] or [ErrUseDefault].
func ConfigVars() []string { return []string{"hostname", "worker_id"} }

func (m *Env) tagParts() *Array {
	if m.parts == nil {
		m.parts = &Array{shared: true}
		// Ruby's split drops empty parts at the end.
		for _, part := range strings.Split(strings.TrimRight(m.tag, "."), ".") {
			if m.tag != "" && strings.Trim(m.tag, ".") != "" {
				m.parts.v = append(m.parts.v, &Str{s: part, shared: true})
			}
		}
	}
	return m.parts
}

func (m *Env) tagPrefix() *Array {
	if m.prefix == nil {
		m.prefix = &Array{shared: true}
		text := ""
		for i, part := range m.tagParts().v {
			if i > 0 {
				text += "."
			}
			text += part.(*Str).s
			m.prefix.v = append(m.prefix.v, &Str{s: text, shared: true})
		}
	}
	return m.prefix
}

func (m *Env) tagSuffix() *Array {
	if m.suffix == nil {
		parts := m.tagParts().v
		m.suffix = &Array{v: make([]Value, len(parts)), shared: true}
		text := ""
		for i := len(parts) - 1; i >= 0; i-- {
			if text != "" || i < len(parts)-1 {
				text = "." + text
			}
			text = parts[i].(*Str).s + text
			m.suffix.v[i] = &Str{s: text, shared: true}
		}
	}
	return m.suffix
}
