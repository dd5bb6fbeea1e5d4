package sim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
	"sojourn/http/client"
	"sojourn/http/wire"
)

const (
	deniedSessions = 30
	deniedLife     = time.Minute     // the shortest that a realm can give its sessions
	denialsGo      = 5 * time.Minute // a denial outlives its session by up to two
	applyTime      = time.Second     // until a member that knows of a logout has applied it
)

// TestDenylist: sessions that their holders keep are logged out at one member, and
// are refused at every member when the call returns; they stay so when all members
// are started again; and when the sessions would have ended by themselves, nobody
// keeps anything of them any more.
func TestDenylist(t *testing.T) {
	inThree(t, func(t *testing.T, c *cluster, g *guesser) {
		must(t, g.clients[0].PutSettings(t.Context(), "/", "authentication", []byte(`{"general":{"statelessSessionsEnabled":true}}`)))
		must(t, g.clients[0].PutSettings(t.Context(), "/", "session", []byte(`{"dynamic":{"maxSessionTime":1,"maxIdleTime":1}}`)))

		begun := time.Now()
		var tokens []wire.TokenID
		for i := range deniedSessions {
			reply, err := g.clients[i%3].Start(t.Context(), client.Journey{Username: g.demo.User, Password: wire.Password(g.demo.Password)})
			must(t, err)
			tokens = append(tokens, reply.Success.TokenID)
			g.agree(t, reply.Success.TokenID, true)
		}
		for i, token := range tokens[1:] {
			ended, err := g.clients[i%3].Logout(t.Context(), token)
			if err != nil || !ended {
				t.Fatalf("logout %d: %t, %v", i, ended, err)
			}
			g.agree(t, token, false)
		}
		time.Sleep(applyTime)
		for _, m := range c.members {
			if n := m.running.Denied(); n != deniedSessions-1 {
				t.Errorf("%s has %d denials, want %d", m.name, n, deniedSessions-1)
			}
		}
		must(t, c.all((*member).close))
		c.form(t)
		for _, token := range tokens[1:] {
			g.agree(t, token, false)
		}
		if time.Since(begun) < deniedLife/2 { // else its time may be over
			g.agree(t, tokens[0], true)
		}
		time.Sleep(denialsGo - time.Since(begun))
		for _, m := range c.members {
			if n := m.running.Denied(); n != 0 {
				t.Errorf("%s still has %d denials after the end of all sessions", m.name, n)
			}
		}
		for _, token := range tokens {
			g.agree(t, token, false)
		}
	})
}

// inThree runs a test in virtual time against three members that nothing happens
// to but what the test does; g asks all of them.
func inThree(t *testing.T, test func(t *testing.T, c *cluster, g *guesser)) {
	t.Helper()
	dir := memory(t)
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1, simnet.Options{Latency: 200 * time.Microsecond, Jitter: 300 * time.Microsecond})
		c := newCluster(t, network, 3, dir)
		defer func() {
			if err := c.all((*member).close); err != nil {
				t.Error(err)
			}
			time.Sleep(probeTime)
		}()
		c.form(t)
		demo, err := c.members[0].running.Seed(t.Context())
		must(t, err)
		test(t, c, newGuesser(t, c, demo))
	})
}

// form starts all members and waits until they answer.
func (c *cluster) form(t *testing.T) {
	t.Helper()
	must(t, c.all((*member).start))
	ctx, cancel := context.WithTimeout(t.Context(), formTime)
	defer cancel()
	must(t, c.all(func(m *member) error { return m.ready(ctx) }))
}

// agree wants all members to call a session valid, or none.
func (g *guesser) agree(t *testing.T, token wire.TokenID, want bool) {
	t.Helper()
	for i, c := range g.clients {
		v, err := c.Peek(t.Context(), token)
		if err != nil || v.Valid != want {
			t.Errorf("member %d calls a session valid: %t, %v; want %t", i+1, v.Valid, err, want)
		}
	}
}
