package cts

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// login creates a session at a member and returns it with its index.
func login(t *testing.T, at *member, n uint64) (session.Session, uint64) {
	t.Helper()
	made, err := at.Create(t.Context(), session.Creation{Session: aSession(n, time.Now())})
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	return made.Session, made.Index
}

// A session created at one member is valid at every other at once, and ended at
// one it is valid nowhere when that is acknowledged.
func TestSessionsOnEveryMember(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		names := c.names()
		for n := range uint64(30) {
			time.Sleep(137 * time.Millisecond) // some of them find an idle log
			at, other, third := c.member(names[n%3]), c.member(names[(n+1)%3]), c.member(names[(n+2)%3])
			x, index := login(t, at, n)
			for _, m := range []*member{at, other, third} {
				if _, err := m.Session(t.Context(), x.ID, index); err != nil {
					t.Errorf("login %d: %v", n, err)
				}
			}
			next := aSession(1000+n, time.Now())
			ended := x.ID
			if n%2 == 0 {
				if found, err := other.Delete(t.Context(), session.Logout, x.ID); err != nil || !found[0] {
					t.Errorf("logout %d: %v, %v", n, found, err)
				}
			} else if _, err := other.Create(t.Context(), session.Creation{Session: next, Replaces: &session.Session{ID: ended}}); err != nil {
				t.Errorf("upgrade %d: %v", n, err)
			}
			for _, m := range []*member{third, at, other} {
				if _, err := m.Session(t.Context(), x.ID, index); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("after logout %d: %v", n, err)
				}
			}
		}
	})
}

// A member that has not applied a logout says that the session has ended, since
// it has acknowledged that.
func TestLogoutDoesNotWaitForTheLog(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		behind := c.member(c.others(name)[0])
		x, index := login(t, leader, 1)
		if _, err := behind.Session(t.Context(), x.ID, index); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		began := time.Now()
		if _, err := leader.Delete(t.Context(), session.Logout, x.ID); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		if applied := behind.Applied(); applied >= leader.Applied() {
			t.Fatalf("the log was not behind: %d", applied)
		}
		if _, err := behind.Session(t.Context(), x.ID, index); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("session = %v", err)
		}
		if found, err := behind.SessionsOf(t.Context(), "/alpha", x.Principal.Username, session.ID{}, 9); err != nil || len(found) > 0 {
			t.Errorf("sessions of the user = %v, %v", found, err)
		}
		if took > 10*time.Millisecond {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Second)
		if n := behind.tombstones.count.Load(); n != 0 {
			t.Errorf("%d tombstones are left", n)
		}
	})
}

// A logout waits for a member that does not answer, as long as it may answer
// reads, and no longer.
func TestLogoutWaitsForLeases(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		lost := c.others(name)[0]
		x, index := login(t, leader, 1)
		if _, err := c.member(lost).Session(t.Context(), x.ID, index); err != nil {
			t.Fatal(err)
		}
		c.isolate(lost)
		ended := make(chan error, 1)
		go func() {
			_, err := leader.Delete(t.Context(), session.Logout, x.ID)
			ended <- err
		}()
		served := 0
		for done := false; !done; {
			_, err := c.member(lost).Session(brief(t), x.ID, index)
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
				done = true
			default:
				if err == nil {
					served++
				}
			}
			time.Sleep(time.Millisecond)
		}
		if served < 100 {
			t.Errorf("the member had no lease to wait for: it answered %d reads", served)
		}
		// From now on nobody may call it valid.
		if _, err := c.member(lost).Session(t.Context(), x.ID, index); unavailableReason(err) == "" {
			t.Errorf("the lost member = %v", err)
		}
		c.heal()
		c.until("refusal", func() bool {
			_, err := c.member(lost).Session(t.Context(), x.ID, index)
			return errors.Is(err, session.ErrNotFound)
		})
	})
}

