package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// step does one step of the case and says what came of it.
func (r *run) step(st map[string]any) (map[string]any, error) {
	none := map[string]any{}
	switch do := str(st["do"]); do {
	case "http":
		return r.http(st), nil
	case "raw":
		return r.raw(st), nil
	case "forward_auth":
		return r.forwardAuth(st), nil
	case "sleep":
		time.Sleep(seconds(num(st["seconds"], 0)))
	case "signal":
		_ = r.proc.cmd.Process.Signal(signals[str(st["sig"])])
	case "stop":
		return map[string]any{"exit": r.proc.stop()}, nil
	case "kill":
		r.proc.kill()
	case "start":
		if err := r.start(); err != nil {
			return nil, err
		}
		if !r.waitReady() {
			return map[string]any{"not_ready": true}, nil
		}
	case "alive":
		return map[string]any{"alive": !r.proc.exited()}, nil
	case "close":
		name := str(st["conn"])
		_ = r.conns[name].Close()
		delete(r.conns, name)
	case "check_closed":
		return map[string]any{"closed": isClosed(r.conns[str(st["conn"])], seconds(num(st["wait"], 0.5)))}, nil
	case "s3_set":
		r.setS3(st)
	case "ls":
		files := []any{}
		for _, f := range r.glob(str(st["glob"])) {
			files = append(files, f)
		}
		return map[string]any{"files": files}, nil
	case "wait_out", "wait_s3", "wait_sink", "wait_file", "wait_exit":
		return r.wait(do, st)
	case "write", "remove", "truncate", "chmod", "mkdir":
		return none, r.fileStep(do, st)
	case "meta":
		return map[string]any{"meta": []any{}}, nil // Fluentd's chunk metadata, which we do not write
	default:
		return nil, fmt.Errorf("unknown step %q", do)
	}
	return none, nil
}

var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "CONT": syscall.SIGCONT, "WINCH": syscall.SIGWINCH,
}

func (r *run) setS3(st map[string]any) {
	r.s3.mu.Lock()
	defer r.s3.mu.Unlock()
	if st["fail"] != nil {
		r.s3.setFail(st["fail"])
	}
	if buckets := list(st["buckets"]); buckets != nil {
		clear(r.s3.buckets)
		for _, b := range buckets {
			r.s3.buckets[str(b)] = true
		}
	}
}

func (r *run) wait(do string, st map[string]any) (map[string]any, error) {
	count := int(num(st["count"], 1))
	timeout := func(def float64) time.Duration { return seconds(num(st["timeout"], def)) }
	switch do {
	case "wait_out":
		re, err := regexp.Compile(fillText(str(st["match"]), r.vars))
		if err != nil {
			return nil, err
		}
		return map[string]any{"seen": until(timeout(15), func() bool { return len(re.FindAllString(r.output(), -1)) >= count })}, nil
	case "wait_s3":
		return map[string]any{"objects": until(timeout(30), func() bool { r.s3.mu.Lock(); defer r.s3.mu.Unlock(); return len(r.s3.puts) >= count })}, nil
	case "wait_sink":
		return map[string]any{"seen": until(timeout(30), func() bool { return r.received() >= count })}, nil
	case "wait_file":
		return map[string]any{"seen": until(timeout(20), func() bool { return len(r.glob(str(st["glob"]))) >= count })}, nil
	}
	code := r.proc.end(timeout(20))
	if code == "timeout" {
		code = "still running"
	}
	return map[string]any{"exit": code}, nil
}

func (r *run) received() int {
	if r.sink != nil {
		r.sink.mu.Lock()
		defer r.sink.mu.Unlock()
		return len(r.sink.got)
	}
	r.fwd.mu.Lock()
	defer r.fwd.mu.Unlock()
	return len(r.fwd.got)
}

