package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sojourn/http/client"
)

// TestNoHeaderInjection puts line ends wherever a client may put text, encoded
// or bare. No answer may have a header field that a client made up.
func TestNoHeaderInjection(t *testing.T) {
	p := newPlace(t)
	m := p.start(t, "--set", "http.trustTransactionID=true")
	c := m.client(t)
	token := login(t, c, p.seed.User, p.seed.Password)
	const encoded, bare = "%0d%0aSet-Cookie:%20made=up", "\r\n Made-Up: yes"
	for _, tt := range []struct {
		name    string
		request request
	}{
		{"realm in the path", request{target: "/am/json/realms/root/realms/x" + encoded + "/authenticate"}},
		{"realm in the query", request{target: "/am/json/authenticate?realm=/x" + encoded}},
		{"tree", request{target: "/am/json/authenticate?authIndexType=service&authIndexValue=x" + encoded}},
		{"goto", request{target: "/am/json/authenticate?goto=http://localhost/" + encoded, header: "iPlanetDirectoryPro: " + string(token) + "\r\n"}},
		{"gotoOnFail", request{target: "/am/json/authenticate?gotoOnFail=http://localhost/" + encoded, header: "X-OpenAM-Username: demo\r\nX-OpenAM-Password: x\r\n"}},
		{"locale", request{target: "/am/json/authenticate?locale=en" + encoded}},
		{"endpoint", request{target: "/am/json/x" + encoded}},
		{"path", request{target: "/" + encoded}},
		{"action", request{target: "/am/json/sessions?_action=x" + encoded, header: "iPlanetDirectoryPro: x\r\n", body: "{}"}},
		{"folded field", request{header: "X-OpenAM-Username: demo" + bare + "\r\nX-OpenAM-Password: x\r\n"}},
		{"encoded user name", request{header: "X-OpenAM-Username: =?UTF-8?B?ZGVtbw0KTWFkZS1VcDogeWVz?=\r\nX-OpenAM-Password: x\r\n"}},
		{"bare carriage return", request{header: "X-OpenAM-Username: demo\rMade-Up: yes\r\n"}},
		{"NUL", request{header: "X-OpenAM-Username: demo\x00Made-Up: yes\r\n"}},
		{"origin", request{header: "Origin: http://localhost:8765" + bare + "\r\n"}},
		{"transaction id", request{header: "X-ForgeRock-TransactionId: x" + bare + "\r\n", target: "/am/json/x"}},
		{"version", request{header: "Accept-API-Version: resource=9" + bare + "\r\n"}},
		{"two lengths", request{header: "Content-Length: 5\r\n", body: "{}"}},
		{"length and chunks", request{header: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", body: "0\r\n\r\n"}},
		{"no host", request{header: "Host: second\r\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := m.pipe(t)
			must(t, conn.send(tt.request.bytes()))
			a, err := conn.receive()
			must(t, err)
			if a.StatusCode >= 500 && a.StatusCode != http.StatusNotImplemented {
				t.Errorf("%s: %s", a.Status, a.body)
			}
			for name, values := range a.Header {
				// A value that the client chose may come back as one line.
				if name == "Made-Up" || name == "Set-Cookie" && strings.HasPrefix(values[0], "made=") {
					t.Errorf("%s: header %s: %q", a.Status, name, values)
				}
			}
			if err := c.Live(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSlowClients: who takes too long for header or body is refused or cut in
// the time that is configured, while others are served.
func TestSlowClients(t *testing.T) {
	const allowed = 300 * time.Millisecond
	p := newPlace(t)
	m := p.start(t, "--set", "limits.readTime="+allowed.String(), "--set", "limits.headerTime="+allowed.String(), "--set", "limits.idleTime="+allowed.String())
	const head = "POST /am/json/authenticate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, tt := range []struct {
		name, sent string
		status     int // 0: the connection is closed without an answer
	}{
		{"no body", head + "Content-Length: 100\r\n\r\n", 408},
		{"half a body", head + "Content-Length: 100\r\n\r\n{\"a\":", 408},
		{"a chunk without an end", head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\"", 408},
		{"half a header", head, 0},
		{"nothing", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := m.pipe(t)
			begun := time.Now()
			must(t, conn.send([]byte(tt.sent)))
			// A client of its own: one that was idle may just be losing its connection.
			if _, err := m.client(t).Start(t.Context(), client.Journey{Tree: "Login"}); err != nil {
				t.Errorf("meanwhile a start fails: %v", err)
			}
			a, err := conn.receive()
			took := time.Since(begun)
			if took < allowed/2 || took > 20*allowed {
				t.Errorf("took %v, allowed is %v", took, allowed)
			}
			switch {
			case tt.status == 0 && !closedByPeer(err):
				t.Errorf("instead of closing: %v, %v", a.Response, err)
			case tt.status != 0 && err != nil:
				t.Error(err)
			case tt.status != 0:
				amShaped(t, a, tt.status, "")
			}
		})
	}
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// TestIdleConnections: ten thousand clients that connect and say nothing keep
// nobody else from logging in, and their cost is bounded.
func TestIdleConnections(t *testing.T) {
	n := pick(10_000, 4_000, 4_000)
	var files syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if room := int(min(files.Cur, 1<<20)) - 200; room < n { //nolint:gosec // bounded
		t.Logf("only %d open files are allowed", files.Cur)
		n = room
	}
	p := newPlace(t)
	m := p.start(t, "--set", "limits.headerTime=1m")
	c := m.client(t)
	login(t, c, p.seed.User, p.seed.Password) // argon2 takes memory of its own
	before := m.settled(t)
	for i := range n {
		conn, err := net.DialTimeout("tcp", m.HTTP, 5*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	eventually(t, 30*time.Second, "all connections are open on both sides", func() bool { return m.openFiles(t) >= n })
	begun := time.Now()
	login(t, c, p.seed.User, p.seed.Password)
	took := time.Since(begun)
	after := m.settled(t)
	t.Logf("%d idle connections: %s more, %d bytes each; a login beside them takes %v", n, inMiB(after-before), (after-before)/int64(n), took.Round(time.Millisecond))
	if each := (after - before) / int64(n); each > 32<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
}

func (m *member) openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.pid()))
	must(t, err)
	return len(names)
}
