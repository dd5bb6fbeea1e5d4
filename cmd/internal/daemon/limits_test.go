package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"sojourn/cmd/internal/config"
)

// patience is longer than what the tests set, and shorter than all defaults.
const patience = 4 * time.Second

// dial opens a connection and sends text on it.
func (m *member) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", m.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer is the status of the next answer on a connection, zero when it was
// closed without one.
func answer(t *testing.T, conn net.Conn) int {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // as it comes from net
			t.Fatal("no answer, and the connection is open")
		}
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}

const half = "POST /am/json/authenticate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"

// awaited begins a request whose body the server is reading when it returns.
func (m *member) awaited(t *testing.T) net.Conn {
	t.Helper()
	conn := m.dial(t, strings.TrimSuffix(strings.Replace(half, "Host: x", "Host: x\r\nExpect: 100-continue", 1), "{"))
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	line := make([]byte, len(goOn))
	if _, err := io.ReadFull(conn, line); err != nil || string(line) != goOn {
		t.Fatalf("%q, %v", line, err)
	}
	return conn
}

// limitTests show for each limit of the configuration that it is the one that
// acts: set on a member of its own, then passed by one.
var limitTests = map[string]struct {
	set func(*config.Limits)
	act func(*testing.T, *member)
}{
	"body": {
		func(l *config.Limits) { l.Body = 4 << 10 },
		func(t *testing.T, m *member) {
			fits, larger := strings.Repeat(" ", 4<<10), strings.Repeat(" ", 4<<10+1)
			for name, tc := range map[string]struct {
				body io.Reader
				not  bool
			}{
				"fits": {strings.NewReader(fits), true}, "larger": {strings.NewReader(larger), false},
				"larger, of unknown length": {iotest.DataErrReader(strings.NewReader(larger)), false},
			} {
				if status, text := m.ask(t, http.MethodPost, "/json/authenticate", tc.body); (status == http.StatusRequestEntityTooLarge) == tc.not {
					t.Errorf("%s: %d %s", name, status, text)
				}
			}
			if status, text := m.putTree(t, 6<<10); status != http.StatusCreated { // adminBody counts here
				t.Errorf("a tree: %d %s", status, text)
			}
		},
	},
	"adminBody": {
		func(l *config.Limits) { l.Body, l.AdminBody = 4<<10, 8<<10 },
		func(t *testing.T, m *member) {
			if status, text := m.putTree(t, 6<<10); status != http.StatusCreated {
				t.Errorf("fits: %d %s", status, text)
			}
			if status, text := m.putTree(t, 8<<10); status != http.StatusRequestEntityTooLarge {
				t.Errorf("larger: %d %s", status, text)
			}
		},
	},
	"header": {
		func(l *config.Limits) { l.Header = 8 << 10 },
		func(t *testing.T, m *member) {
			if status, _ := m.ask(t, http.MethodGet, "/json/health/live", nil, "X-Long", strings.Repeat("x", 7<<10)); status != http.StatusOK {
				t.Errorf("fits: %d", status)
			}
			// net/http allows 4 KiB more than it was told.
			conn := m.dial(t, "GET /am/json/health/live HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 13<<10)+"\r\n\r\n")
			if status := answer(t, conn); status != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("larger: %d", status)
			}
		},
	},
	"headerTime": {
		func(l *config.Limits) { l.HeaderTime = 50 * time.Millisecond },
		func(t *testing.T, m *member) {
			if status := answer(t, m.dial(t, "GET /am/json/health/live HTTP/1.1\r\nHost")); status == http.StatusOK {
				t.Error("half a header is answered")
			}
		},
	},
	"readTime": {
		func(l *config.Limits) { l.ReadTime = 50 * time.Millisecond },
		func(t *testing.T, m *member) {
			if status := answer(t, m.dial(t, half)); status != http.StatusRequestTimeout {
				t.Errorf("half a body is answered %d", status)
			}
		},
	},
	"writeTime": {
		func(l *config.Limits) { l.WriteTime, l.ReadTime = 50*time.Millisecond, 300*time.Millisecond },
		func(t *testing.T, m *member) { // answered after readTime, which is too late
			if status := answer(t, m.dial(t, half)); status != 0 {
				t.Errorf("a late answer came: %d", status)
			}
		},
	},
	"idleTime": {
		func(l *config.Limits) { l.IdleTime = 50 * time.Millisecond },
		func(t *testing.T, m *member) {
			conn := m.dial(t, "GET /am/json/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
			if status := answer(t, conn); status != http.StatusOK {
				t.Fatalf("%d", status)
			}
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as it comes from net
				t.Errorf("an idle connection: %v", err)
			}
		},
	},
	"requestTime": {
		func(l *config.Limits) { l.RequestTime = time.Nanosecond },
		func(t *testing.T, m *member) {
			if status, text := m.login(t, m.demo.Password); status != http.StatusServiceUnavailable {
				t.Errorf("%d %s", status, text)
			}
		},
	},
	"drainTime": {
		func(l *config.Limits) { l.DrainTime = 50 * time.Millisecond },
		func(t *testing.T, m *member) {
			m.awaited(t)
			if err := m.stop(); err == nil || !strings.Contains(err.Error(), "after 50ms were cut") {
				t.Errorf("Run = %v", err)
			}
		},
	},
	"connections": {
		func(l *config.Limits) { l.Connections = 2 },
		func(t *testing.T, m *member) {
			busy := m.awaited(t)
			idle := m.dial(t, "")
			other := m.awaited(t)
			if _, err := idle.Read(make([]byte, 1)); err == nil { // it had to make room
				t.Error("the idle connection is told something")
			}
			if status := answer(t, m.dial(t, "")); status != http.StatusServiceUnavailable {
				t.Errorf("one too many: %d", status)
			}
			for _, conn := range []net.Conn{busy, other} {
				if _, err := io.WriteString(conn, "{}"); err != nil {
					t.Fatal(err)
				}
				if status := answer(t, conn); status != http.StatusOK && status != http.StatusBadRequest {
					t.Errorf("%d", status)
				}
			}
		},
	},
	"requests": {
		func(l *config.Limits) { l.Requests, l.Reserved = 2, 1 },
		func(t *testing.T, m *member) {
			path, body := m.firstPage(t, "wrong")
			counts := tally(func() int { // the same answers wait for each other
				status, _ := m.ask(t, http.MethodPost, path, strings.NewReader(body))
				return status
			})
			if counts[http.StatusUnauthorized] == 0 || counts[http.StatusServiceUnavailable] == 0 || len(counts) != 2 {
				t.Errorf("statuses: %v", counts)
			}
			if got := m.server.Metrics(); got.Refused != int64(counts[http.StatusServiceUnavailable]) {
				t.Errorf("%+v, statuses: %v", got, counts)
			}
		},
	},
	"reserved": {
		func(l *config.Limits) { l.Requests, l.Reserved = 100, 98 },
		func(t *testing.T, m *member) {
			counts := m.guesses(t)
			if counts[http.StatusUnauthorized] == 0 || counts[http.StatusServiceUnavailable] == 0 || len(counts) != 2 {
				t.Errorf("statuses: %v", counts)
			}
			if got := m.server.Metrics(); got.RefusedBegins != int64(counts[http.StatusServiceUnavailable]) || got.Refused > 0 {
				t.Errorf("%+v, statuses: %v", got, counts)
			}
		},
	},
	"streams": {
		func(l *config.Limits) { l.Streams = 1 },
		func(t *testing.T, m *member) {
			header := m.operator()
			request := "GET /am/json/sessions/notifications HTTP/1.1\r\nHost: x\r\n" + header[0] + ": " + header[1] + "\r\n\r\n"
			if line, err := bufio.NewReader(m.dial(t, request)).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
				t.Fatalf("a stream: %q, %v", line, err)
			}
			if status := answer(t, m.dial(t, request)); status != http.StatusServiceUnavailable {
				t.Errorf("one more: %d", status)
			}
		},
	},
	"hashWorkers": {
		func(l *config.Limits) { l.HashWorkers = 3 },
		func(t *testing.T, m *member) {
			if got := m.hashing.Metrics(); got.Workers != 3 {
				t.Errorf("%+v", got)
			}
		},
	},
	"hashQueue": {
		func(l *config.Limits) { l.HashWorkers, l.HashQueue = 1, 1 },
		func(t *testing.T, m *member) {
			counts := m.guesses(t)
			if counts[http.StatusUnauthorized] == 0 || counts[http.StatusServiceUnavailable] == 0 || len(counts) != 2 {
				t.Errorf("statuses: %v", counts)
			}
		},
	},
	"journeys": {
		func(l *config.Limits) { l.Journeys = 2 },
		func(t *testing.T, m *member) {
			var statuses []int
			for range 3 {
				status, _ := m.secondPage(t)
				statuses = append(statuses, status)
			}
			if fmt.Sprint(statuses) != "[200 200 503]" {
				t.Errorf("journeys that wait: %v", statuses)
			}
			if status, text := m.login(t, m.demo.Password); status != http.StatusOK { // it never waits
				t.Errorf("a login of one page: %d %s", status, text)
			}
		},
	},
	"minFreeDisk": {
		func(l *config.Limits) { l.MinFreeDisk = 64 << 20 },
		func(t *testing.T, _ *member) { // one that may not write cannot be seeded
			c := testConfig(t, func(c *config.Config) { c.Limits.MinFreeDisk = 1 << 50 })
			d, err := New(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.store.Ready(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("Ready = %v", err)
			}
		},
	},
}

