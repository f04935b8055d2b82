package torture

import (
	"errors"
	"sync"
	"time"
)

var (
	errAway   = errors.New("store: 503")
	errExists = errors.New("store: 412")
	errAbsent = errors.New("store: 404")
)

// store is S3 as far as the promise needs it: a PUT with If-None-Match, and HEAD.
// An object that is there is never overwritten.
type store struct {
	dice *dice
	wg   sync.WaitGroup // requests whose client has gone

	mu      sync.Mutex
	down    bool
	flaky   int // one request in this many goes wrong; 0 is none
	objects map[string]object
}

type object struct {
	owner string // the chunk's id
	body  string
}

func newStore(seed uint64) *store {
	return &store{dice: newDice(seed, 4), objects: map[string]object{}}
}

func (s *store) set(down bool, flaky int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.flaky = down, flaky
}

func (s *store) mood() (down, wrong bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down, s.flaky > 0 && s.dice.oneIn(s.flaky)
}

// putTimeout is when a client gives up; the request may arrive all the same.
const putTimeout = 5 * time.Second

func (s *store) put(key string, o object) error {
	return s.ask(func() error { return s.putOnce(key, o) })
}

// ask runs a request and gives up on one that is too slow.
func (s *store) ask(request func() error) error {
	answer := make(chan error, 1)
	s.wg.Go(func() { answer <- request() })
	select {
	case err := <-answer:
		return err
	case <-time.After(putTimeout):
		return errNetwork
	}
}

func (s *store) putOnce(key string, o object) error {
	time.Sleep(s.dice.upTo(100 * time.Millisecond))
	down, wrong := s.mood()
	if down {
		return errAway
	}
	how := s.dice.n(4)
	if wrong && how == 0 {
		return errAway
	}
	if wrong && how == 1 {
		time.Sleep(s.dice.upTo(30 * time.Second)) // late
	}
	s.mu.Lock()
	_, there := s.objects[key]
	if !there {
		s.objects[key] = o
	}
	s.mu.Unlock()
	time.Sleep(s.dice.upTo(50 * time.Millisecond))
	switch {
	case wrong && how == 2:
		return errNetwork // stored, and nobody hears of it
	case wrong && how == 3:
		return errAway // stored, and the answer says no
	case there:
		return errExists
	}
	return nil
}

func (s *store) head(key string) (owner string, err error) {
	err = s.ask(func() error {
		time.Sleep(s.dice.upTo(20 * time.Millisecond))
		if down, wrong := s.mood(); down || wrong {
			return errAway
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, there := s.objects[key]
	if !there {
		return "", errAbsent
	}
	return o.owner, nil
}
