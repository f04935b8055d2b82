package teleport

import (
	"context"
	"strings"

	"github.com/gravitational/trace"
)

// dialFailure is unavailable by kind: no way led to an Auth service.
type dialFailure struct {
	reason string
	report error // the module's, of many lines
}

func (e *dialFailure) Error() string { return e.reason }
func (e *dialFailure) Unwrap() error { return e.report }

// dialError makes one readable line of the module's report about five ways to
// connect, most of which were never meant to lead anywhere. A report without a
// reason that is known is told whole.
func dialError(ctx context.Context, cfg Config, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	auth, others := waysOf(err)
	reason := explain(auth, others, cfg.Identity == "")
	if reason == "" {
		return &dialFailure{plain{err}.Error(), err}
	}
	cfg.Log.Debug("No way led to Teleport", "addr", cfg.Addr, "report", plain{err}.Error())
	return &dialFailure{reason, err}
}

// waysOf splits a report: what the address answered as an Auth service, and as a
// proxy of any kind.
func waysOf(err error) (auth string, others []string) {
	all, ok := trace.Unwrap(err).(trace.Aggregate)
	if !ok {
		return "", nil
	}
	for _, e := range all.Errors() {
		text := oneLine(trace.UserMessage(e))
		if strings.Contains(text, "as an auth server") {
			auth = text
		} else {
			others = append(others, text)
		}
	}
	return auth, others
}

const (
	unknownAuthority = "signed by unknown authority"
	otherCluster     = "the credentials are of another cluster, or older than its CA: sign new ones at the cluster of this address (tctl auth sign)"
)

// explain names the reason and its cure; "" when there is none that it knows. How
// the address answers as an Auth service tells what it is: the name in a certificate
// is checked before its authority, and no web server has that name.
func explain(auth string, others []string, pair bool) string {
	has := func(words ...string) bool { return hasAll(others, words...) }
	switch {
	case strings.Contains(auth, unknownAuthority):
		return "an Auth service answers, but with a certificate that no CA of the credentials has signed; " + otherCluster
	case strings.Contains(auth, "dial tcp") || strings.Contains(auth, "certificate has expired"):
		return innermost(auth) + networkHint(auth)
	case pair && auth != "":
		return "no Auth service answers there (" + innermost(auth) + "); through a proxy only an identity file leads, which cert, key and ca can not replace (tctl auth sign --out=FILE, or tbot)"
	case has("no authorities for hostname"):
		return "a proxy answers, but with an SSH certificate that no CA of the identity file has signed; " + otherCluster
	case has("connection upgrade", unknownAuthority) && !has("/webapi/find", unknownAuthority):
		return "a proxy answers, but with a certificate that no CA of the identity file has signed; " + otherCluster
	case has("unable to authenticate"):
		return "a proxy answers, but does not take the identity file; " + otherCluster
	case has("/webapi/find", "failed to verify certificate"):
		return "a proxy may answer, but its web certificate is not trusted here (" + innermost(find(others, "failed to verify certificate")) + "); have its authority among the system's certificates, or in a file that SSL_CERT_FILE names"
	}
	return ""
}

// networkHint is what to look at when nobody answers, on a line of its own.
func networkHint(reason string) string {
	switch {
	case strings.Contains(reason, "connection refused"):
		return "\n  hint: is the address right, and does the cluster run?"
	case strings.Contains(reason, "no such host"):
		return "\n  hint: is the address right?"
	case strings.Contains(reason, "i/o timeout"):
		return "\n  hint: is the address right, and does a firewall let this machine through?"
	}
	return ""
}

// hasAll reports that one of the texts has all of the words.
func hasAll(texts []string, words ...string) bool {
	return find(texts, words...) != ""
}

func find(texts []string, words ...string) string {
next:
	for _, text := range texts {
		for _, word := range words {
			if !strings.Contains(text, word) {
				continue next
			}
		}
		return text
	}
	return ""
}

// innermost leaves out what gRPC and the module have put before a reason.
func innermost(text string) string {
	for _, before := range []string{`desc = "`, "Error while dialing: ", "failed to dial: ", "authentication handshake failed: ", "tls: failed to verify certificate: "} {
		if i := strings.LastIndex(text, before); i >= 0 {
			text = text[i+len(before):]
		}
	}
	text, _, _ = strings.Cut(text, " (possibly because of") // what else was tried
	return strings.TrimRight(text, `",`)
}