// unseen limits change nothing that a client of a member alone could see:
// sessions beyond the limit are read from disk, and journeys are handed over to
// nobody.
var unseen = map[string]bool{"sessions": true, "handoverTime": true}

func TestLimits(t *testing.T) {
	for f := range reflect.TypeFor[config.Limits]().Fields() {
		name := f.Tag.Get("yaml")
		tc, ok := limitTests[name]
		if !ok {
			if !unseen[name] {
				t.Errorf("nothing shows that limits.%s acts", name)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			tc.act(t, start(t, testConfig(t, func(c *config.Config) { tc.set(&c.Limits) }), func(d *Daemon, ctx context.Context) error {
				err := d.Run(ctx)
				if name == "drainTime" || err == nil || !strings.Contains(err.Error(), "were cut") {
					return err
				}
				return nil // connections of the test that are still open
			}))
		})
	}
}

// guesses logs in with a wrong password at once from many clients, and counts the
// statuses.
func (m *member) guesses(t *testing.T) map[int]int {
	t.Helper()
	return tally(func() int {
		status, _ := m.login(t, "wrong")
		return status
	})
}

// tally counts the statuses of a request that many clients make at once.
func tally(request func() int) map[int]int {
	const clients = 24
	statuses := make(chan int, clients)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() { statuses <- request() })
	}
	all.Wait()
	close(statuses)
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	return counts
}

