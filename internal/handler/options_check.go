package handler

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// Check holds the rules between the options and fills what depends on others.
// The messages keep upstream's words where it has some.
func (c *StartCmd) Check() error {
	c.FluentdURL = slices.DeleteFunc(c.FluentdURL, func(u string) bool { return strings.TrimSpace(u) == "" })
	c.Types, c.SkipEventTypes, c.SkipSessionTypes = trimAll(c.Types), trimAll(c.SkipEventTypes), trimAll(c.SkipSessionTypes)
	if c.FluentdMaxConnections < 1 {
		c.FluentdMaxConnections = 2 * c.Concurrency
	}
	return errors.Join(c.checkRequired(), c.TeleportOptions.check(), c.checkPair(), c.checkNumbers(), c.checkURLs())
}

func trimAll(list []string) []string {
	var kept []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

func (c *StartCmd) checkRequired() error {
	var missing []string
	if len(c.FluentdURL) == 0 {
		missing = append(missing, "--fluentd-url=FLUENTD-URL")
	}
	if c.FluentdSessionURL == "" {
		missing = append(missing, "--fluentd-session-url=FLUENTD-SESSION-URL")
	}
	if c.Storage == "" {
		missing = append(missing, "--storage=STORAGE")
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing flags: %s", strings.Join(missing, ", "))
	}
	return nil
}

// check holds the rules for the credentials.
func (c *TeleportOptions) check() error {
	files := map[string]string{"teleport.cert": c.TeleportCert, "teleport.key": c.TeleportKey, "teleport.ca": c.TeleportCA}
	var given, missing []string
	for name, path := range files {
		if path == "" {
			missing = append(missing, name)
		} else {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	slices.Sort(missing)
	switch {
	case c.TeleportIdentity != "" && len(given) > 0:
		return fmt.Errorf("teleport.identity can not be used together with %s: give an identity file, or certificate, key and CA", strings.Join(given, ", "))
	case c.TeleportIdentity == "" && len(given) == 0:
		return errors.New("no credentials for Teleport: give an identity file (teleport.identity), or all of teleport.cert, teleport.key and teleport.ca")
	case c.TeleportIdentity == "" && len(missing) > 0:
		return fmt.Errorf("%s given, but %s missing: all three are needed", strings.Join(given, ", "), strings.Join(missing, ", "))
	}
	return nil
}

func (c *StartCmd) checkPair() error {
	if (c.FluentdCert == "") != (c.FluentdKey == "") {
		return errors.New("fluentd_cert and fluentd_key must both be given, or neither")
	}
	return nil
}

func (c *StartCmd) checkNumbers() error {
	var errs []error
	fail := func(bad bool, name, rule string) {
		if bad {
			errs = append(errs, fmt.Errorf("%s must be %s", name, rule))
		}
	}
	fail(c.Concurrency < 1, "concurrency", "above 0")
	fail(c.FluentdMaxConnections < 1, "fluentd_max_connections", "above 0")
	fail(c.Batch < 1, "batch", "above 0")
	fail(c.WindowSize <= 0, "window-size", "above 0")
	fail(c.Timeout < 0, "timeout", "0 or above")
	fail(c.FluentdFailoverAfter < 0, "fluentd-failover-after", "0 or above")
	fail(c.shared() && c.TakeoverAfter < time.Second, "takeover-after", "1s or above")
	fail(c.LookBack < 0, "look-back", "0 or above")
	fail(c.MissingRetry < 0, "missing-recording-age", "0 or above")
	fail(c.FluentdMaxBatch < 0, "fluentd_max_batch", "0 or above")
	fail(c.FluentdMaxBatchBytes < 1, "fluentd_max_batch_bytes", "above 0")
	fail(c.LockEnabled && c.LockPeriod <= 0, "lock-period", "above 0")
	fail(c.LockFor < 0, "lock-for", "0 or above")
	fail(c.TeleportRefreshEnabled && c.TeleportRefreshInterval <= 0, "teleport-refresh-interval", "above 0")
	return errors.Join(errs...)
}

func (c *StartCmd) checkURLs() error {
	var errs []error
	for _, address := range c.FluentdURL {
		errs = append(errs, checkURL("fluentd-url", address))
	}
	for _, address := range c.sessionURLs() {
		errs = append(errs, checkURL("fluentd-session-url", address))
	}
	return errors.Join(errs...)
}

func checkURL(flag, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, errors.Unwrap(err)) // without the address, which may hold a password
	}
	switch {
	case u.Host == "" || !slices.Contains([]string{"http", "https", "forward", "forward+tls"}, u.Scheme):
		return fmt.Errorf("--%s: %q is no URL that events can be sent to; write https://HOST:PORT/TAG, or forward+tls://HOST:PORT/TAG", flag, u.Redacted())
	case strings.HasPrefix(u.Scheme, "forward") && strings.Trim(u.Path, "/") == "":
		return fmt.Errorf("--%s: %q names no tag; write %s://%s/test.log", flag, u.Redacted(), u.Scheme, u.Host)
	}
	return nil
}
