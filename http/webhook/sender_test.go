package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a listener that keeps what it is told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	told   []string
	answer func(n int, w http.ResponseWriter)
	came   chan struct{}
	conns  atomic.Int64 // that were opened
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{came: make(chan struct{}, 1000), answer: func(int, http.ResponseWriter) {}}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.told = append(r.told, q.Method+" "+q.URL.String()+" "+q.Header.Get("X-Key")+" "+string(body))
		n := len(r.told)
		r.mu.Unlock()
		r.answer(n, w)
		r.came <- struct{}{}
	}))
	r.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.conns.Add(1)
		}
	}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) host() string { return strings.TrimPrefix(r.URL, "http://") }

// await returns all that was told once there were n calls.
func (r *receiver) await(t *testing.T, n int) []string {
	t.Helper()
	for range n {
		select {
		case <-r.came:
		case <-time.After(10 * time.Second):
			t.Fatalf("fewer than %d calls came: %q", n, r.told)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// stored are webhooks by name.
type stored map[string]string

func (s stored) Document(_ context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error) {
	body, ok := s[id]
	if !ok || kind != realm.KindWebhook || r != "/alpha" {
		return realm.Document{}, realm.ErrNoDocument
	}
	return realm.Document{Kind: kind, Realm: r, ID: id, Body: []byte(body)}, nil
}

func newSender(t *testing.T, c Config) *Sender {
	t.Helper()
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	c.Pause = time.Millisecond
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func with(names ...string) session.Session {
	var all string
	for _, name := range names {
		all = session.AddWebhook(all, name)
	}
	return aSession(map[string]string{"AMCtxId": "ctx-1", session.PropertyWebhooks: all})
}

// settled waits until a sender has done so many calls, well or not.
func settled(t *testing.T, s *Sender, n int64) Metrics {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-time.After(time.Millisecond) {
		if m := s.Metrics(); m.Sent+m.Failed+m.Dropped >= n {
			return m
		}
	}
	t.Fatalf("after 10 s: %+v, want %d calls", s.Metrics(), n)
	return Metrics{}
}

// Each webhook of a session is told once, with the reason, over a real
// connection.
func TestEachReasonIsToldOnce(t *testing.T) {
	r := newReceiver(t)
	s := newSender(t, Config{Hosts: []string{r.host()}, Documents: stored{
		"one": `{"url":"` + r.URL + `/one?id=${AMCtxId}","body":"{\"type\":\"${WebhookEventType}\"}","headers":{"X-Key":"k"}}`,
		"two": `{"url":"` + r.URL + `/two","body":"${WebhookEventType}"}`,
	}})
	for _, reason := range []session.Reason{session.Logout, session.Upgraded, session.Destroyed, session.MaxTimeout, session.IdleTimeout} {
		s.Ended(with("one"), reason)
		got := r.await(t, 1)
		if want := `POST /one?id=ctx-1 k {"type":"` + reason.String() + `"}`; got[len(got)-1] != want {
			t.Errorf("told %q, want %q", got[len(got)-1], want)
		}
	}
	s.Ended(with(), session.Logout)
	s.Ended(with("two", "one", "two"), session.Logout)
	if got := r.await(t, 2); len(got) != 7 {
		t.Errorf("%d calls came, want 7: %q", len(got), got)
	}
	if m := settled(t, s, 7); m != (Metrics{Sent: 7}) {
		t.Errorf("the metrics are %+v", m)
	}
}

// What fails for a while is tried again, what is refused is not, and nobody is
// redirected.
func TestAttempts(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(n int, w http.ResponseWriter)
		calls  int
		want   Metrics
	}{
		"well at the third":   {func(n int, w http.ResponseWriter) { w.WriteHeader(map[bool]int{true: 503, false: 204}[n < 3]) }, 3, Metrics{Sent: 1}},
		"never well":          {func(_ int, w http.ResponseWriter) { w.WriteHeader(500) }, attempts, Metrics{Failed: 1}},
		"too many requests":   {func(n int, w http.ResponseWriter) { w.WriteHeader(map[bool]int{true: 429, false: 200}[n < 2]) }, 2, Metrics{Sent: 1}},
		"refused":             {func(_ int, w http.ResponseWriter) { w.WriteHeader(401) }, 1, Metrics{Failed: 1}},
		"redirected":          {func(_ int, w http.ResponseWriter) { w.Header().Set("Location", "/there"); w.WriteHeader(307) }, 1, Metrics{Failed: 1}},
		"redirected to fetch": {func(_ int, w http.ResponseWriter) { w.Header().Set("Location", "/there"); w.WriteHeader(303) }, 1, Metrics{Failed: 1}},
		"connection cut":      {func(n int, _ http.ResponseWriter) { cutOff(n) }, 2, Metrics{Sent: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = func(n int, w http.ResponseWriter) {
				defer func() {
					if trouble := recover(); trouble != nil {
						r.came <- struct{}{}
						panic(trouble)
					}
				}()
				tt.answer(n, w)
			}
			s := newSender(t, Config{Hosts: []string{r.host()}, Documents: stored{"one": `{"url":"` + r.URL + `/p"}`}})
			s.Ended(with("one"), session.Logout)
			r.await(t, tt.calls)
			if m := settled(t, s, 1); m != tt.want {
				t.Errorf("the metrics are %+v, want %+v", m, tt.want)
			}
			if got := r.await(t, 0); len(got) != tt.calls {
				t.Errorf("%d calls came, want %d: %q", len(got), tt.calls, got)
			}
		})
	}
}

func cutOff(n int) {
	if n == 1 {
		panic(http.ErrAbortHandler)
	}
}

// Who is not listed is not called without TLS, nor at an internal address,
// whatever name leads there.
func TestHosts(t *testing.T) {
	r := newReceiver(t)
	_, port, err := net.SplitHostPort(r.host())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url   string
		hosts []string
		sent  int64
	}{
		"listed with its port":             {r.URL, []string{r.host()}, 1},
		"listed without a port":            {r.URL, []string{"127.0.0.1"}, 1},
		"listed in capitals":               {"http://LocalHost:" + port, []string{"LOCALHOST"}, 1},
		"not listed":                       {r.URL, nil, 0},
		"another port is listed":           {r.URL, []string{"127.0.0.1:1"}, 0},
		"TLS at an internal address":       {"https://127.0.0.1:" + port, nil, 0},
		"TLS at a name of this machine":    {"https://localhost:" + port, nil, 0},
		"TLS at an IPv4 address in IPv6":   {"https://[::ffff:127.0.0.1]:" + port, nil, 0},
		"an address that is spelled oddly": {"https://0x7f.1:" + port, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSender(t, Config{Hosts: tt.hosts, Documents: stored{"one": `{"url":"` + tt.url + `/p"}`}})
			before := r.conns.Load()
			s.Ended(with("one"), session.Logout)
			if m := settled(t, s, 1); m.Sent != tt.sent {
				t.Errorf("the metrics are %+v, want %d sent", m, tt.sent)
			}
			if opened := r.conns.Load() - before; opened != tt.sent { // before any certificate is looked at
				t.Errorf("%d connections were opened, want %d", opened, tt.sent)
			}
		})
	}
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "169.254.169.254": true, "fe80::1": true, "0.0.0.0": true, "::": true, "224.0.0.1": true, "ff02::1": true,
		"10.0.0.1": false, "192.0.2.1": false, "2001:db8::1": false,
	} {
		if got := internal(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is internal: %t, want %t", text, got, want)
		}
	}
}

