package ingest

import "net"

// forwardDoor is the listener of a forward source, below TLS, that lets so many in
// as the door has places.
type forwardDoor struct {
	net.Listener
	door *door
}

// forwardGuest is a connection that gives its place back when it closes.
type forwardGuest struct {
	guest
	door *door
}

// Accept implements net.Listener.
func (l *forwardDoor) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &forwardGuest{guest: guest{Conn: inner}, door: l.door}
	if !l.door.enter(&c.guest) {
		_ = inner.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener.
func (l *forwardDoor) Close() error {
	l.door.close()
	return l.Listener.Close()
}

// Close implements net.Conn.
func (c *forwardGuest) Close() error {
	c.door.leave(&c.guest)
	return c.Conn.Close()
}

// CloseWrite lets TLS say good-bye in order.
func (c *forwardGuest) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// spoke tells the door that a connection has sent something whole.
func spoke(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if c, ok := conn.(*forwardGuest); ok {
		c.door.known(&c.guest)
	}
}
