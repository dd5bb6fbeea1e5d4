package actors

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
)

// guessers are members with one store between them, whose journeys log demo in.
type guessers struct {
	store   *memoryUsers
	members []*Embedded
	effects []*effects
}

func newGuessers(t *testing.T, members int) *guessers {
	t.Helper()
	g := &guessers{store: newUsers(identity.Identity{Name: "demo", Hash: hashOf(t, horse)})}
	for range members {
		e := newEmbedded(t, EmbeddedConfig{Users: g.store, Hashing: newHashing(t, HashingConfig{Workers: 1, Queue: 4096})})
		g.members = append(g.members, e)
		g.effects = append(g.effects, &effects{users: e, logger: slog.New(slog.DiscardHandler)})
	}
	return g
}

// login runs the effects of a login's only step, as the nth journey, at a member:
// the check, and after a wrong password the count of the failure.
func (g *guessers) login(ctx context.Context, n int, password identity.Secret, lockout realm.Lockout) (identity.Verdict, error) {
	e := g.effects[n%len(g.effects)]
	once := Once{Journey: journey.ID{byte(n >> 8), byte(n)}, Step: 1, Until: time.Now().Add(5 * time.Minute)}
	result, err := e.run(ctx, once, "/", node.Authenticate{User: "demo", Password: password, Lockout: lockout})
	if err != nil {
		return identity.Mismatch, err
	}
	verdict := result.(node.Authenticated).Verdict
	if verdict == identity.Match || verdict == identity.Barred {
		return verdict, nil
	}
	once.N++
	_, err = e.run(ctx, once, "/", node.Update{User: "demo", Change: identity.CountFailure{At: time.Now(), Policy: lockout}})
	return verdict, err
}

func (g *guessers) checked() (n uint64) {
	for _, m := range g.members {
		n += m.Metrics().Checked
	}
	return n
}

func limited(failures int) realm.Lockout {
	return realm.Lockout{Enabled: true, Failures: failures, Window: 5 * time.Minute, Multiplier: 1}
}

func TestParallelWrongGuesses(t *testing.T) {
	const limit = 5
	g := newGuessers(t, 3)
	slow := identity.Params{Memory: 8 << 10, Time: 2, Threads: 1} // so that checks meet
	hash, err := identity.Make(horse, slow, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	g.store.set(identity.Identity{Name: "demo", Hash: hash})
	var all sync.WaitGroup
	var locked atomic.Int64
	for n := range 1000 {
		all.Go(func() {
			password := identity.Secret(fmt.Sprintf("wrong %d", n))
			switch verdict, err := g.login(t.Context(), n, password, limited(limit)); {
			case err != nil:
				t.Error(err)
			case verdict == identity.Locked:
				locked.Add(1)
			case verdict != identity.Mismatch:
				t.Errorf("verdict %d", verdict)
			}
		})
	}
	all.Wait()
	who, err := g.store.Identity(t.Context(), "/", "demo")
	if err != nil || g.checked() != limit || locked.Load() != 1000-limit || who.Status != identity.Inactive || who.Permits != nil {
		t.Errorf("%d checks, %d refused; stored %+v, %v", g.checked(), locked.Load(), who, err)
	}
	if verdict, _ := g.login(t.Context(), 2000, horse, limited(limit)); verdict != identity.Locked || g.checked() != limit {
		t.Errorf("the right password of a locked account: %d, after %d checks", verdict, g.checked())
	}
}

func TestParallelRightPasswords(t *testing.T) {
	g := newGuessers(t, 3)
	var all sync.WaitGroup
	for n := range 1000 {
		all.Go(func() {
			if verdict, err := g.login(t.Context(), n, horse, limited(2)); err != nil || verdict != identity.Match {
				t.Errorf("verdict %d, %v", verdict, err)
			}
		})
	}
	all.Wait()
	if who, err := g.store.Identity(t.Context(), "/", "demo"); err != nil || who.Permits != nil || who.Failures.Count != 0 {
		t.Errorf("stored %+v, %v", who, err)
	}
}

// Without the lockout a login takes no permit and the store is not asked.
func TestGuessesWithoutLockoutCostNothing(t *testing.T) {
	g := newGuessers(t, 1)
	off := limited(1)
	off.Enabled = false
	if verdict, err := g.login(t.Context(), 1, horse, off); err != nil || verdict != identity.Match {
		t.Errorf("verdict %d, %v", verdict, err)
	}
	if g.store.lastUpdate != nil || g.checked() != 0 {
		t.Errorf("the store was told %+v", g.store.lastUpdate)
	}
}

// A guess waits while others have all permits, no longer than its request, and
// is told that nothing is known.
func TestAGuessWaitsForItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessers(t, 1)
		policy := limited(1)
		hold := identity.Reserve{Journey: identity.Mark{9}, Run: 9, At: time.Now(), Policy: policy}
		if _, err := g.store.UpdateIdentity(t.Context(), "/", "demo", hold); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				if _, err := g.login(ctx, n, horse, policy); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("while the permit is taken: %v", err)
				}
			})
		}
		all.Wait()
		e := g.members[0]
		if len(e.guesses.lines) != 0 || e.guesses.waiting != 0 || g.checked() != 0 {
			t.Errorf("%d lines with %d guesses are left, after %d checks", len(e.guesses.lines), e.guesses.waiting, g.checked())
		}
		all.Go(func() {
			if verdict, err := g.login(t.Context(), 5, horse, policy); err != nil || verdict != identity.Match {
				t.Errorf("verdict %d, %v", verdict, err)
			}
		})
		synctest.Wait()
		settle := identity.Settle{Journey: identity.Mark{9}, Run: 9, Verdict: identity.Right}
		if _, err := g.store.UpdateIdentity(t.Context(), "/", "demo", settle); err != nil {
			t.Fatal(err)
		}
		all.Wait()
	})
}

