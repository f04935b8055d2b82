package handler

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/s3state"
)

// share is a state that several handlers have in common: it lies in a bucket, and
// one of them works on it. A nil share is a state that is a local folder, and
// allows everything.
//
// The worker keeps the state in a folder of its own, as it would without a
// bucket, and every few seconds puts it into the bucket, whole and in one
// conditional write that renews the lease as well. Only then does the relay learn
// what it may forget. So whoever takes over begins at a state that was true a few
// seconds ago, sends what came after it again, and the relay knows those events.
type share struct {
	lease  *lease
	folder *sharedFolder
	ttl    time.Duration
	log    *slog.Logger
	health *health

	last  []sharedFile  // of the last manifest
	wrote time.Duration // when that was, by the lease's clock
	held  bool          // the lease was ours
	whole bool          // the folder holds all of the state
	rest  func()        // ends what keep began

	published *publications

	// What is shared, known once it was read.
	identity *identity
	still    func(func() error) error // runs while no progress is written
	wg       sync.WaitGroup
}

// joinShare waits until this process may work on the shared state, and brings it
// into dir. For a local state it returns nil at once.
func (c *StartCmd) joinShare(ctx context.Context, dir string, h *handler) (*share, error) {
	if !c.shared() {
		return nil, nil
	}
	store, err := s3state.Open(ctx, c.Storage)
	if err != nil {
		return nil, err
	}
	name, err := folderName(c.TeleportAddr)
	if err != nil {
		return nil, err
	}
	s := newShare(store.Below(name), dir, c.TakeoverAfter, h.log)
	s.health = h.health
	if err := s.prove(ctx, store.Below(name)); err != nil {
		return nil, err
	}
	return s, s.join(ctx)
}

// shared reports that the state lies in a bucket; a dry run keeps none.
func (c *StartCmd) shared() bool { return s3state.Is(c.Storage) && !c.DryRun }

// newShare divides the time within which another goes on: a waiter that has seen
// nothing for four fifths of it takes over, which leaves the rest for looking,
// reading the state and connecting.
func newShare(b blockBucket, dir string, takeover time.Duration, log *slog.Logger) *share {
	ttl := takeover * 4 / 5
	l := newLease(b, ttl, log)
	s := &share{
		lease: l, ttl: ttl, log: log, health: newHealth(),
		folder: &sharedFolder{dir: dir, bucket: b, mark: l.holder[:12], cache: map[string]cachedFile{}, stored: map[string]bool{}},
		still:  func(f func() error) error { return f() },
		rest:   func() {},

		published: newPublications(),
	}
	return s
}

// renew writes the last manifest again when it is time to.
func (s *share) renew(ctx context.Context) error {
	if s.lease.clock()-s.wrote < s.publishEvery() {
		return nil
	}
	return s.write(ctx, s.last, false)
}

func (s *share) write(ctx context.Context, files []sharedFile, release bool) error {
	began := s.lease.clock()
	if err := s.lease.write(ctx, files, release); err != nil {
		return err
	}
	s.last, s.wrote = files, began
	return nil
}

// prover is a store that can show whether it writes on condition.
type prover interface {
	Prove(ctx context.Context, key string) error
}

// prove refuses a store that would let two write.
func (s *share) prove(ctx context.Context, store prover) error {
	const part = "shared state"
	for attempt := 0; ; attempt++ {
		err := store.Prove(ctx, "proof-"+s.lease.holder)
		if err == nil {
			s.health.ok(part)
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, s3state.ErrUnconditional) {
			return err
		}
		err = withCredentialsCure(err)
		s.health.failing(part, err)
		if s.health.due(part) {
			s.log.Warn("Failed to reach the shared state, will try again", "error", err)
		}
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// withCredentialsCure says where credentials come from when there are none.
func withCredentialsCure(err error) error {
	if !strings.Contains(err.Error(), "get credentials") {
		return err
	}
	return fmt.Errorf("%w; give some by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine or container", err)
}

// join waits for the lease and fetches the state. From then on until the first
// publication the lease is renewed by itself: one slow answer of the store, or the
// way to Teleport, may take longer than it lasts.
func (s *share) join(ctx context.Context) error {
	m, err := s.lease.acquire(ctx)
	if err != nil {
		return err
	}
	s.last, s.wrote, s.held = m.Files, s.lease.clock(), true
	fetching := s.keep(ctx)
	err = s.folder.adopt(fetching)
	if err == nil {
		err = s.folder.fetch(fetching, m.Files)
	}
	if cause := context.Cause(fetching); errors.Is(cause, errStale) {
		return cause
	}
	s.whole = err == nil
	return err
}

// keep renews the lease until rest is called. The context that it returns ends with
// [errStale] when the lease is lost.
func (s *share) keep(ctx context.Context) context.Context {
	ctx, end := context.WithCancelCause(ctx)
	keeping, cease := context.WithCancel(context.WithoutCancel(ctx)) // a stop lets go in order
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.renewing(keeping); err != nil {
			end(err)
		}
	})
	s.rest = sync.OnceFunc(func() {
		cease()
		wg.Wait()
		end(nil)
		s.folder.renew = s.renew // from here on whoever puts the state does it
	})
	return ctx
}

