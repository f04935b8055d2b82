package forward

import (
	"errors"
	"testing"

	"github.com/sluicelog/sluice/internal/event"
)

// over is a value as the other side reads it.
func over(t *testing.T, raw []byte) any {
	t.Helper()
	v, rest, err := event.ReadMsgpack(raw)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	return v
}

func TestHandshakeMessages(t *testing.T) {
	for _, want := range []Helo{{Nonce: "n", Auth: "a", Keepalive: true}, {Nonce: "\xff\x00", Keepalive: false}} {
		if got, err := ReadHelo(over(t, want.Append(nil))); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	if got, err := ReadHelo([]any{"HELO", event.NewRecord("nonce", "n")}); err != nil || !got.Keepalive {
		t.Errorf("a server that does not say keepalive keeps connections: got %+v, %v", got, err)
	}
	ping := Ping{"host", "\xffsalt", "digest", "user", "password digest"}
	if got, err := ReadPing(over(t, ping.Append(nil))); err != nil || got != ping {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, want := range []Pong{{OK: true, Hostname: "h", Digest: "d"}, {Reason: "shared_key mismatch"}} {
		if got, err := ReadPong(over(t, want.Append(nil))); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestHandshakeErrors(t *testing.T) {
	for _, v := range []any{
		nil, "HELO",
		[]any{},
		[]any{"HELO"},
		[]any{"PONG", nil},
		[]any{"HELO", "x"},
		[]any{5, event.NewRecord()},
		[]any{"PING", "a", "b", "c", "d"},
		[]any{"PING", "a", "b", "c", "d", 5},
		[]any{"PONG", true, "a", "b"},
	} {
		_, helo := ReadHelo(v)
		_, ping := ReadPing(v)
		_, pong := ReadPong(v)
		for _, err := range []error{helo, ping, pong} {
			if !errors.As(err, new(*InvalidError)) {
				t.Errorf("%v: got %v", v, err)
			}
		}
	}
}

// The digests as the protocol's specification has them: SHA-512 in hex of
// salt + host name + nonce + key, and of auth salt + user + password.
func TestDigests(t *testing.T) {
	const abc = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
	if got := KeyDigest("a", "", "b", "c"); got != abc {
		t.Errorf("got %s", got)
	}
	if got := PasswordDigest("a", "b", "c"); got != abc {
		t.Errorf("got %s", got)
	}
	if !Equal(abc, abc) || Equal(abc, abc[1:]) || Equal(abc, "") {
		t.Error("Equal is wrong")
	}
}
