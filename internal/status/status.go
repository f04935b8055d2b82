// Package status is what can be asked of a running relay: a snapshot of each
// plugin, and what keeps it from working. The admin API, monitor_agent and
// /readyz all read it here.
package status

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Plugin is a snapshot of one plugin, with the names that monitor_agent uses.
type Plugin struct {
	ID                    string
	Category              string // input, filter, output
	Type                  string
	Config                map[string]string // secrets masked
	Output                *Output           // nil for inputs and filters
	EmitRecords, EmitSize *int64            // inputs that count
}

// Output is the numbers of an output; those of its buffer are zero when it has none.
type Output struct {
	Buffered                             bool
	StageLength, QueueLength             int
	StageBytes, QueueBytes, TotalLimit   int64
	StageEvents, QueueEvents             int64
	Timekeys                             []int64
	RetryCount, EmitCount, EmitRecords   int64
	EmitSize, WriteCount, WriteSecondary int64
	RollbackCount, SlowFlushCount        int64
	FlushTimeMs, DropOldestChunkCount    int64
	NumErrors                            int64
	Retry                                *Retry
	OldestUnflushedSeconds               float64
}

// Retry is a retry in progress.
type Retry struct {
	Start, NextTime int64 // Unix seconds
	Steps           int
}

// AvailableRatio is how much of the buffer's limit is free, 0 to 1.
func (o *Output) AvailableRatio() float64 {
	if o.TotalLimit <= 0 {
		return 1
	}
	return max(0, 1-float64(o.StageBytes+o.QueueBytes)/float64(o.TotalLimit))
}

// Reporter gives a snapshot of a plugin.
type Reporter interface{ Status() Plugin }

// Problem is a reason why the relay is not ready, in words that name the cure.
type Problem struct {
	Plugin string `json:"plugin"`
	Reason string `json:"reason"`
}

// Board collects the reporters and readiness checks of a pipeline.
type Board struct {
	mu        sync.Mutex
	reporters []Reporter
	checks    []check
	labels    []label
	maxAge    time.Duration
}

// label is put on all metrics whose names begin with prefix.
type label struct{ prefix, name, value string }

type check struct {
	plugin string
	ready  func() error
}

// Report adds a plugin to the board.
func (b *Board) Report(r Reporter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reporters = append(b.reporters, r)
}

// Check adds a readiness check; ready returns why the plugin can not work now.
func (b *Board) Check(plugin string, ready func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checks = append(b.checks, check{plugin, ready})
}

// Label puts a label on the metrics of the board whose names begin with prefix;
// of several with one name the last counts.
func (b *Board) Label(prefix, name, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.labels = slices.DeleteFunc(b.labels, func(l label) bool { return l.prefix == prefix && l.name == name })
	b.labels = append(b.labels, label{prefix, name, value})
}

// labelsOf is the names and values of the labels of a metric.
func (b *Board) labelsOf(metric string) (names, values []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.labels {
		if strings.HasPrefix(metric, l.prefix) {
			names, values = append(names, l.name), append(values, l.value)
		}
	}
	return names, values
}

// Plugins is a snapshot of all plugins, in the order of the configuration.
func (b *Board) Plugins() []Plugin {
	b.mu.Lock()
	reporters := slices.Clone(b.reporters)
	b.mu.Unlock()
	plugins := make([]Plugin, len(reporters))
	for i, r := range reporters {
		plugins[i] = r.Status()
	}
	return plugins
}

// MaxAge is how old the oldest event of an output may get before the relay is not
// ready any more; 0 is any age.
func (b *Board) MaxAge(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.maxAge = d
}

// overdue is the outputs whose events have waited for longer than maxAge.
func (b *Board) overdue(maxAge time.Duration) []Problem {
	if maxAge <= 0 {
		return nil
	}
	var problems []Problem
	for _, p := range b.Plugins() {
		if p.Output == nil || p.Output.OldestUnflushedSeconds <= maxAge.Seconds() {
			continue
		}
		age := time.Duration(p.Output.OldestUnflushedSeconds * float64(time.Second)).Round(time.Second)
		problems = append(problems, Problem{p.ID, fmt.Sprintf("its oldest event has waited for %s, longer than ready_max_age %s", age, maxAge)})
	}
	return problems
}

// Problems is why the relay is not ready; none when it is.
func (b *Board) Problems() []Problem {
	b.mu.Lock()
	checks, maxAge := slices.Clone(b.checks), b.maxAge
	b.mu.Unlock()
	var problems []Problem
	for _, c := range checks {
		if err := c.ready(); err != nil {
			problems = append(problems, Problem{c.plugin, err.Error()})
		}
	}
	return append(problems, b.overdue(maxAge)...)
}
