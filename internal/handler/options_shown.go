package handler

import (
	"net/url"
	"strings"
)

// shownURL is an address as logs and /readyz may show it: without the password that
// it may hold for a receiver with <auth>.
func shownURL(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return "an address that is no URL"
	}
	return u.Redacted()
}

func shownURLs(addresses []string) string {
	shown := make([]string, len(addresses))
	for i, a := range addresses {
		shown[i] = shownURL(a)
	}
	return strings.Join(shown, ",")
}

// shown is the relay's address for logs and /readyz.
func (r *relay) shown() string { return shownURL(r.url) }
