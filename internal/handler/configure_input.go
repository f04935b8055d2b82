package handler

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker asks before files are overwritten. Without a terminal the answer is no.
type asker struct {
	yes bool
	in  *bufio.Reader // nil: nobody to ask
	out io.Writer
}

func newAsker(stdin io.Reader, out io.Writer, yes bool) *asker {
	a := &asker{yes: yes, out: out}
	if f, ok := stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a descriptor fits an int
		a.in = bufio.NewReader(f)
	}
	return a
}

func (a *asker) asks() bool { return a.in != nil }

// overwrite reports whether the answer is yes. The error is that ctx ended.
func (a *asker) overwrite(ctx context.Context, question string) (bool, error) {
	if a.yes || a.in == nil {
		return a.yes, nil
	}
	fmt.Fprintf(a.out, "%s [y/N] ", question)
	answer, err := interruptible(ctx, func() (string, error) { return a.in.ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

// interruptible reads, and gives up when ctx ends. The goroutine is then left in
// its read: nothing can wake a read of a terminal, and the process ends anyway.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// maxPassphrase is more than anybody types, and less than a wrong file.
const maxPassphrase = 4096

// readPassphrase takes the passphrase of the server's key from standard input when
// that is a pipe or a file, without the line's end; empty means a key that is not
// encrypted. Else (a terminal, /dev/null) it is 32 random bytes in hex.
func readPassphrase(ctx context.Context, stdin io.Reader, out io.Writer) (passphrase string, given bool, err error) {
	if f, ok := stdin.(*os.File); ok {
		if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice != 0 {
			return randomPassphrase(), false, nil
		}
	}
	fmt.Fprint(out, "The passphrase of the server's key is read from standard input.\n\n")
	text, err := interruptible(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(stdin, maxPassphrase+1)) })
	if err != nil {
		return "", false, fmt.Errorf("read passphrase: %w", err)
	}
	if len(text) > maxPassphrase {
		return "", false, fmt.Errorf("read passphrase: standard input holds more than %d bytes", maxPassphrase)
	}
	passphrase = strings.TrimRight(string(text), "\r\n")
	if strings.ContainsFunc(passphrase, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", false, errors.New("read passphrase: it holds a control character or a second line")
	}
	return passphrase, true, nil
}

func randomPassphrase() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// resolveNames collects what both certificates are good for: the DNS names, and
// the addresses given, else those that the names resolve to.
func (s *setup) resolveNames(ctx context.Context) error {
	addresses := append([]string{}, s.cmd.IP...)
	for _, name := range append(append([]string{}, s.cmd.DNSNames...), s.cmd.Hosts...) {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case net.ParseIP(name) != nil:
			addresses = append(addresses, name)
		default:
			s.dns = appendNew(s.dns, name, func(a, b string) bool { return strings.EqualFold(a, b) })
		}
	}
	if len(s.dns) == 0 && len(addresses) == len(s.cmd.IP) {
		s.dns = []string{"localhost"}
	}
	for _, text := range addresses {
		ip := net.ParseIP(strings.TrimSpace(text))
		if ip == nil {
			return fmt.Errorf("--ip %s is no address", text)
		}
		s.ips = appendNew(s.ips, ip, net.IP.Equal)
	}
	if len(s.cmd.IP) > 0 {
		return nil
	}
	for _, name := range s.dns {
		if strings.HasPrefix(name, "*.") {
			continue // a wildcard resolves to nothing
		}
		found, err := s.lookup(ctx, name)
		if err != nil {
			return fmt.Errorf("look up %s: %w; when it does not resolve on this machine, give its address with --ip", name, err)
		}
		for _, ip := range found {
			s.ips = appendNew(s.ips, ip, net.IP.Equal)
		}
	}
	return nil
}

func lookupHost(ctx context.Context, name string) ([]net.IP, error) {
	if strings.EqualFold(name, "localhost") {
		// Also where the machine has no IPv6, or a file of hosts that forgot it.
		return []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, nil
	}
	return net.DefaultResolver.LookupIP(ctx, "ip", name)
}

func appendNew[T any](list []T, v T, equal func(a, b T) bool) []T {
	for _, x := range list {
		if equal(x, v) {
			return list
		}
	}
	return append(list, v)
}
