package rest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cts/feed"
	"sojourn/cts/session"
)

// listening is a client of a stream of notifications, in a bubble of virtual time.
type listening struct {
	t      *testing.T
	status int
	header http.Header
	lines  chan string // all that came, an event or comment each
	leave  context.CancelFunc
	done   chan struct{} // closed when the handler has returned
}

// pipe is a response that a client reads while it is written.
type pipe struct {
	header http.Header
	began  func(status int)
	w      *io.PipeWriter
}

func (p *pipe) Header() http.Header         { return p.header }
func (p *pipe) WriteHeader(status int)      { p.began(status) }
func (p *pipe) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipe) Flush()                      {}

// listen opens a stream of a rig whose feed is rig.changes.
func listen(t *testing.T, r *rig, path string, header map[string]string) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{t: t, header: http.Header{}, lines: make(chan string, 1000), leave: cancel, done: make(chan struct{})}
	q := httptest.NewRequestWithContext(ctx, http.MethodGet, "/am/json"+path+"/sessions/notifications", nil)
	for name, value := range header {
		q.Header.Set(name, value)
	}
	in, out := io.Pipe()
	go func() {
		defer close(l.done)
		r.h.ServeHTTP(&pipe{header: l.header, began: func(status int) { l.status = status }, w: out}, q)
		_ = out.Close()
	}()
	go func() {
		defer close(l.lines)
		var event []string
		for text := bufio.NewScanner(in); text.Scan(); {
			if text.Text() != "" {
				event = append(event, text.Text())
				continue
			}
			l.lines <- strings.Join(event, "|")
			event = nil
		}
		if len(event) > 0 { // no stream: an answer
			l.lines <- strings.Join(event, "|")
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = in.Close()
		<-l.done
	})
	synctest.Wait()
	return l
}

// heard is what came since, without waiting.
func (l *listening) heard() (all []string) {
	synctest.Wait()
	for {
		select {
		case line, open := <-l.lines:
			if !open {
				return append(all, "END")
			}
			all = append(all, line)
		default:
			return all
		}
	}
}

func (l *listening) want(what string, want ...string) {
	l.t.Helper()
	got := l.heard()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		l.t.Errorf("%s: heard\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const hello = ": sojourn|retry: 2000"

// changesRig is a rig with a feed of so many changes.
func changesRig(t *testing.T, kept int) (*rig, *feed.Feed) {
	t.Helper()
	f := feed.New(kept)
	r := newRig(t, func(c *Config) { c.Resources.Changes, c.Resources.Health, c.Now, c.Stream = f, &mood{}, time.Now, nil })
	r.now = time.Now()
	return r, f
}

// mood is a member that can fall ill while it is asked.
type mood struct{ ill atomic.Bool }

func (m *mood) Live() error { return nil }

func (m *mood) Ready() error {
	if m.ill.Load() {
		return errors.New("no leader")
	}
	return nil
}

func endOf(index uint64, s session.Session, why session.Reason) session.Event {
	return session.Event{Kind: session.EventEnded, Session: s, Reason: why, Index: index, At: noon}
}

func TestNotificationsOfARealm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := changesRig(t, 100)
		_, alpha := r.login("/alpha", "bjensen")
		_, root := r.login("/", "scarter")
		admin, own := r.login("/", "admin", asAdmin)
		operator := listen(t, r, "/realms/root/realms/alpha", bearer(operatorToken))
		administrator := listen(t, r, "/realms/root/realms/alpha", map[string]string{"iPlanetDirectoryPro": string(admin)})
		if operator.status != 200 || operator.header.Get("Content-Type") != "text/event-stream" || operator.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the stream began with %d, %v", operator.status, operator.header)
		}
		f.Publish(endOf(7, alpha, session.Logout))
		f.Publish(endOf(7, root, session.Logout)) // of another realm
		f.Publish(session.Event{Kind: session.EventCreated, Session: alpha, Index: 8})
		denied := session.Session{ID: session.ID{1, 2, 3}}
		f.Publish(endOf(9, denied, session.Destroyed))
		const (
			first = `event: ended|id: 7.0|data: {"reason":"LOGOUT","sessionHandle":"shandle:HANDLE","trackingId":"ctx-bjensen","realm":"/alpha",` +
				`"username":"bjensen","universalId":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","timestamp":"2026-03-01T12:00:00Z"}`
			second = `event: ended|id: 9.0|data: {"reason":"DESTROY","sessionHandle":"shandle:AQIDAAAAAAAAAAAAAAAAAA","timestamp":"2026-03-01T12:00:00Z"}`
		)
		told := []string{hello, strings.Replace(first, "shandle:HANDLE", string(alpha.ID.Handle()), 1), second}
		operator.want("the operator", told...)
		administrator.want("an administrator", told...)
		time.Sleep(beat + time.Second)
		operator.want("in a quiet time", ": still here")
		f.Publish(endOf(10, own, session.Logout))
		administrator.want("who logs out", ": still here", `event: ended|id: 10.0|data: `+`{"reason":"LOGOUT","sessionHandle":"`+string(own.ID.Handle())+
			`","trackingId":"ctx-admin","realm":"/","username":"admin","universalId":"id=admin,ou=user,dc=example","timestamp":"2026-03-01T12:00:00Z"}`,
			`event: over|data: {"reason":"the session has ended"}`, "END")
		f.Close()
		operator.want("when the member stops", `event: over|data: {"reason":"the member stops"}`, "END")
	})
}

