package ingest

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/internal/param"
)

// authRule is an <auth> section: clients that show a secret in place of a
// certificate. The secrets are kept as hashes only, and read again when their file
// changes.
type authRule struct {
	name                   string
	token, tokenPath       string
	username               string
	password, passwordPath string
	tags                   []string

	sums [][sha256.Size]byte // of what the header must hold behind its scheme
}

func (a *authRule) params(p *param.Set) {
	p.String("name", &a.name, "", "Name of the client in logs and for rate_limit; the username, or bearer, without it.")
	p.String("bearer_token", &a.token, "", `Token that the client sends as Authorization: Bearer; "#{ENV['TOKEN']}" takes it from the environment.`).Secret()
	p.String("bearer_token_path", &a.tokenPath, "", "File of tokens, one a line; any of them counts, so that they can be replaced one by one.")
	p.String("username", &a.username, "", "Name that the client sends as Authorization: Basic.")
	p.String("password", &a.password, "", "Password that goes with the name.").Secret()
	p.String("password_path", &a.passwordPath, "", "File of passwords, one a line; any of them counts.")
	p.Strings("tag_prefix", &a.tags, nil, "Tags that the client may send: these and what is below them. Any without it.")
}

// check holds that there is one secret.
func (a *authRule) check() error {
	secrets := 0
	for _, s := range []string{a.token, a.tokenPath, a.password, a.passwordPath} {
		if s != "" {
			secrets++
		}
	}
	switch {
	case secrets != 1:
		return param.Errorf("bearer_token_path", "write one <auth> section for each client", "<auth> needs one of bearer_token, bearer_token_path, password and password_path")
	case a.isBasic() != (a.username != ""):
		return param.Errorf("username", "", "username and password, or password_path, go together")
	case strings.Contains(a.username, ":"):
		return param.Errorf("username", "", "a name with a colon can not be told from its password")
	case a.name == "" && a.username != "":
		a.name = a.username
	case a.name == "":
		a.name = "bearer"
	}
	return nil
}

func (a *authRule) isBasic() bool { return a.password != "" || a.passwordPath != "" }

// load hashes the secrets.
func (a *authRule) load() error {
	text, path := []byte(a.token+a.password), a.tokenPath+a.passwordPath
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return fmt.Errorf("read secrets of <auth> %s: %w", a.name, err)
		}
	}
	var sums [][sha256.Size]byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		if a.isBasic() {
			line = append([]byte(a.username+":"), line...)
		}
		sums = append(sums, sha256.Sum256(line))
	}
	if len(sums) == 0 {
		return fmt.Errorf("read secrets of <auth> %s: %s holds none", a.name, path)
	}
	a.sums = sums
	return nil
}

// auths are the <auth> sections of a source.
type auths struct {
	rules []authRule
	log   *slog.Logger

	mu     sync.Mutex // guards sums of the rules, and
	looked time.Time
}

func (a *auths) check() error {
	for i := range a.rules {
		if err := a.rules[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// open reads the secrets; one that can not be read is an error.
func (a *auths) open(log *slog.Logger) error {
	a.log, a.looked = log, time.Now()
	for i := range a.rules {
		r := &a.rules[i]
		if err := r.load(); err != nil {
			name := "bearer_token_path"
			if r.isBasic() {
				name = "password_path"
			}
			return param.Errorf(name, "name a file that the relay may read and that holds one secret a line", "%w", err)
		}
	}
	return nil
}

// authInterval is how often the files are looked at.
const authInterval = 5 * time.Second

func (a *auths) refresh(now time.Time) {
	if now.Sub(a.looked) < authInterval {
		return
	}
	a.looked = now
	for i := range a.rules {
		if err := a.rules[i].load(); err != nil {
			a.log.Error("secrets can not be read again; what they were stays in use", "error", err)
		}
	}
}

// find is the rule whose secret the header holds. It takes the same time whichever
// secret is how wrong.
func (a *auths) find(header string, now time.Time) *authRule {
	scheme, credentials, _ := strings.Cut(header, " ")
	secret := []byte(strings.TrimSpace(credentials))
	basic := strings.EqualFold(scheme, "Basic")
	if basic {
		var err error
		if secret, err = base64.StdEncoding.DecodeString(string(secret)); err != nil {
			return nil
		}
	} else if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	sum := sha256.Sum256(secret)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refresh(now)
	var found *authRule
	for i := range a.rules {
		r := &a.rules[i]
		for _, want := range r.sums {
			if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 && r.isBasic() == basic {
				found = r
			}
		}
	}
	return found
}

// challenge says how to do better.
func (a *auths) challenge(head http.Header) {
	var bearer, basic bool
	for i := range a.rules {
		if a.rules[i].isBasic() {
			basic = true
		} else {
			bearer = true
		}
	}
	if bearer {
		head.Add("WWW-Authenticate", `Bearer realm="relay"`)
	}
	if basic {
		head.Add("WWW-Authenticate", `Basic realm="relay"`)
	}
}

// maySend reports whether the rule lets its client send a tag.
func (a *authRule) maySend(tag string) bool {
	if a == nil || len(a.tags) == 0 {
		return true
	}
	for _, prefix := range a.tags {
		if tag == prefix || strings.HasPrefix(tag, prefix+".") {
			return true
		}
	}
	return false
}