// A receiver that does not answer holds up the calls of its own webhook alone.
func TestOneThatHangs(t *testing.T) {
	r, release := newReceiver(t), make(chan struct{})
	var hanging atomic.Int64
	s := newSender(t, Config{
		Hosts: []string{r.host(), "hangs"}, Documents: stored{"one": `{"url":"http://hangs/"}`, "two": `{"url":"` + r.URL + `/two"}`},
		Dial: func(ctx context.Context, network, address string, control func(string, string, syscall.RawConn) error) (net.Conn, error) {
			if strings.HasPrefix(address, "hangs") {
				hanging.Add(1)
				defer hanging.Add(-1)
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil, errors.New("nobody is there")
			}
			return Dial(ctx, network, address, control)
		},
	})
	const all = 3 * workers
	begun := time.Now()
	for range all {
		s.Ended(with("one"), session.Logout)
	}
	s.Ended(with("two"), session.Logout)
	r.await(t, 1)
	if took := time.Since(begun); took > attemptTime/2 {
		t.Errorf("the other was called after %v", took)
	}
	if n := hanging.Load(); n > abreast {
		t.Errorf("%d calls of one webhook are under way, want %d", n, abreast)
	}
	close(release)
	if m := settled(t, s, all+1); m != (Metrics{Sent: 1, Failed: all}) {
		t.Errorf("%+v", m)
	}
}

// A receiver that does not answer holds up nobody who ends a session, and what
// does not fit into the queue is dropped and counted.
func TestBounded(t *testing.T) {
	release := make(chan struct{})
	s := newSender(t, Config{
		Hosts: []string{"h"}, Documents: stored{"one": `{"url":"http://h/"}`},
		Dial: func(ctx context.Context, _, _ string, _ func(string, string, syscall.RawConn) error) (net.Conn, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, errors.New("nobody is there")
		},
	})
	const all = queued + workers + 100
	begun := time.Now()
	for range all {
		s.Ended(with("one"), session.Logout)
	}
	if took := time.Since(begun); took > attemptTime/2 {
		t.Errorf("%d sessions took %v to end", all, took)
	}
	m := s.Metrics()
	if m.Dropped < 100 || m.Dropped > 100+workers {
		t.Errorf("%d of %d calls were dropped, want about 100", m.Dropped, all)
	}
	close(release)
	s.Close()
	s.Ended(with("one"), session.Logout) // after Close: no panic, and counted
	if m := s.Metrics(); m.Sent != 0 || m.Failed+m.Dropped != all+1 {
		t.Errorf("in the end: %+v, want %d failed and dropped", m, all+1)
	}
}

// A webhook that is not there, or that is none, is given up at once.
func TestDefinitions(t *testing.T) {
	s := newSender(t, Config{Documents: stored{"none": `{"url":"ftp://h/"}`}})
	s.Ended(with("none"), session.Logout)
	s.Ended(with("absent"), session.Logout)
	if m := settled(t, s, 2); m.Failed != 2 {
		t.Errorf("the metrics are %+v, want 2 failed", m)
	}
}
