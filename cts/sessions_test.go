package cts

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/session"
)

// movable is a clock that tests move.
type movable struct{ nanos atomic.Int64 }

func clockAt(t time.Time) *movable {
	c := &movable{}
	c.nanos.Store(t.UnixNano())
	return c
}

func (c *movable) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *movable) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// keys counts what is stored, by the kind of key, and checks count and sum.
func keys(t testing.TB, s *Store) map[byte]int {
	t.Helper()
	kinds := map[byte]int{}
	var got, want command.Totals
	err := s.fsm.View(func(v fsm.View) error {
		meta, err := v.Meta()
		if err != nil {
			return err
		}
		want = meta.Totals
		return v.Scan(nil, nil, func(key, value []byte) (bool, error) {
			if !command.Own(key) {
				fsm.Add(&got, key, value)
				kinds[key[0]]++
			}
			return true, nil
		})
	})
	if err == nil && got != want {
		t.Fatalf("the store has %+v, and should have %+v", got, want)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// The sweeper empties any backlog, and nothing is left of sessions and their
// journeys when all their limits have passed.
func TestSweepCatchesUp(t *testing.T) {
	clock := clockAt(time.Now())
	c := testConfig(t, t.TempDir())
	c.Now, c.SweepInterval = clock.now, 10*time.Millisecond
	s := openStore(t, c)
	const n = 3*command.MaxExpire + 17
	var writers sync.WaitGroup
	for w := range uint64(8) {
		writers.Go(func() {
			for i := w; i < n; i += 8 {
				if _, err := s.Create(t.Context(), session.Creation{Session: aSession(i, clock.now())}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if got := keys(t, s); !maps.Equal(got, map[byte]int{'s': n, 'u': n, 'e': n, 'j': n}) {
		t.Fatalf("keys = %v", got)
	}
	clock.advance(35 * time.Minute) // idle, and the slack of the sweep
	until(t, "sessions swept", func() bool { return keys(t, s)['s'] == 0 })
	if got := keys(t, s); !maps.Equal(got, map[byte]int{'e': n, 'j': n}) {
		t.Errorf("keys = %v; the journeys are remembered until the longest life is over", got)
	}
	clock.advance(2 * time.Hour)
	until(t, "journeys swept", func() bool { return len(keys(t, s)) == 0 })
}

// A late sweep makes no session live longer, an early one ends none.
func TestSweepMindsTouches(t *testing.T) {
	clock := clockAt(time.Now())
	c := testConfig(t, t.TempDir())
	c.Now, c.SweepInterval, c.FlushInterval = clock.now, 5*time.Millisecond, 5*time.Millisecond
	s := openStore(t, c)
	x := aSession(1, clock.now())
	x.Policy.MaxSession = 0
	if _, err := s.Create(t.Context(), session.Creation{Session: x}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		clock.advance(29 * time.Minute)
		written := s.Metrics().Touches
		s.Touch(x.ID, clock.now())
		until(t, "touch written", func() bool { return s.Metrics().Touches > written })
		s.sweepSome()
		if _, err := s.Session(t.Context(), x.ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(30 * time.Minute)
	if _, err := s.Session(t.Context(), x.ID, 0); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("an idle session = %v", err)
	}
	clock.advance(3 * time.Minute)
	until(t, "swept", func() bool { return keys(t, s)['s'] == 0 })
}

// A latest access is written once per interval, survives Close, and survives
// being forgotten by the memory.
func TestTouchIsWritten(t *testing.T) {
	clock := clockAt(time.Now().Truncate(time.Second))
	c := testConfig(t, t.TempDir())
	c.Now, c.HotSessions = clock.now, 1
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	x := aSession(1, clock.now())
	for _, one := range []session.Session{x, aSession(2, clock.now())} { // the second pushes the first out
		if _, err := s.Create(t.Context(), session.Creation{Session: one}); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		clock.advance(20 * time.Second)
		s.Touch(x.ID, clock.now())
	}
	if len(s.touches.pending) != 1 {
		t.Errorf("%d accesses wait to be written", len(s.touches.pending))
	}
	if got, err := s.Session(t.Context(), x.ID, 0); err != nil || !got.LastAccess.Equal(clock.now()) {
		t.Errorf("latest access %v, %v, want %v", got.LastAccess, err, clock.now())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, c)
	got, err := s.Session(t.Context(), x.ID, 0)
	if err != nil || clock.now().Sub(got.LastAccess) >= x.Policy.TouchInterval {
		t.Errorf("latest access %v, %v, want %v or up to a minute earlier", got.LastAccess, err, clock.now())
	}
	m := s.Metrics()
	if m.Touches > 0 {
		t.Errorf("%d accesses written after a restart", m.Touches)
	}
}

// A member that has not applied the index of a token waits; an index that was
// never written is told from one that is on its way.
func TestSessionWaitsForItsIndex(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	if _, err := s.Session(t.Context(), session.ID{1}, 1<<40); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("an index beyond the log = %v", err)
	}
	// As on a member that follows and lags: it cannot know where the log ends.
	s.writes.term.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Session(ctx, session.ID{1}, s.Applied()+1); unavailableReason(err) == "" {
		t.Errorf("an index that does not come = %v", err)
	}
	term := s.raft.CurrentTerm()
	x := aSession(1, time.Now())
	found := make(chan error, 1)
	index := s.raft.LastIndex() + 1
	go func() {
		_, err := s.Session(t.Context(), x.ID, index)
		found <- err
	}()
	until(t, "reader waits", func() bool { return s.model.Misses() > 2 })
	if _, err := s.do(t.Context(), command.PutSession{Session: x}, true, term, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-found; err != nil {
		t.Errorf("a session that came while its reader waited = %v", err)
	}
}

func TestWriteThatTakesTooLongIsUnknown(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := aSession(1, time.Now())
	_, err := s.Create(ctx, session.Creation{Session: x})
	var down *session.UnavailableError
	if err != nil && (!errors.As(err, &down) || !down.Unknown) {
		t.Fatalf("Create = %v", err)
	}
	// Asked again, the same journey has its one session.
	if _, err = s.Create(t.Context(), session.Creation{Session: x}); err != nil {
		t.Error(err)
	}
	if got := keys(t, s); got['s'] != 1 {
		t.Errorf("keys = %v", got)
	}
	// A lock is not given up with the wait.
	for range 50 {
		_, _ = s.SetProperties(ctx, x.ID, map[string]string{"a": "1"})
	}
	if _, err := s.SetProperties(t.Context(), x.ID, map[string]string{"b": "1"}); err != nil {
		t.Error(err)
	}
}

func TestClosedStoreSaysUnavailable(t *testing.T) {
	s, err := Open(t.Context(), testConfig(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, sessionErr := s.Session(t.Context(), session.ID{1}, 0)
	_, createErr := s.Create(t.Context(), session.Creation{Session: aSession(1, time.Now())})
	_, listErr := s.Documents(t.Context(), realm.KindTree, realm.Root)
	for what, err := range map[string]error{"Session": sessionErr, "Create": createErr, "Documents": listErr} {
		if unavailableReason(err) == "" {
			t.Errorf("%s = %v", what, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStaleDecisionIsNotCarriedOut(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	x := aSession(1, time.Now())
	_, err := s.do(t.Context(), command.PutSession{Session: x}, true, s.writes.term.Load()+1, nil)
	if unavailableReason(err) == "" {
		t.Errorf("a decision of another term = %v", err)
	}
	if _, err := s.Session(t.Context(), x.ID, 0); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("it was carried out: %v", err)
	}
}

func TestLimits(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	long := strings.Repeat("x", maxNameBytes+1)
	x := aSession(1, time.Now())
	x.Principal.Username = long
	_, created := s.Create(t.Context(), session.Creation{Session: x})
	d := realm.Document{Kind: realm.KindTree, Realm: "/", ID: "x", Body: make([]byte, realm.MaxDocument+1)}
	_, _, put := s.PutDocument(t.Context(), d, realm.Precondition{})
	_, _, named := s.PutDocument(t.Context(), realm.Document{Kind: realm.KindTree, Realm: "/", ID: long}, realm.Precondition{})
	mail := identity.Identity{Realm: "/", Name: "x", Attributes: map[string][]string{"mail": {long}}}
	wide := identity.Identity{Realm: "/", Name: "x", Attributes: map[string][]string{"sn": {strings.Repeat("x", command.MaxCommand)}}}
	for says, err := range map[string]error{
		"a user's name of 1025 bytes is larger than the store takes: at most 1024":      created,
		"a document of 1048577 bytes is larger than the store takes: at most 1048576":   put,
		"a document's id of 1025 bytes is larger than the store takes: at most 1024":    named,
		"the attribute mail of 1025 bytes is larger than the store takes: at most 1024": s.PutIdentity(t.Context(), mail, true),
		"an identity of 1114161 bytes is larger than the store takes: at most 262144":   s.PutIdentity(t.Context(), wide, true),
	} {
		if !errors.Is(err, ErrLimit) || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
	d.Body = d.Body[:realm.MaxDocument]
	if _, _, err := s.PutDocument(t.Context(), d, realm.Precondition{}); err != nil {
		t.Errorf("the largest document = %v", err)
	}
	if _, err := s.Delete(t.Context(), session.Logout, make([]session.ID, command.MaxDelete+1)...); err == nil {
		t.Error("too many deletes at once are taken")
	}
}

// Readers, writers and a checkpoint at once; then a restart finds the same.
func TestConcurrentUse(t *testing.T) {
	c := testConfig(t, t.TempDir())
	c.HotSessions, c.SweepInterval, c.FlushInterval = 50, 20*time.Millisecond, 5*time.Millisecond
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range uint64(6) {
		all.Go(func() {
			for i := range uint64(60) {
				x := aSession(w*1000+i, time.Now())
				if _, err := s.Create(t.Context(), session.Creation{Session: x}); err != nil {
					t.Error(err)
				}
				s.Touch(x.ID, time.Now().Add(2*time.Minute))
				if _, err := s.SetProperties(t.Context(), x.ID, map[string]string{"i": strconv.FormatUint(i, 10)}); err != nil {
					t.Error(err)
				}
				got, err := s.Session(t.Context(), x.ID, 0)
				if err != nil || got.Properties["i"] != strconv.FormatUint(i, 10) {
					t.Errorf("read after write: %v, %v", got.Properties, err)
				}
				if i%2 == 0 {
					if _, err := s.Delete(t.Context(), session.Logout, x.ID); err != nil {
						t.Error(err)
					}
					if _, err := s.Session(t.Context(), x.ID, 0); !errors.Is(err, session.ErrNotFound) {
						t.Errorf("read after delete: %v", err)
					}
				}
			}
		})
	}
	all.Go(func() {
		for range 5 {
			if err := s.takeCheckpoint(); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	before := keys(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, c)
	after := keys(t, s)
	if before['s'] != 6*30 || before['s'] != after['s'] || before['u'] != after['u'] || before['j'] != after['j'] {
		t.Errorf("keys before %v, after %v", before, after)
	}
}

// Ready in well under a second with 100,000 sessions, also after a kill and
// after a power cut.
func TestStartWithManySessions(t *testing.T) {
	if testing.Short() {
		t.Skip("creates 150,000 sessions")
	}
	killed := filepath.Join(t.TempDir(), "cts")
	alive := map[session.ID]bool{}
	acknowledged(t, child(t, killed, "", 0, manySessions/2*5, nil), alive)
	want := 0
	for _, lives := range alive {
		if lives {
			want++
		}
	}
	if want < manySessions {
		t.Fatalf("%d sessions", want)
	}
	for _, boot := range []string{"", "another kernel"} {
		dir := filepath.Join(t.TempDir(), "cts")
		if err := os.CopyFS(dir, os.DirFS(killed)); err != nil {
			t.Fatal(err)
		}
		c := testConfig(t, dir)
		if boot != "" {
			c.boot = func() (string, error) { return boot, nil }
		}
		began := time.Now()
		s := openStore(t, c)
		took := time.Since(began)
		t.Logf("%d sessions: ready after %v (boot %q)", want, took.Round(time.Millisecond), boot)
		if got := keys(t, s)['s']; got < want {
			t.Errorf("%d sessions, want at least %d", got, want)
		}
		if boot == "" && took > 5*time.Second { // under a second on an idle machine
			t.Errorf("ready after %v", took)
		}
	}
}
