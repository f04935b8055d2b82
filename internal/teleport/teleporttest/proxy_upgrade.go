package teleporttest

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gravitational/teleport/api/constants"
)

// upgrade turns a request into a web socket whose binary frames are one stream.
// What speaks in it first is TLS with the cluster's certificate: the one that the
// client saw before was the load balancer's.
func (p *Proxy) upgrade(c net.Conn, in *bufio.Reader, req *http.Request) {
	const protocol = constants.WebAPIConnUpgradeTypeALPNPing
	if p.opts.Way != Upgrade || req.Header.Get("Sec-WebSocket-Protocol") != protocol {
		answer(c, http.StatusNotFound, nil, nil)
		return
	}
	answer(c, http.StatusSwitchingProtocols, http.Header{
		"Upgrade": {constants.WebAPIConnUpgradeTypeWebSocket}, "Connection": {constants.WebAPIConnUpgradeConnectionType},
		"Sec-Websocket-Protocol": {protocol}, "Sec-Websocket-Accept": {acceptKey(req.Header.Get("Sec-WebSocket-Key"))},
	}, nil)
	socket := &webSocket{Conn: c, in: in}
	secure, ok := p.handshake(socket, p.auth.certs.server, []string{constants.ALPNSNIProtocolReverseTunnel})
	if ok && secure.ConnectionState().NegotiatedProtocol != "" {
		p.serveSSH(secure)
	}
}

// webSocket is the server's end of a stream in binary frames.
type webSocket struct {
	net.Conn
	in *bufio.Reader

	rest    []byte // of the frame that was read last
	writing sync.Mutex
}

func (s *webSocket) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		frame, err := ws.ReadFrame(s.in)
		if err != nil {
			return 0, err
		}
		switch frame.Header.OpCode {
		case ws.OpClose:
			return 0, io.EOF
		case ws.OpBinary:
			s.rest = ws.UnmaskFrameInPlace(frame).Payload
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *webSocket) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := ws.WriteFrame(s.Conn, ws.NewBinaryFrame(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// acceptKey is RFC 6455's proof that a web socket was understood.
func acceptKey(challenge string) string {
	sum := sha1.Sum([]byte(challenge + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
