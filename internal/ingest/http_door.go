package ingest

import (
	"container/list"
	"net"
	"sync"
)

// door holds the number of connections of an http source. When all places are
// taken, whoever has been there longest without a whole request makes room: a crowd
// that connects and never speaks keeps nobody out. When all have spoken, the next
// one waits, and behind it others in the system's accept queue.
type door struct {
	most    int // 0: any number
	crowded func()

	mu     sync.Mutex
	left   sync.Cond
	open   int
	fresh  list.List // of *httpConn without a request so far, oldest first
	closed bool
}

func newDoor(most int, crowded func()) *door {
	d := &door{most: most, crowded: crowded}
	d.left.L = &d.mu
	return d
}

// enter takes a place for c, and waits for one if it must. It is false when the
// listener was closed.
func (d *door) enter(c *httpConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.most > 0 && d.open >= d.most && !d.closed {
		oldest := d.fresh.Front()
		if oldest == nil {
			d.left.Wait()
			continue
		}
		victim := oldest.Value.(*httpConn)
		d.leaveLocked(victim)
		d.mu.Unlock()
		d.crowded()
		_ = victim.Conn.Close()
		d.mu.Lock()
	}
	if d.closed {
		return false
	}
	d.open++
	c.place = d.fresh.PushBack(c)
	c.inside = true
	return true
}

// known says that c has sent a whole head: it is no longer the first to go.
func (d *door) known(c *httpConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.place != nil {
		d.fresh.Remove(c.place)
		c.place = nil
	}
}

func (d *door) leave(c *httpConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaveLocked(c)
}

func (d *door) leaveLocked(c *httpConn) {
	if !c.inside {
		return
	}
	c.inside = false
	d.open--
	if c.place != nil {
		d.fresh.Remove(c.place)
		c.place = nil
	}
	d.left.Signal()
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.left.Broadcast()
}

// Accept implements net.Listener.
func (l *watched) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &httpConn{Conn: inner, door: l.door, inHead: true, loan: loan{memory: l.memory}, keepsHead: l.keepsHead, patience: l.patience, refused: l.refused}
	if !l.door.enter(c) {
		_ = inner.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener.
func (l *watched) Close() error {
	l.door.close()
	return l.Listener.Close()
}
