package relay

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/sluicelog/sluice/internal/conf"
)

// CheckHandler reads an event handler's configuration (TOML) and reports, as
// errors, the URLs whose tag nothing in this relay's configuration takes: such
// events would be answered 200 and dropped.
func (r *Relay) CheckHandler(path string, problems *conf.Problems) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Forward struct {
			Fluentd struct {
				URL        any `toml:"url"`
				SessionURL any `toml:"session-url"`
			} `toml:"fluentd"`
		} `toml:"forward"`
	}
	if _, err := toml.Decode(string(text), &file); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	h := handlerFile{path: path, lines: strings.Split(string(text), "\n"), relay: r, problems: problems}
	for _, u := range urlsOf(file.Forward.Fluentd.URL) {
		h.check("url", u, "")
	}
	for _, u := range urlsOf(file.Forward.Fluentd.SessionURL) {
		h.check("session-url", u, "."+sessionID+".log")
	}
	return nil
}

// urlsOf takes one URL or a list of them, as TOML has lists or with commas.
func urlsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return splitURLs(v)
	case []any:
		var urls []string
		for _, u := range v {
			if text, ok := u.(string); ok {
				urls = append(urls, splitURLs(text)...)
			}
		}
		return urls
	}
	return nil
}

func splitURLs(text string) (urls []string) {
	for u := range strings.SplitSeq(text, ",") {
		if u = strings.TrimSpace(u); u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

type handlerFile struct {
	path     string
	lines    []string
	relay    *Relay
	problems *conf.Problems
}

func (h handlerFile) check(key, address, suffix string) {
	u, err := url.Parse(address + suffix)
	if err != nil {
		h.fail(key, errors.New("is no URL"), "write https://HOST:PORT/TAG")
		return
	}
	tag := strings.ReplaceAll(strings.Trim(u.EscapedPath(), "/"), "/", ".")
	for _, in := range h.relay.inputs {
		if h.relay.Takes(in.label, tag) {
			return
		}
	}
	shown := strings.ReplaceAll(tag, sessionID, "<session id>")
	h.fail(key, fmt.Errorf("sends the tag %s, which no <match> takes: its events would be answered 200 and dropped", shown),
		"add <match "+strings.ReplaceAll(tag, sessionID+".log", "**")+">, or change the path of "+key)
}

func (h handlerFile) fail(key string, err error, hint string) {
	at := conf.Pos{File: h.path}
	for i, line := range h.lines {
		if name, _, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == key {
			at.Line, at.Col = i+1, 1
		}
	}
	h.problems.Fail(&conf.Error{Pos: at, Param: key, Err: err, Hint: hint})
}
