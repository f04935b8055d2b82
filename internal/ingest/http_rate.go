package ingest

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sluicelog/sluice/internal/tlsconf"
)

// rates counts the requests of each client: by the subject of its certificate, else
// by its <auth> section, else by its address.
type rates struct {
	perSecond float64
	burst     int

	mu      sync.Mutex
	clients map[string]*rate.Limiter
	others  *rate.Limiter // shared by all who come when the map is full
}

// maxClients bounds the map; whoever has many addresses must not fill the memory.
const maxClients = 10_000

// allow takes one request of a client's, or says when the next one may come.
func (s *rates) allow(client string, now time.Time) (wait time.Duration, ok bool) {
	if s.perSecond <= 0 {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.of(client, now)
	if l.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - l.TokensAt(now)
	return time.Duration(missing / s.perSecond * float64(time.Second)), false
}

func (s *rates) of(client string, now time.Time) *rate.Limiter {
	if l, ok := s.clients[client]; ok {
		return l
	}
	if len(s.clients) >= maxClients {
		s.forget(now)
	}
	if len(s.clients) >= maxClients {
		if s.others == nil {
			s.others = s.limiter()
		}
		return s.others
	}
	if s.clients == nil {
		s.clients = map[string]*rate.Limiter{}
	}
	l := s.limiter()
	s.clients[client] = l
	return l
}

func (s *rates) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(s.perSecond), s.size())
}

func (s *rates) size() int { return max(s.burst, int(s.perSecond), 1) }

// forget drops the clients who have not asked for a while: a new entry says the same.
func (s *rates) forget(now time.Time) {
	for client, l := range s.clients {
		if l.TokensAt(now) >= float64(s.size()) {
			delete(s.clients, client)
		}
	}
}

// networkOf is a client's address, or its network where one client has many: an
// IPv6 address's first 64 bits.
func networkOf(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		prefix, _ := ip.Prefix(64)
		return prefix.String()
	}
	return ip.String()
}

// admit lets known clients in, as often as they may come. Probes (GET) and a
// browser's preflight carry no secret and take nothing.
func (in *inHTTP) admit(next http.Handler) http.Handler {
	if len(in.auth.rules) == 0 && in.rates.perSecond <= 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, rule := in.clientOf(r)
		known := client != ""
		if !known {
			client = "address " + networkOf(r.RemoteAddr)
		}
		if wait, ok := in.rates.allow(client, time.Now()); !ok {
			in.turnAway(w, wait)
			return
		}
		if !known && len(in.auth.rules) > 0 && r.Method != http.MethodGet && r.Method != http.MethodOptions {
			in.counts.refused(http.StatusUnauthorized, "credentials")
			in.auth.challenge(w.Header())
			answerText(w, http.StatusUnauthorized, "401 Unauthorized\n")
			return
		}
		if rule != nil && r.Method != http.MethodGet && !rule.maySend(in.tag(r.RequestURI)) {
			in.counts.refused(http.StatusForbidden, "tag")
			answerText(w, http.StatusForbidden, "403 Forbidden\nthe client may not send this tag: tag_prefix in its <auth> section\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientOf is a name for a client that has proved who it is, else "".
func (in *inHTTP) clientOf(r *http.Request) (string, *authRule) {
	if peer := tlsconf.PeerOf(connOf(r)); peer != nil {
		return "certificate " + peer.Subject, nil
	}
	if header := r.Header.Get("Authorization"); header != "" && len(in.auth.rules) > 0 {
		if rule := in.auth.find(header, time.Now()); rule != nil {
			return "auth " + rule.name, rule
		}
	}
	return "", nil
}

func (in *inHTTP) turnAway(w http.ResponseWriter, wait time.Duration) {
	in.counts.refused(http.StatusTooManyRequests, "rate limit")
	seconds := int((wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
	answerText(w, http.StatusTooManyRequests, "429 Too Many Requests\n")
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header()["Content-Type"] = plainText
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
