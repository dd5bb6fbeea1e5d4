package cts

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/cts/command"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// denySome denies n sessions, and one user for each hundred of them.
func denySome(t testing.TB, s *Store, n uint64, until time.Time) {
	t.Helper()
	var some []session.Denial
	for i := range n {
		some = append(some, session.Denial{ID: newDenial(i, false).session.ID, Until: until.Add(time.Duration(i%7) * time.Minute)})
		if len(some) == command.MaxDeny || i == n-1 {
			if err := s.Deny(t.Context(), session.Logout, some...); err != nil {
				t.Fatal(err)
			}
			some = some[:0]
		}
		if i%100 == 0 {
			if err := s.DenyUser(t.Context(), "/alpha", fmt.Sprint("denied", i), s.config.Now(), until); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Nothing is left of denials and tokens when their time is over: not on disk, not
// in memory.
func TestDenialsShrinkToNothing(t *testing.T) {
	clock := clockAt(time.Now())
	c := testConfig(t, t.TempDir())
	c.Now, c.SweepInterval = clock.now, 10*time.Millisecond
	s := openStore(t, c)
	const n = 3*command.MaxExpire + 17
	denySome(t, s, n, clock.now().Add(time.Hour))
	for i := range uint64(50) {
		if _, _, err := s.PutToken(t.Context(), aToken(i, clock.now())); err != nil {
			t.Fatal(err)
		}
	}
	all := s.denials.Load()
	if got := keys(t, s); got['n'] != n || got['b'] != 16 || got['k'] != 50 || all.Len() != n || all.Users() != 16 || all.Bytes() == 0 {
		t.Fatalf("%v, in memory %d and %d", got, all.Len(), all.Users())
	}
	clock.advance(59 * time.Minute)
	if yes, err := s.Denied(t.Context(), newDenial(3, false).session); err != nil || !yes {
		t.Errorf("before the end: denied %v, %v", yes, err)
	}
	clock.advance(time.Hour)
	until(t, "everything swept", func() bool { return len(keys(t, s)) == 0 })
	if all.Len() != 0 || all.Users() != 0 || all.Bytes() != 0 {
		t.Errorf("left in memory: %d sessions, %d users, %d bytes", all.Len(), all.Users(), all.Bytes())
	}
	if yes, err := s.Denied(t.Context(), newDenial(3, false).session); err != nil || yes {
		t.Errorf("after all: denied %v, %v", yes, err)
	}
}

// A restart and a restore keep what is denied, and tokens.
func TestDenialsSurvive(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	denySome(t, s, 200, end)
	p := aToken(1, time.Now())
	if _, _, err := s.PutToken(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := errors.Join(s.Backup(t.Context(), &backup), s.Close()); err != nil {
		t.Fatal(err)
	}
	same := func(what string, s *Store) {
		t.Helper()
		if all := s.denials.Load(); all.Len() != 200 || all.Users() != 2 {
			t.Errorf("%s: %d sessions and %d users are denied", what, all.Len(), all.Users())
		}
		one := newDenial(100, false).session
		one.ID, one.Created = session.ID{1}, time.Now().Add(-time.Hour)
		if yes, err := s.Denied(t.Context(), one); err != nil || !yes {
			t.Errorf("%s: with all of its user: denied %v, %v", what, yes, err)
		}
		if now, err := s.Token(t.Context(), p.Kind, p.ID, 0); err != nil || now.Seq != 1 || !bytes.Equal(now.Body, p.Body) {
			t.Errorf("%s: token %d, %v", what, now.Seq, err)
		}
	}
	same("started again", openStore(t, c))
	other := openStore(t, testConfig(t, t.TempDir()))
	if err := other.Deny(t.Context(), session.Logout, session.Denial{ID: session.ID{9}, Until: end}); err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	same("restored elsewhere", other)
}

func TestDenyRefuses(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	before := s.Applied()
	if err := s.Deny(t.Context(), session.Logout, session.Denial{ID: session.ID{1}}); !errors.Is(err, errEndless) {
		t.Errorf("without an end: %v", err)
	}
	if err := s.DenyUser(t.Context(), "/", "u", time.Now(), time.Time{}); !errors.Is(err, errEndless) {
		t.Errorf("a user's without an end: %v", err)
	}
	if err := s.Deny(t.Context(), session.Logout, session.Denial{ID: session.ID{1}, Until: time.Now().Add(-time.Hour)}); err != nil {
		t.Errorf("what has ended: %v", err)
	}
	if s.Applied() != before {
		t.Error("something was written")
	}
	if err := s.DenyUser(t.Context(), "/", string(make([]byte, maxNameBytes+1)), time.Now(), time.Now().Add(time.Hour)); !errors.Is(err, ErrLimit) {
		t.Errorf("a user's with a long name: %v", err)
	}
	if _, _, err := s.PutToken(t.Context(), token.Put{Kind: token.Journey, Expires: time.Now().Add(time.Hour), Body: make([]byte, token.MaxBody+1)}); !errors.Is(err, ErrLimit) {
		t.Errorf("a long token: %v", err)
	}
}

// While a snapshot takes the store's place, the tombstones of what it has are gone
// and its denials are not there yet: whoever has begun to look is not told that
// nothing is denied.
func TestDeniedDuringASnapshot(t *testing.T) {
	c := testConfig(t, t.TempDir())
	var began atomic.Pointer[func()] // what happens when the clock is looked at, once
	c.Boottime = func() time.Duration {
		if f := began.Swap(nil); f != nil {
			(*f)()
		}
		return boottime()
	}
	s := openStore(t, c)
	x := newDenial(1, false).session
	s.leases.until.Store(forever - 1) // so that the clock is looked at
	install := func() { s.gate.set(installing, "this member is catching up") }
	began.Store(&install)
	if yes, err := s.Denied(t.Context(), x); yes || unavailableReason(err) == "" || began.Load() != nil {
		t.Errorf("a snapshot comes: denied %t, %v, the clock was not looked at: %t", yes, err, began.Load() != nil)
	}
	all := s.denials.Load()
	s.reloadDenials()
	s.gate.set(installing, "")
	if err := s.unreplaced(all); unavailableReason(err) == "" {
		t.Errorf("a snapshot came: %v", err)
	}
	if yes, err := s.Denied(t.Context(), x); yes || err != nil {
		t.Errorf("afterwards: denied %t, %v", yes, err)
	}
}

// BenchmarkOpenWithDenials tells what denials add to a start.
func BenchmarkOpenWithDenials(b *testing.B) {
	for _, n := range []uint64{0, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := testConfig(b, b.TempDir())
			s := openStore(b, c)
			denySome(b, s, n, time.Now().Add(time.Hour))
			b.ReportMetric(float64(s.denials.Load().Bytes())/float64(max(n, 1)), "B/denial")
			for b.Loop() {
				if err := s.loadDenials(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDenied is the question that each request with a client-side session
// asks, answered no.
func BenchmarkDenied(b *testing.B) {
	s := openStore(b, testConfig(b, b.TempDir()))
	denySome(b, s, 100_000, time.Now().Add(time.Hour))
	x := newDenial(1_000_000, false).session
	b.ReportAllocs()
	for b.Loop() {
		if yes, err := s.Denied(b.Context(), x); err != nil || yes {
			b.Fatal(yes, err)
		}
	}
}
