package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sojourn/http/wire"
)

func TestChanges(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sent := []wire.SessionChange{
		{Kind: wire.ChangeEnded, Place: "7.0", Reason: "LOGOUT", Handle: "shandle:x", Realm: "/alpha", Username: "a\nb", Time: &at},
		{Kind: wire.ChangeChanged, Place: "7.1", Properties: []string{"p", "q"}},
		{Kind: wire.ChangeMissed},
		{Kind: wire.ChangeOver, Reason: "the member stops"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Method + " " + r.URL.String() + " " + r.Header.Get("Last-Event-ID") + " " + r.Header.Get("Accept") + " " + r.Header.Get("Authorization")
		if asked != "GET /am/json/realms/root/realms/alpha/sessions/notifications 6.0 text/event-stream Bearer op" {
			t.Errorf("asked for %s", asked)
		}
		_, _ = io.WriteString(w, ": hello\nretry: 5\n\n")
		for _, c := range sent {
			b, err := wire.AppendSessionChange(nil, c)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(append(b, ": beat\n\n"...))
		}
	}))
	defer server.Close()
	c, err := New(Config{Base: server.URL + "/am", Operator: "op"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []wire.SessionChange
	for change, err := range c.Changes(t.Context(), "/alpha", "6.0") {
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			continue
		}
		got = append(got, change)
	}
	if len(got) == 0 || got[0].Kind != wire.ChangeOpen {
		t.Fatalf("the stream began with %+v", got)
	}
	got = got[1:]
	for i := range sent { // times are compared by what they mean
		sent[i].Time, got[i].Time = nil, nil
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", sent) {
		t.Errorf("got %+v, want %+v", got, sent)
	}
}

func TestChangesRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "10")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"code":503,"reason":"Service Unavailable","message":"Too many streams of notifications"}`)
	}))
	defer server.Close()
	c, err := New(Config{Base: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, err := range c.Changes(t.Context(), "/", "") {
		var refused *Error
		if !errors.As(err, &refused) || refused.Status != 503 || refused.RetryAfter != 10*time.Second {
			t.Errorf("got %v", err)
		}
	}
}

// Whatever comes, reading ends, and what is an event is bounded.
func FuzzEvents(f *testing.F) {
	f.Add("event: ended\nid: 1.0\ndata: {\"reason\":\"LOGOUT\"}\n\n")
	f.Add(": c\n\nevent:x\ndata: {\ndata: }\n\ndata:\n")
	f.Fuzz(func(t *testing.T, text string) {
		ends := 0
		for change, err := range events(strings.NewReader(text), func() {}) {
			switch {
			case err != nil:
				ends++
			case change.Kind == "" || strings.ContainsAny(change.Kind+change.Place, "\n"):
				t.Errorf("an event %+v", change)
			}
		}
		if ends != 1 {
			t.Errorf("reading ended %d times", ends)
		}
	})
}