// brief is a context that ends at once, for reads that are not to wait.
func brief(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// The side without a majority stops to answer when its leases run out, and never
// says that a session does not exist; the other side goes on.
func TestMinority(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, old := c.leader()
		others := c.others(name)
		x, index := login(t, old, 1)
		c.isolate(name)
		cut := time.Now()
		newName, leader := c.leader(others...)
		if newName == name {
			t.Fatal("the isolated member leads")
		}
		gap := time.Since(cut)
		y, yIndex := login(t, leader, 2)
		if _, err := leader.Delete(t.Context(), session.Logout, x.ID); err != nil {
			t.Fatal(err)
		}
		t.Logf("next leader ready %v after the cut, logout acknowledged after %v", gap, time.Since(cut))
		for range 50 {
			_, errX := old.Session(brief(t), x.ID, index)
			_, errY := old.Session(brief(t), y.ID, yIndex)
			_, errZ := old.Session(brief(t), session.ID{9}, 0)
			for _, err := range []error{errX, errY, errZ, old.Ready()} {
				if unavailableReason(err) == "" {
					t.Fatalf("the minority answers %v", err)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		began := time.Now()
		_, err := old.Create(t.Context(), session.Creation{Session: aSession(3, time.Now())})
		if took := time.Since(began); unavailableReason(err) == "" || took > 3*time.Second {
			t.Errorf("a write at the minority = %v after %v", err, took)
		}
		c.heal()
		c.until("the isolated member to be back", func() bool { return old.Ready() == nil })
		if _, err := old.Session(t.Context(), x.ID, index); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("ended meanwhile: %v", err)
		}
		if _, err := old.Session(t.Context(), y.ID, yIndex); err != nil {
			t.Errorf("created meanwhile: %v", err)
		}
	})
}

// When the leader dies, writes go on at the next one, and callers only wait.
func TestLeaderGone(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		for round := range uint64(3) {
			name, leader := c.leader()
			others := c.others(name)
			x, index := login(t, leader, round)
			var gap time.Duration
			done := make(chan error, 1)
			go func() {
				for n := uint64(0); ; n++ {
					began := time.Now()
					_, err := c.member(others[n%2]).Create(t.Context(), session.Creation{Session: aSession(1000+100*round+n, time.Now())})
					gap = max(gap, time.Since(began))
					if err != nil || n == 90 {
						done <- err
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
			time.Sleep(100 * time.Millisecond)
			c.kill(name)
			if err := <-done; err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			t.Logf("round %d: longest login %v", round, gap)
			if gap > 2500*time.Millisecond {
				t.Errorf("round %d: a login took %v", round, gap)
			}
			for _, other := range others {
				if _, err := c.member(other).Session(t.Context(), x.ID, index); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
			c.start(name)
			c.formed(3)
		}
	})
}

// A planned stop hands leadership over: nobody waits for an election.
func TestLeaderLeaves(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, _ := c.leader()
		other := c.member(c.others(name)[0])
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			c.stop(name)
		}()
		began := time.Now()
		for n := range uint64(20) {
			login(t, other, n)
			time.Sleep(5 * time.Millisecond)
		}
		if took := time.Since(began); took > 400*time.Millisecond {
			t.Errorf("20 logins took %v", took)
		}
		<-stopped
	})
}

// An answer to "which term?" that is held back proves nothing about the time
// when it arrives.
func TestLeaderThatIsDeafGrantsNothing(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		leader.network.mu.Lock()
		leader.network.lose = func(_ string, body []byte) bool {
			request, err := peer.DecodeRequest(body)
			_, term := request.(peer.Term)
			return err == nil && term
		}
		leader.network.mu.Unlock()
		time.Sleep(leaseLife + leaseLife/2)
		for _, n := range c.names() {
			if err := c.member(n).Ready(); unavailableReason(err) == "" {
				t.Errorf("%s (leader %s) = %v", n, name, err)
			}
		}
	})
}

// A member that has caught up lists the sessions that were made elsewhere before,
// however far behind it was.
func TestCatchUp(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		leader, at := c.leader()
		behind := 0
		for n := range uint64(20) {
			time.Sleep(137 * time.Millisecond)
			x, _ := login(t, at, n+1) // an id of zeroes is none to list
			m := c.member(c.others(leader)[n%2])
			listed := func() bool {
				t.Helper()
				all, err := m.SessionsOf(t.Context(), x.Principal.Realm, x.Principal.Username, session.ID{}, 100)
				if err != nil {
					t.Fatal(err)
				}
				return slices.ContainsFunc(all, func(y session.Session) bool { return y.ID == x.ID })
			}
			if !listed() {
				behind++
			}
			catchUp := m.CatchUp
			if n%4 > 1 { // a leader of the release before tells no index
				catchUp = func(ctx context.Context) error { return m.caughtUp(ctx, m.config.Boottime(), 0) }
			}
			if err := catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !listed() {
				t.Errorf("session %d is missing after catching up", n)
			}
		}
		if behind == 0 {
			t.Error("no member was ever behind: nothing was shown")
		}
		c.isolate(c.others(leader)[0])
		time.Sleep(10 * time.Second)
		var down *session.UnavailableError
		if err := c.member(c.others(leader)[0]).CatchUp(t.Context()); !errors.As(err, &down) {
			t.Errorf("a member that is cut off has caught up: %v", err)
		}
		c.heal()
	})
}