// While journeys that erred hold all permits and check nothing, a guess does not
// wait for its whole request, nor do all that stand behind it.
func TestAGuessDoesNotWaitForPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessers(t, 1)
		policy := limited(1)
		hold := identity.Reserve{Journey: identity.Mark{9}, Run: 9, At: time.Now(), Policy: policy}
		for _, c := range []identity.Change{hold, identity.Settle{Journey: identity.Mark{9}, Run: 9, Verdict: identity.Wrong, Until: time.Now().Add(time.Hour)}} {
			if _, err := g.store.UpdateIdentity(t.Context(), "/", "demo", c); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		var all sync.WaitGroup
		for n := range 50 {
			all.Go(func() {
				if _, err := g.login(t.Context(), n, horse, policy); !errors.Is(err, identity.ErrOverloaded) {
					t.Errorf("while people think: %v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(begun); took > 2*thinking {
			t.Errorf("it took %v", took)
		}
	})
}

// A guess that was found wrong is not checked again when its step is.
func TestAWrongGuessIsCheckedOnce(t *testing.T) {
	g := newGuessers(t, 2)
	for range 3 {
		verdict, err := g.login(t.Context(), 1, "wrong", limited(3))
		if err != nil || verdict != identity.Mismatch {
			t.Errorf("verdict %d, %v", verdict, err)
		}
	}
	if who, _ := g.store.Identity(t.Context(), "/", "demo"); g.checked() != 1 || who.Failures.Count != 1 || who.Permits != nil {
		t.Errorf("%d checks, stored %+v", g.checked(), who)
	}
}

// A full hashing pool has computed nothing, so the permit is given back.
func TestARefusedCheckGivesItsPermitBack(t *testing.T) {
	g := newGuessers(t, 1)
	g.members[0].hashing.Close()
	if _, err := g.login(t.Context(), 1, horse, limited(3)); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("with the pool closed: %v", err)
	}
	if who, _ := g.store.Identity(t.Context(), "/", "demo"); who.Permits != nil {
		t.Errorf("permits left: %+v", who.Permits)
	}
}

// What counts in the store counts once for each name, and again for another.
func TestEffectsCountOnce(t *testing.T) {
	g := newGuessers(t, 2)
	until := time.Now().Add(time.Minute)
	for _, once := range []Once{
		{Journey: journey.ID{1}, Step: 1, Until: until},
		{Journey: journey.ID{2}, Step: 1, Until: until},
		{Journey: journey.ID{2}, Step: 2, Until: until},
		{Journey: journey.ID{2}, Step: 2, N: 1, Until: until},
		{Journey: journey.ID{2}, Step: 2, N: 1, Digest: [16]byte{1}, Until: until},
	} {
		for i := range 4 { // at the owner, and again where the journey went
			effect := node.Update{User: "demo", Change: identity.CountLogin{}}
			if _, err := g.effects[i%2].run(t.Context(), once, "/", effect); err != nil {
				t.Error(err)
			}
		}
	}
	if who, _ := g.store.Identity(t.Context(), "/", "demo"); who.LoginCount != 5 {
		t.Errorf("5 logins, each made 4 times, are counted as %d", who.LoginCount)
	}
}

// Passes of a retry limit at the same time are exactly as many as it says.
func TestParallelRetries(t *testing.T) {
	const limit, passes = 7, 1000
	g := newGuessers(t, 3)
	retry := identity.CountRetry{Node: "n", Limit: limit}
	var passed atomic.Int64
	var all sync.WaitGroup
	for n := range passes {
		all.Go(func() {
			once := Once{Journey: journey.ID{byte(n >> 8), byte(n)}, Until: time.Now().Add(time.Minute)}
			var first node.Found
			for i := range 2 { // each step is run twice, and comes out the same
				result, err := g.effects[(n+i)%3].run(t.Context(), once, "/", node.Update{User: "demo", Change: retry})
				if err != nil {
					t.Error(err)
					return
				}
				found := result.(node.Found)
				if i == 0 {
					first = found
				} else if found.Identity.Retries["n"] != first.Identity.Retries["n"] {
					t.Errorf("pass %d: count %d, then %d", n, first.Identity.Retries["n"], found.Identity.Retries["n"])
				}
			}
			if first.Identity.Retries["n"] > 0 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	// After each reject the counter begins again.
	if want := int64(passes - passes/(limit+1)); passed.Load() != want {
		t.Errorf("%d of %d passed, want %d", passed.Load(), passes, want)
	}
}

// What a client is told under a lockout is what AM tells, whether the password
// came with the start or with an answer; and a locked account's is not checked.
func TestLockoutOfJourneys(t *testing.T) {
	g := newGuessers(t, 1)
	m := newMember(t, time.Now)
	m.open(t, time.Now, func(c *Config) { c.Users = g.members[0] })
	m.publishLogin("Login", "User Name")
	m.docs.put(realm.KindSettings, "authentication", `{"accountlockout":{"loginFailureLockoutMode":true,
		"loginFailureCount":3,"loginFailureDuration":300,"lockoutWarnUserCount":1}}`)
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
	zeroPage := func(password identity.Secret) (journey.Reply, error) {
		name := "demo"
		return m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login", Username: &name, Password: &password})
	}
	page := func(password identity.Secret) (journey.Reply, error) {
		return m.answer(t, m.start(t, "Login").Ref, "demo", string(password))
	}
	for _, step := range []struct {
		login    func(identity.Secret) (journey.Reply, error)
		password identity.Secret
		message  string
		checks   uint64
	}{
		{zeroPage, horse, "", 1},
		{zeroPage, "wrong", "Warning: You will be locked out after 2 more failure(s).", 2},
		{page, "wrong", "Warning: You will be locked out after 1 more failure(s).", 3},
		{page, horse, "", 4},
		{page, "wrong", "Warning: You will be locked out after 2 more failure(s).", 5},
		{zeroPage, "wrong", "Warning: You will be locked out after 1 more failure(s).", 6},
		{page, "wrong", "User Locked Out.", 7},
		{page, "wrong", "User Locked Out.", 7},
		{page, horse, "User Locked Out.", 7},
		{zeroPage, horse, "User Locked Out.", 7},
	} {
		reply, err := step.login(step.password)
		if err != nil || reply.Done == nil || reply.Done.Message != step.message || reply.Done.Success != (step.message == "") || g.checked() != step.checks {
			t.Fatalf("%q after %d checks: %+v, %v; want %q after %d", step.password, g.checked(), reply.Done, err, step.message, step.checks)
		}
	}
	if who, _ := g.store.Identity(t.Context(), "/", "demo"); who.Permits != nil {
		t.Errorf("permits are left: %+v", who.Permits)
	}
}