func (s *share) renewing(ctx context.Context) error {
	for sleep(ctx, s.publishEvery()) == nil {
		err := s.write(ctx, s.last, false)
		if errors.Is(err, errStale) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("Failed to renew the lease of the shared state, will try again", "error", err)
		}
	}
	return nil
}

// begin names what is shared.
func (s *share) begin(audit *auditSource, id *identity, dead *deadLetters, h *health) {
	if s == nil {
		return
	}
	s.identity, s.still, s.health = id, audit.still, h
	dead.keep = s.keepLetter
}

// still runs f while no progress is written.
func (a *auditSource) still(f func() error) error {
	a.saving.Lock()
	defer a.saving.Unlock()
	return f()
}

// permit waits until posting is allowed.
func (s *share) permit(ctx context.Context) error {
	if s == nil {
		return nil
	}
	return s.lease.permit(ctx)
}

// lead publishes the new generation, before anything is posted under it, and goes
// on publishing until stop is called. The context that it returns ends with
// [errStale] when another handler has taken over.
func (s *share) lead(ctx context.Context) (leading context.Context, stop func(), err error) {
	if s == nil {
		return ctx, func() {}, nil
	}
	if err := s.publish(ctx, false); err != nil {
		return nil, nil, err
	}
	leading, end := context.WithCancelCause(ctx)
	// Posts go on for a while after ctx has ended, and so must the lease.
	publishing, cease := context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() {
		if err := s.keepPublishing(publishing); err != nil {
			end(err)
		}
	})
	return leading, func() { cease(); s.wg.Wait(); end(nil) }, nil
}

// publishEvery is how often the state is put.
func (s *share) publishEvery() time.Duration { return min(s.ttl/8, 5*time.Second) }

func (s *share) keepPublishing(ctx context.Context) error {
	tick := time.NewTicker(s.publishEvery())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.published.hurry:
		}
		err := s.publish(ctx, false)
		switch {
		case errors.Is(err, errStale):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.health.failing("shared state", err)
			s.log.Warn("Failed to write the shared state, will try again", "error", err)
		default:
			s.health.ok("shared state")
		}
	}
}

// publish puts the state of this moment into the bucket.
func (s *share) publish(ctx context.Context, release bool) error {
	s.rest()
	asked := s.published.latest()
	var all []content
	var forget uint64
	err := s.still(func() (err error) {
		if s.identity != nil {
			forget = s.identity.written()
		}
		all, err = s.folder.read()
		return err
	})
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	files, err := s.folder.store(ctx, all)
	if err != nil {
		return err
	}
	if err := s.write(ctx, files, release); err != nil {
		return err
	}
	s.published.fulfil(asked)
	if s.identity != nil {
		s.identity.published(forget)
	}
	if release {
		s.folder.renew = nil // it is another's now
	}
	if err := s.folder.sweep(ctx, files); err != nil {
		s.log.Warn("Failed to remove old parts of the shared state, the next start will", "error", err)
	}
	return nil
}

// releaseTime bounds the last write: without it the other one waits longer.
const releaseTime = 5 * time.Second

// leave publishes what was done last and lets go, so that another can begin at
// once.
func (s *share) leave(ctx context.Context) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := s.release(ctx); err != nil && !errors.Is(err, errStale) {
		s.log.Warn("Failed to release the shared state, another handler has to wait for it", "error", err)
	}
}

// release lets go with the state of the folder; of one that was not fetched whole,
// with the state as it was found.
func (s *share) release(ctx context.Context) error {
	s.rest()
	switch {
	case s.whole:
		return s.publish(ctx, true)
	case s.held:
		return s.write(ctx, s.last, true)
	}
	return nil
}

// letterFolder is where dead letters lie in the bucket, one line in each.
const letterFolder = "dead-letters"

// keepLetter stores a dead letter, for as long as we hold the lease. Its time
// stands in front of its name, so that they list in order.
func (s *share) keepLetter(line []byte) error {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	name := letterFolder + "/" + time.Now().UTC().Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(random[:]) + ".jsonl"
	ctx, cancel := context.WithTimeout(context.Background(), s.ttl)
	defer cancel()
	for attempt := 0; ; attempt++ {
		if err := s.lease.permit(ctx); err != nil {
			return err
		}
		_, err := s.folder.bucket.Put(ctx, name, line, "")
		if err == nil || errors.Is(err, s3state.ErrChanged) { // an earlier try did it
			return nil
		}
		if stopped := sleep(ctx, backoff(attempt)); stopped != nil {
			return err
		}
	}
}