// putTree stores a tree whose definition has size bytes.
func (m *member) putTree(t *testing.T, size int) (int, string) {
	t.Helper()
	head, tail := `{"entryNodeId":"70e691a5-1e33-4ac3-a356-e7b6d60d92e0","nodes":{},"staticNodes":{},"description":"`, `"}`
	body := head + strings.Repeat("x", size-len(head)-len(tail)+1) + tail
	return m.ask(t, http.MethodPut, fmt.Sprintf("/json/realm-config/authentication/authenticationtrees/trees/big%d", size),
		strings.NewReader(body), m.operator()...)
}

// secondPage logs in to a journey that then asks again.
func (m *member) secondPage(t *testing.T) (int, string) {
	t.Helper()
	path, body := m.firstPage(t, m.demo.Password)
	return m.ask(t, http.MethodPost, path, strings.NewReader(body))
}

// firstPage begins that journey and fills in its first page.
func (m *member) firstPage(t *testing.T, password string) (path, body string) {
	t.Helper()
	path = "/json/authenticate?authIndexType=service&authIndexValue=Choice"
	status, text := m.ask(t, http.MethodPost, path, nil)
	var step struct {
		AuthID    string           `json:"authId"`
		Callbacks []map[string]any `json:"callbacks"`
	}
	if err := json.Unmarshal([]byte(text), &step); status != http.StatusOK || err != nil || len(step.Callbacks) != 2 {
		t.Fatalf("start: %d %s, %v", status, text, err)
	}
	for i, value := range []string{m.demo.User, password} {
		step.Callbacks[i]["input"].([]any)[0].(map[string]any)["value"] = value
	}
	raw, err := json.Marshal(step)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(raw)
}
