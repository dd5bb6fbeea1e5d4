package actors

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"sojourn/actors/internal/envelope"
)

// TestServeRefuses: what cannot be read, or comes too late, is refused in a way
// that tells the caller that nothing was done.
func TestServeRefuses(t *testing.T) {
	c := newCluster(t, 1)
	m := c.members[0]
	good, err := envelope.Encode(&envelope.Resume{})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, body []byte) {
		t.Helper()
		raw, err := m.Serve(t.Context(), "member-1", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := envelope.DecodeAnswer(raw)
		var refused *envelope.RefusedError
		if err != nil || !errors.As(answer.Err, &refused) {
			t.Errorf("%s: %v, %v", name, answer.Err, err)
		}
	}
	refused("nothing", nil)
	refused("another version", []byte{9, 9, 9})
	refused("cut", good[:len(good)-1])
	m.Close()
	refused("a member that stops", good)
}

// TestLogsKeepSecrets: neither messages nor their faults show what a client
// sent.
func TestLogsKeepSecrets(t *testing.T) {
	var out safeBuffer
	c := newCluster(t, 3)
	for _, m := range c.members {
		m.logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	const password = "correct horse"
	first := c.members[0].start(t, "Login")
	request := resumeWith(first.Ref, "demo", password)
	if _, err := c.members[1].Resume(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	body, err := envelope.Encode(&envelope.Resume{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{body[:len(body)-3], append(bytes.Clone(body), 1)} {
		if _, err := c.members[2].Serve(t.Context(), "member-0", raw); err != nil {
			t.Fatal(err)
		}
	}
	c.users.panics.Store(true)
	second := c.members[0].start(t, "Login")
	if _, err := c.members[1].Resume(t.Context(), resumeWith(second.Ref, "demo", password)); err == nil {
		t.Error("a panic gave a reply")
	}
	if got := out.String(); strings.Contains(got, password) || !strings.Contains(got, "cannot be read") || !strings.Contains(got, "panicked") {
		t.Errorf("the log says\n%s", got)
	}
}
