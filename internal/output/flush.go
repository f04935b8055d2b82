package output

import (
	"time"

	"github.com/sluicelog/sluice/internal/param"
)

// Flush is the part of <buffer> that says when a chunk leaves; what is kept, and
// how, is buffer.Config's. Names, defaults and meaning are Fluentd's.
type Flush struct {
	Mode                 string
	modeSet              bool
	Interval             time.Duration
	intervalSet          bool
	Threads              int
	ThreadInterval       time.Duration
	BurstInterval        time.Duration
	AtShutdown           bool
	atShutdownSet        bool
	DelayedCommitTimeout time.Duration

	RetryType         string
	RetryWait         time.Duration
	RetryBase         float64
	RetryMaxInterval  time.Duration
	RetryRandomize    bool
	RetryTimeout      time.Duration
	RetryMaxTimes     int
	RetryForever      bool
	SecondaryFraction float64
}

// Params declares the parameters.
func (f *Flush) Params(p *param.Set) {
	p.String("flush_mode", &f.Mode, "default", "When chunks leave: lazy is by timekey or when full, interval is every flush_interval, immediate is at once; default is lazy with a timekey, else interval.").
		Enum("default", "lazy", "interval", "immediate").Present(&f.modeSet)
	p.Time("flush_interval", &f.Interval, 60*time.Second, "How old a chunk gets before it leaves, in mode interval.").Present(&f.intervalSet)
	p.Int("flush_thread_count", &f.Threads, 1, "How many chunks are written at the same time.")
	p.Time("flush_thread_interval", &f.ThreadInterval, time.Second, "Accepted; flush threads wake when there is something to do.")
	p.Time("flush_thread_burst_interval", &f.BurstInterval, time.Second, "Accepted; flush threads wake when there is something to do.")
	p.Bool("flush_at_shutdown", &f.AtShutdown, false, "Send everything before the relay stops; true by default for a memory buffer.").Present(&f.atShutdownSet)
	p.Time("delayed_commit_timeout", &f.DelayedCommitTimeout, 60*time.Second, "How long an output that answers later may take. As with Fluentd forward goes by its ack_response_timeout; the others know the answer when they have written.")
	p.String("retry_type", &f.RetryType, "exponential_backoff", "How waits between retries grow.").Enum("exponential_backoff", "periodic")
	p.Time("retry_wait", &f.RetryWait, time.Second, "Wait before the first retry.")
	p.Float("retry_exponential_backoff_base", &f.RetryBase, 2, "Each wait is this times the one before.")
	p.Time("retry_max_interval", &f.RetryMaxInterval, 0, "Longest wait between retries; 0 is no limit.")
	p.Bool("retry_randomize", &f.RetryRandomize, true, "Vary waits by an eighth.")
	p.Time("retry_timeout", &f.RetryTimeout, 72*time.Hour, "How long a chunk is retried before it goes to the secondary or the backup folder.").Alias("retry_limit_time")
	p.Int("retry_max_times", &f.RetryMaxTimes, -1, "How often a chunk is retried; -1 is until retry_timeout.")
	p.Bool("retry_forever", &f.RetryForever, false, "Never give a chunk up.")
	p.Float("retry_secondary_threshold", &f.SecondaryFraction, 0.8, "Part of retry_timeout after which <secondary> takes over.")
}

// resolve fixes what depends on the buffer: the mode, and the flush at shutdown.
func (f *Flush) resolve(timekeyed, memory bool) {
	if f.Mode == "default" {
		f.Mode = "interval"
		if timekeyed {
			f.Mode = "lazy"
		}
	}
	if !f.atShutdownSet {
		f.AtShutdown = memory
	}
	f.Threads = max(f.Threads, 1)
}

// check holds the rules between the parameters of Flush.
func (f *Flush) check() error {
	switch {
	case f.Mode == "lazy" && f.modeSet && f.intervalSet, f.Mode == "immediate" && f.intervalSet:
		return param.Errorf("flush_interval", "leave one of the two lines out", "'flush_interval' can't be specified when 'flush_mode' is not 'interval' explicitly: '%s'", f.Mode) // as Fluentd words it
	case f.SecondaryFraction <= 0 || f.SecondaryFraction > 1:
		return param.Errorf("retry_secondary_threshold", "", "%v must be above 0 and at most 1", f.SecondaryFraction)
	case f.RetryBase < 1:
		return param.Errorf("retry_exponential_backoff_base", "", "%v is below 1: waits would shrink", f.RetryBase)
	}
	return nil
}
