package tlsconf

import (
	"errors"
	"time"
)

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	if c.keepsOwn(t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	if c.keepsOwn(t) {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// keepsOwn reports whether a handshake under way goes on by its own deadline. One
// in the past wakes whoever reads, writes or waits for a turn. The caller holds mu.
func (c *conn) keepsOwn(t time.Time) bool {
	if !c.shaking {
		return false
	}
	if isPast(t) {
		c.gate.giveUp()
		return false
	}
	return true
}

func isPast(t time.Time) bool { return !t.IsZero() && !t.After(time.Now()) }

func (c *conn) beginDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shaking = true
	if !isPast(c.read) && !isPast(c.write) {
		_ = c.Conn.SetDeadline(time.Now().Add(handshakeTimeout))
	}
}

func (c *conn) endDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shaking = false
	_, _ = c.Conn.SetReadDeadline(c.read), c.Conn.SetWriteDeadline(c.write)
}