// Who is no administrator hears of the own session alone.
func TestNotificationsOfOneself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := changesRig(t, 100)
		token, own := r.login("/alpha", "bjensen")
		_, other := r.login("/alpha", "bjensen")
		l := listen(t, r, "/realms/root/realms/alpha", map[string]string{"Cookie": "iPlanetDirectoryPro=" + string(token)})
		f.Publish(endOf(1, other, session.Logout))
		f.Publish(endOf(2, session.Session{ID: session.ID{9}}, session.Logout))
		l.want("of others", hello)
		f.Publish(endOf(3, session.Session{ID: own.ID}, session.Destroyed)) // as of a client-side one
		l.want("of oneself", hello[:0]+`event: ended|id: 3.0|data: {"reason":"DESTROY","sessionHandle":"`+string(own.ID.Handle())+`","timestamp":"2026-03-01T12:00:00Z"}`,
			`event: over|data: {"reason":"the session has ended"}`, "END")
		kept, holder := r.login("/alpha", "bjensen", func(s *session.Session) { s.ClientSide = true })
		l = listen(t, r, "/realms/root/realms/alpha", map[string]string{"Cookie": "iPlanetDirectoryPro=" + string(kept)})
		f.Publish(endOf(4, session.Session{ID: holder.ID}, session.Destroyed))
		short := string(holder.ID.Handle()[:len(holder.ID.Handle())-1])
		if got := strings.Join(l.heard(), ""); !strings.Contains(got, `"sessionHandle":"`+string(holder.Handle())+`"`) || !strings.HasPrefix(string(holder.Handle()), short) {
			t.Errorf("the holder %s heard %s", holder.Handle(), got)
		}
		for name, header := range map[string]map[string]string{"a stranger": nil, "a wrong bearer": bearer("wrong"), "a dead token": {"iPlanetDirectoryPro": "x"}} {
			if w := listen(t, r, "", header); w.status != 401 {
				t.Errorf("%s: %d %q", name, w.status, w.heard())
			}
		}
	})
}

// A session that ends unnoticed ends its stream at the next look; so does a
// member that cannot know.
func TestNotificationsEndWithTheirReason(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*rig, session.Session)
		why   string
	}{
		"the session is gone": {func(r *rig, s session.Session) { _, _ = r.store.End(t.Context(), session.Cause{}, s) }, "the session has ended"},
		"its time is over":    {func(*rig, session.Session) { time.Sleep(31 * time.Minute) }, "the session has ended"},
		"nothing is known": {func(r *rig, _ session.Session) {
			r.store.mu.Lock()
			defer r.store.mu.Unlock()
			r.store.fail = &session.UnavailableError{Reason: "no lease"}
		}, "the member is unavailable"},
		"the member is ill": {func(r *rig, _ session.Session) {
			r.h.cfg.Resources.Health.(*mood).ill.Store(true) //nolint:forcetypeassert // the rig's
		}, "the member is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := changesRig(t, 100)
				token, s := r.login("/alpha", "bjensen")
				l := listen(t, r, "/realms/root/realms/alpha", map[string]string{"iPlanetDirectoryPro": string(token)})
				l.want("at first", hello)
				tt.spoil(r, s)
				time.Sleep(beat)
				got := l.heard()
				if n := len(got); n < 2 || got[n-1] != "END" || got[n-2] != `event: over|data: {"reason":"`+tt.why+`"}` {
					t.Errorf("heard %q", got)
				}
			})
		})
	}
}

