package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// halfLogin begins a login's last step and returns the body, which is not sent
// yet. The member has asked for it ("100 Continue"), so the request is running.
func halfLogin(t *testing.T, m *member, user, password string) (*pipe, []byte) {
	t.Helper()
	reply, err := m.client(t).Start(t.Context(), client.Journey{Tree: "Login"})
	must(t, err)
	must(t, client.Credentials(user, wire.Password(password))(reply.Step))
	body := wire.AppendStep(nil, *reply.Step)
	p := m.pipe(t)
	must(t, p.send(fmt.Appendf(nil, "POST /am/json/authenticate HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))))
	if a, err := p.receive(); err != nil || a.StatusCode != http.StatusContinue {
		t.Fatalf("instead of asking for the body: %v, %v", a.Response, err)
	}
	return p, body
}

// closed reports whether nobody listens any more.
func (m *member) closed() bool {
	conn, err := net.DialTimeout("tcp", m.HTTP, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// TestSignalDrains: a member that is asked to end takes no new connections,
// brings running requests to their end, and ends with exit code 0.
func TestSignalDrains(t *testing.T) {
	p := newPlace(t)
	m := p.start(t)
	slow, rest := halfLogin(t, m, p.seed.User, p.seed.Password)
	m.signal(t, syscall.SIGTERM)
	eventually(t, stopLimit, "the listener is closed", m.closed)
	if m.ended() {
		t.Fatalf("ended with a request running\n%s", m.log)
	}
	must(t, slow.send(rest))
	a, err := slow.receive()
	must(t, err)
	reply, err := wire.DecodeReply(a.body)
	if err != nil || a.StatusCode != http.StatusOK || reply.Success == nil {
		t.Fatalf("the running login was answered %s %s (%v)", a.Status, a.body, err)
	}
	m.wait(t, stopLimit)
	if m.code() != 0 {
		t.Errorf("exit code %d\n%s", m.code(), m.log)
	}
	if m = p.start(t); !valid(t, m.client(t), reply.Success.TokenID) {
		t.Error("the session that was made while draining is lost")
	}
}

// TestSecondSignal: who asks a second time does not wait for running requests.
func TestSecondSignal(t *testing.T) {
	p := newPlace(t)
	m := p.start(t)
	token := login(t, m.client(t), p.seed.User, p.seed.Password)
	halfLogin(t, m, p.seed.User, p.seed.Password)
	m.signal(t, syscall.SIGTERM)
	eventually(t, stopLimit, "the listener is closed", m.closed)
	if m.ended() {
		t.Fatal("ended with a request running: nothing to ask for a second time")
	}
	begun := time.Now()
	m.signal(t, syscall.SIGTERM)
	m.wait(t, stopLimit)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the second signal took %v", took)
	}
	if m.code() == 0 {
		t.Error("exit code 0 though a request was cut")
	}
	if m = p.start(t); !valid(t, m.client(t), token) {
		t.Error("an acknowledged session is lost")
	}
}

// TestSignalUnderLoad: no login is refused because the member ends, and every
// session that was answered is there afterwards. The logins hash with argon2, so
// that some run at any time.
func TestSignalUnderLoad(t *testing.T) {
	const workers = 8
	p := newPlace(t)
	m := p.start(t)
	c := m.client(t)
	var mu sync.Mutex
	var tokens []wire.TokenID
	logins := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(tokens)
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				s, err := c.Login(t.Context(), client.Journey{Tree: "Login"}, client.Credentials(p.seed.User, wire.Password(p.seed.Password)))
				if err != nil {
					refused(t, "login", err)
					return
				}
				mu.Lock()
				tokens = append(tokens, s.TokenID)
				mu.Unlock()
			}
		})
	}
	eventually(t, time.Minute, "some logins", func() bool { return logins() >= workers })
	m.signal(t, syscall.SIGTERM)
	group.Wait()
	m.wait(t, stopLimit)
	if m.code() != 0 {
		t.Errorf("exit code %d\n%s", m.code(), m.log)
	}
	m = p.start(t)
	if bad := invalid(t, m.client(t), tokens); bad > 0 {
		t.Errorf("%d of %d acknowledged sessions are lost", bad, len(tokens))
	}
}
