package ingest

import (
	"container/list"
	"net"
	"sync"
)

// door holds the number of connections of a source. When all places are taken,
// whoever has been there longest without a whole request or message makes room: a
// crowd that connects and never speaks keeps nobody out. When all have spoken, the
// next one waits, and behind it others in the system's accept queue.
type door struct {
	most    int // 0: any number
	crowded func()

	mu     sync.Mutex
	left   sync.Cond
	open   int
	fresh  list.List // of *guest that have sent nothing whole so far, oldest first
	closed bool
}

// guest is a connection that has a place, as the door knows it. The door guards it.
type guest struct {
	net.Conn
	inside bool // it has a place, and
	place  *list.Element
}

func newDoor(most int, crowded func()) *door {
	d := &door{most: most, crowded: crowded}
	d.left.L = &d.mu
	return d
}

// enter takes a place for c, and waits for one if it must. It is false when the
// listener was closed meanwhile.
func (d *door) enter(c *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.most > 0 && d.open >= d.most && !d.closed {
		oldest := d.fresh.Front()
		if oldest == nil {
			d.left.Wait()
			continue
		}
		victim := oldest.Value.(*guest)
		d.leaveLocked(victim)
		d.mu.Unlock()
		d.crowded()
		_ = victim.Conn.Close()
		d.mu.Lock()
	}
	if d.most > 0 && d.open >= d.most {
		return false
	}
	// A closed listener may have accepted one more, which would wait for an answer.
	d.open++
	c.place = d.fresh.PushBack(c)
	c.inside = true
	return true
}

// known says that c has sent something whole: it is no longer the first to go.
func (d *door) known(c *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.place != nil {
		d.fresh.Remove(c.place)
		c.place = nil
	}
}

func (d *door) leave(c *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaveLocked(c)
}

func (d *door) leaveLocked(c *guest) {
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