func (r *run) fileStep(do string, st map[string]any) error {
	path := filepath.Join(r.dir, str(st["path"]))
	switch do {
	case "write":
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as the recording had it
			return err
		}
		flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if yes, _ := st["append"].(bool); yes {
			flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		f, err := os.OpenFile(path, flags, 0o644) //nolint:gosec // as the recording had it
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Write(r.bytesOf(st, "data"))
		return err
	case "chmod":
		mode, err := strconv.ParseUint(str(st["mode"]), 8, 32)
		if err != nil {
			return err
		}
		return os.Chmod(path, os.FileMode(mode))
	case "mkdir":
		return os.MkdirAll(path, 0o755) //nolint:gosec // as the recording had it
	}
	for _, name := range r.glob(str(st["glob"])) {
		var err error
		if full := filepath.Join(r.dir, name); do == "remove" {
			err = os.Remove(full)
		} else {
			err = os.Truncate(full, int64(num(st["size"], 0)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finish stops the server and collects what it printed and left behind.
func (r *run) finish(res *Result) error {
	exp := map[string]any{}
	res.Expect = exp
	if r.c.Mode == "exit" {
		timeout := r.c.Timeout
		if timeout == 0 {
			timeout = 30
		}
		exp["exit"] = r.proc.end(seconds(timeout))
	} else {
		settle := 0.3
		if r.c.Settle != nil {
			settle = *r.c.Settle
		}
		time.Sleep(seconds(settle))
		if r.proc != nil {
			exp["exit"] = r.proc.stop()
		}
	}
	res.Output = r.output()
	r.events(res)
	if err := r.files(exp); err != nil {
		return err
	}
	r.doubles(exp)
	return nil
}

func (r *run) events(res *Result) {
	if res.NotReady || r.c.Mode == "exit" && res.Expect["exit"] != 0.0 || r.c.NoEvents {
		return
	}
	events := []any{}
	for _, e := range eventLines(res.Output) {
		if r.c.KeepInternal || !internalEvent.MatchString(e) {
			events = append(events, r.norm.apply(e))
		}
	}
	if r.c.Unordered {
		slices.SortFunc(events, func(a, b any) int { return strings.Compare(str(a), str(b)) })
	}
	res.Expect["events"] = events
}

var (
	logLine       = regexp.MustCompile(`^\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4} \[(trace|debug|info|warn|error|fatal)\]: ?`)
	internalEvent = regexp.MustCompile(`^(\S+ \S+ \S+ )?fluent\.(trace|debug|info|warn|error|fatal): `)
	complaint     = regexp.MustCompile(`^(relay: (error|hint|warning): |  (hint|included from) ?)`)
)

// eventLines is standard output without log lines, their continuations and the
// dump of the configuration.
func eventLines(text string) []string {
	var events []string
	inDump, afterLog := false, false
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case inDump:
			inDump = !strings.HasPrefix(line, "</ROOT>")
		case logLine.MatchString(line):
			inDump = strings.HasSuffix(strings.TrimRight(line, " "), "<ROOT>")
			afterLog = true
		case strings.HasPrefix(line, "  ") && afterLog, line == "", complaint.MatchString(line):
		default:
			events = append(events, strings.ToValidUTF8(escapeBytes(line), ""))
			afterLog = false
		}
	}
	return events
}

// escapeBytes writes bytes that are no UTF-8 as \xNN.
func escapeBytes(s string) string {
	var b strings.Builder
	for i, c := range s {
		if c == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD") {
			fmt.Fprintf(&b, `\x%02x`, s[i])
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func (r *run) files(exp map[string]any) error {
	if len(r.c.Collect) > 0 {
		files := map[string]any{}
		for _, pattern := range r.c.Collect {
			for _, name := range r.glob(pattern) {
				text, err := fileText(filepath.Join(r.dir, name))
				if err != nil {
					return err
				}
				key, n := r.norm.apply(name), 1
				unique := key
				for files[unique] != nil {
					n++
					unique = fmt.Sprintf("%s#%d", key, n)
				}
				files[unique] = r.norm.tree(text)
			}
		}
		exp["files"] = files
	}
	if len(r.c.List) > 0 {
		names := []string{}
		for _, pattern := range r.c.List {
			for _, name := range r.glob(pattern) {
				names = append(names, r.norm.apply(name))
			}
		}
		slices.Sort(names)
		exp["listing"] = toAny(names)
	}
	return nil
}

func toAny(names []string) []any {
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = n
	}
	return out
}

func (r *run) doubles(exp map[string]any) {
	if r.s3 != nil {
		r.s3.mu.Lock()
		defer r.s3.mu.Unlock()
		puts := list(r.norm.tree(append([]any{}, r.s3.puts...)))
		if r.c.Unordered {
			slices.SortFunc(puts, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
		}
		exp["s3"] = puts
		if r.s3.lifecycle != "" {
			exp["s3_lifecycle"] = r.s3.lifecycle
		}
		names := []string{}
		for b := range r.s3.buckets {
			names = append(names, b)
		}
		slices.Sort(names)
		exp["s3_buckets"] = toAny(names)
	}
	if r.sink != nil {
		r.sink.mu.Lock()
		defer r.sink.mu.Unlock()
		exp["sink"] = r.norm.tree(append([]any{}, r.sink.got...))
	}
	if r.fwd != nil {
		r.fwd.mu.Lock()
		defer r.fwd.mu.Unlock()
		exp["fwd"] = r.norm.tree(append([]any{}, r.fwd.got...))
	}
}