// Changes of properties are told where the realm says so, by their names.
func TestNotificationsOfProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := changesRig(t, 100)
		_, s := r.login("/alpha", "bjensen")
		settings := r.h.cfg.Realms.(memoryRealms)["/alpha"] //nolint:forcetypeassert // the rig's
		l := listen(t, r, "/realms/root/realms/alpha", bearer(operatorToken))
		l.want("at first", hello)
		index := uint64(0)
		change := func(names ...string) int {
			index++
			f.Publish(session.Event{Kind: session.EventChanged, Session: s, Changed: names, Index: index, At: noon})
			got := l.heard()
			for _, line := range got {
				if !strings.HasPrefix(line, "event: changed|") || !strings.Contains(line, `"properties":["`+strings.Join(names, `","`)+`"]`) {
					t.Errorf("a change of %q is told as %s", names, line)
				}
			}
			return len(got)
		}
		if change("a") != 0 {
			t.Error("told though notifications are off")
		}
		settings.NotifiesProperties = true
		if change("a", "b") != 1 {
			t.Error("not told though every property is to be")
		}
		settings.NotifiedProperties = []string{"b"}
		if change("a") != 0 || change("a", "b") != 1 {
			t.Error("told of others than those in the list, or not of those")
		}
	})
}

// A stream goes on where another, here or at another member, ended; who cannot be
// told what was missed, or is too slow, is told so.
func TestNotificationsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := changesRig(t, 3)
		_, s := r.login("/alpha", "bjensen")
		for i := range uint64(5) {
			f.Publish(endOf(10+i, s, session.Logout))
		}
		after := func(id string) *listening {
			header := bearer(operatorToken)
			header["Last-Event-ID"] = id
			return listen(t, r, "/realms/root/realms/alpha", header)
		}
		ids := func(l *listening) string {
			var all []string
			for _, line := range l.heard() {
				name, rest, _ := strings.Cut(line, "|")
				id, _, _ := strings.Cut(rest, "|")
				all = append(all, strings.TrimPrefix(name, "event: ")+" "+strings.TrimPrefix(id, "id: "))
			}
			return strings.Join(all, ", ")
		}
		const begin = ": sojourn retry: 2000"
		for id, want := range map[string]string{
			"12.0": begin + ", ended 13.0, ended 14.0",
			"14.0": begin,
			"11.0": begin + `, missed data: {}`,
			"x":    begin + `, missed data: {}`,
		} {
			if got := ids(after(id)); got != want {
				t.Errorf("resumed after %s: %s, want %s", id, got, want)
			}
		}
		f.Missed()
		slow := listen(t, r, "/realms/root/realms/alpha", bearer(operatorToken))
		f.Missed()
		if got, want := ids(slow), begin+", missed data: {}, over data: {\"reason\":\"the client is too slow\"}, END "; got != want {
			t.Errorf("one that missed something: %s, want %s", got, want)
		}
	})
}

// No more streams are open than may be.
func TestNotificationsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := changesRig(t, 3)
		r.h.cfg.Stream = func(context.Context, bool) (context.Context, error) { return nil, errors.New("too many") }
		l := listen(t, r, "", bearer(operatorToken))
		if l.status != 503 || l.header.Get("Retry-After") == "" {
			t.Errorf("one more: %d, %v", l.status, l.header)
		}
	})
}

// A session has a few streams at a time, and another when one of them ends; who
// may do more is preferred among all.
func TestNotificationsOfOneSessionAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := changesRig(t, 3)
		var preferred []bool
		r.h.cfg.Stream = func(ctx context.Context, first bool) (context.Context, error) {
			preferred = append(preferred, first)
			return ctx, nil
		}
		token, _ := r.login("/alpha", "bjensen")
		another, _ := r.login("/alpha", "bjensen")
		admin, _ := r.login("/", "admin", asAdmin)
		open := func(header map[string]string) *listening { return listen(t, r, "/realms/root/realms/alpha", header) }
		of := func(token session.TokenID) map[string]string {
			return map[string]string{"iPlanetDirectoryPro": string(token)}
		}
		var last *listening
		for range 4 {
			last = open(of(token))
		}
		if l := open(of(token)); last.status != 200 || l.status != 503 || l.header.Get("Retry-After") == "" {
			t.Errorf("the last: %d, one more: %d, %v", last.status, l.status, l.header)
		}
		last.leave()
		<-last.done
		if l := open(of(token)); l.status != 200 {
			t.Errorf("in the place of one that left: %d", l.status)
		}
		for name, header := range map[string]map[string]string{"another session": of(another), "an administrator": of(admin), "the operator": bearer(operatorToken)} {
			preferred = nil
			if l := open(header); l.status != 200 || len(preferred) != 1 || preferred[0] != (name != "another session") {
				t.Errorf("%s: %d, preferred %v", name, l.status, preferred)
			}
		}
	})
}
