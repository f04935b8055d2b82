package teleporttest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gravitational/teleport/api/client/webclient"
	"github.com/gravitational/teleport/api/constants"
)

// handshakeTime is what a client may take until the proxy knows what it wants.
const handshakeTime = 20 * time.Second

// serveWeb is the web port: HTTPS, and SSH where TLS routing leads there.
func (p *Proxy) serveWeb(c net.Conn) {
	// h2 is offered as by a real proxy, so that a client that takes it for an Auth
	// service fails by its certificate. Nobody ever speaks it here.
	protocols := []string{"h2", "http/1.1"}
	switch p.opts.Way {
	case TLSRouting:
		protocols = append(protocols, constants.ALPNSNIProtocolReverseTunnel)
	case Upgrade:
		protocols = nil // the load balancer's
	}
	secure, ok := p.handshake(c, p.web, protocols)
	if !ok {
		return
	}
	switch secure.ConnectionState().NegotiatedProtocol {
	case constants.ALPNSNIProtocolReverseTunnel:
		p.serveSSH(secure)
	case "", "http/1.1":
		p.serveHTTP(secure)
	}
}

func (p *Proxy) handshake(c net.Conn, cert *tls.Certificate, protocols []string) (*tls.Conn, bool) {
	secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: protocols, MinVersion: tls.VersionTLS12})
	_ = c.SetDeadline(time.Now().Add(handshakeTime))
	err := secure.Handshake()
	_ = c.SetDeadline(time.Time{})
	return secure, err == nil
}

// serveHTTP answers one request.
func (p *Proxy) serveHTTP(c net.Conn) {
	in := bufio.NewReader(c)
	_ = c.SetReadDeadline(time.Now().Add(handshakeTime))
	req, err := http.ReadRequest(in)
	_ = c.SetReadDeadline(time.Time{})
	if err != nil {
		return
	}
	switch req.URL.Path {
	case "/webapi/find", "/webapi/ping":
		text, _ := json.Marshal(p.about()) // it has no value that JSON lacks
		answer(c, http.StatusOK, http.Header{"Content-Type": {"application/json"}}, text)
	case constants.WebAPIConnUpgrade:
		p.upgrade(c, in, req)
	default:
		answer(c, http.StatusNotFound, nil, nil)
	}
}

func answer(w io.Writer, status int, header http.Header, body []byte) {
	resp := http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Close: status != http.StatusSwitchingProtocols,
	}
	_ = resp.Write(w) // a client that has gone asks no more
}

// about is what a proxy tells whoever asks how to get through it.
func (p *Proxy) about() webclient.PingResponse {
	web := p.Addr()
	r := webclient.PingResponse{ClusterName: p.auth.opts.Cluster, ServerVersion: "17.2.1"}
	r.Proxy.TLSRoutingEnabled = p.opts.Way == TLSRouting || p.opts.Way == Upgrade
	r.Proxy.SSH = webclient.SSHProxySettings{ListenAddr: "0.0.0.0:3023", TunnelListenAddr: "0.0.0.0:3024", WebListenAddr: web, PublicAddr: web}
	if p.opts.Way == Tunnel {
		r.Proxy.SSH.TunnelPublicAddr = p.public(&p.tunnel)
	}
	return r
}
