package s3state

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluicelog/sluice/internal/s3sink/s3test"
)

// open is a store in an S3 double, with credentials in the environment.
func open(t *testing.T) (*s3test.Server, *Store) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	srv, err := s3test.Start(t.TempDir(), s3test.Options{Buckets: []string{"b"}, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	s, err := Open(t.Context(), "s3://b/some/prefix/?region=eu-west-1&endpoint="+srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	return srv, s
}

// An object is replaced only when it is still the one that was read.
func TestConditions(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	if _, _, err := s.Get(ctx, "k"); !errors.Is(err, ErrAbsent) {
		t.Errorf("get what is not there: %v", err)
	}
	if v, err := s.Version(ctx, "k"); v != "" || err != nil {
		t.Errorf("version of what is not there: %q, %v", v, err)
	}
	if _, err := s.Put(ctx, "k", []byte("x"), `"0123456789abcdef0123456789abcdef"`); !errors.Is(err, ErrChanged) {
		t.Errorf("replace what is not there: %v", err)
	}
	first, err := s.Put(ctx, "k", []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, "k", []byte("2"), ""); !errors.Is(err, ErrChanged) {
		t.Errorf("make what is there: %v", err)
	}
	second, err := s.Put(ctx, "k", []byte("2"), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, "k", []byte("3"), first); !errors.Is(err, ErrChanged) {
		t.Errorf("replace what changed: %v", err)
	}
	data, version, err := s.Get(ctx, "k")
	if string(data) != "2" || version != second || err != nil {
		t.Errorf("got %q %s %v", data, version, err)
	}
	if v, err := s.Version(ctx, "k"); v != second || err != nil {
		t.Errorf("got version %s, %v, want %s", v, err, second)
	}
	if err := errors.Join(s.Delete(ctx, "k"), s.Delete(ctx, "k")); err != nil {
		t.Error(err)
	}
}

// Of many that replace the same version one wins.
func TestOneWins(t *testing.T) {
	_, s := open(t)
	first, err := s.Put(t.Context(), "k", []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if _, err := s.Put(t.Context(), "k", []byte{byte(i)}, first); err == nil {
				won.Add(1)
			} else if !errors.Is(err, ErrChanged) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}

func TestNames(t *testing.T) {
	srv, s := open(t)
	below := s.Below("auth_3025")
	for _, name := range []string{"blocks/a", "blocks/b", "other"} {
		if _, err := below.Put(t.Context(), name, []byte(name), ""); err != nil {
			t.Fatal(err)
		}
	}
	names, err := below.Names(t.Context(), "blocks")
	if !slices.Equal(names, []string{"a", "b"}) || err != nil {
		t.Errorf("got %v, %v", names, err)
	}
	if got := srv.Objects("b")[0].Key; got != "some/prefix/auth_3025/blocks/a" {
		t.Errorf("key %s", got)
	}
}

// A store that ignores conditions is found out.
func TestProve(t *testing.T) {
	srv, s := open(t)
	for range 2 {
		if err := s.Prove(t.Context(), "proof"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), "proof", []byte("left over"), ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Prove(t.Context(), "proof"); err != nil {
		t.Errorf("with a rest of an earlier proof: %v", err)
	}
	srv.SetScript(func(r *http.Request) s3test.Fault {
		r.Header.Del("If-Match")
		return s3test.Fault{IgnoreConditions: true}
	})
	if err := s.Prove(t.Context(), "proof"); err == nil || !strings.Contains(err.Error(), "ignores") {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"s3://": "is no bucket", "https://b/p": "is no bucket", "s3://b/p?regoin=x": "there is no regoin",
	} {
		if _, err := Open(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", address, err)
		}
	}
	if s, err := Open(t.Context(), "s3://b"); err != nil || *s.key("x") != "x" || s.String() != "s3://b" {
		t.Errorf("a bucket without prefix: %v, %v", s, err)
	}
}
