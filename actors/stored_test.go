package actors

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// TestStoredCost: a start writes nothing, a step that waits one token, a login
// whose answers make the session and whose end is told. No member asks another.
func TestStoredCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inStore().cluster(t, 3)
		defer c.close()
		writes := func() int {
			synctest.Wait()
			return c.tokens.puts
		}
		first := c.members[0].start(t, "Steps")
		if n := writes(); n != 0 || len(first.Ref.Trace) == 0 {
			t.Errorf("a start wrote %d times", n)
		}
		second, err := c.members[1].answer(t, first.Ref, "demo")
		if n := writes(); err != nil || n != 1 || second.Ref.Index == 0 || len(second.Ref.Trace) > 0 {
			t.Errorf("a step wrote %d times: %+v, %v", n, second.Ref, err)
		}
		page := c.members[2].start(t, "Login")
		if reply, err := c.members[0].answer(t, page.Ref, "demo", "secret"); err != nil || reply.Token == "" {
			t.Fatal(reply, err)
		}
		if n := writes(); n != 3 {
			t.Errorf("a login of one page wrote %d times", n-1)
		}
		page = c.members[2].start(t, "Login")
		if _, err := c.members[0].answer(t, page.Ref, "demo", "guess"); err != nil {
			t.Fatal(err)
		}
		if n := writes(); n != 4 {
			t.Errorf("a failure wrote %d times", n-3)
		}
		for _, m := range c.members {
			if got := m.Metrics(); got.Forwarded != 0 || got.AcceptsSent != 0 || got.PromisesSent != 0 || got.Waiting+got.Ended != 0 {
				t.Errorf("%s: %+v", m.config.Self, got)
			}
		}
	})
}

// TestStoredSurvivesAll: a journey in the store goes on when every member has
// been lost and others are there.
func TestStoredSurvivesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inStore().cluster(t, 3)
		defer c.close()
		waiting, unanswered := c.kept(), c.members[0].start(t, "Login")
		for _, id := range c.ids() {
			c.kill(id)
		}
		m := c.add()
		c.see(m.config.Self)
		third, err := m.answer(t, waiting.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if done, err := m.answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("a journey in its middle: %+v, %v", done.Done, err)
		}
		if done, err := m.answer(t, unanswered.Ref, "demo", "secret"); err != nil || !done.Done.Success {
			t.Errorf("a page that was open: %+v, %v", done.Done, err)
		}
	})
}

// TestStoredRivals: of two answers at two members at the same time one is the
// step, whatever they lead to, and the other is told so.
func TestStoredRivals(t *testing.T) {
	for name, tc := range map[string]struct {
		tree string
		one  []string
		two  []string
	}{
		"right and wrong":     {"Login", []string{"demo", "secret"}, []string{"demo", "guess"}},
		"right and right":     {"Login", []string{"demo", "secret"}, []string{"other", "secret"}},
		"the same":            {"Login", []string{"demo", "secret"}, []string{"demo", "secret"}},
		"wrong and wrong":     {"Login", []string{"demo", "guess"}, []string{"demo", "another"}},
		"two that wait":       {"Steps", []string{"demo"}, []string{"other"}},
		"two of the same one": {"Steps", []string{"demo"}, []string{"demo"}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					c := inStore().cluster(t, 2)
					defer c.close()
					first := c.members[0].start(t, tc.tree)
					c.tokens.random(seed, 0, 5*time.Millisecond)
					type result struct {
						reply journey.Reply
						err   error
					}
					results := make(chan result, 2)
					for i, values := range [][]string{tc.one, tc.two} {
						go func() {
							reply, err := c.members[i].answer(t, first.Ref, values...)
							results <- result{reply, err}
						}()
					}
					a, b := <-results, <-results
					same := strings.Join(tc.one, " ") == strings.Join(tc.two, " ")
					switch {
					case same && (a.err != nil || b.err != nil || a.reply.Token != b.reply.Token || a.reply.Ref.Index != b.reply.Ref.Index):
						t.Errorf("seed %d: %+v, %v and %+v, %v", seed, a.reply, a.err, b.reply, b.err)
					case !same && (a.err == nil) == (b.err == nil):
						t.Errorf("seed %d: %v and %v", seed, a.err, b.err)
					case !same && !errors.Is(errors.Join(a.err, b.err), journey.ErrGone):
						t.Errorf("seed %d: %v", seed, errors.Join(a.err, b.err))
					}
					if n := len(c.sessions.byJourney); n > 1 || tc.tree == "Steps" && n > 0 {
						t.Errorf("seed %d: %d sessions", seed, n)
					}
				})
			}
		})
	}
}

// TestAnswersOfASessionAreChosen: once answers have been chosen to make a
// journey's session, no others count, also while the session is not there yet.
func TestAnswersOfASessionAreChosen(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c := in.cluster(t, 3)
		defer c.close()
		ref := c.wrongPassword()
		c.sessions.err.Store(&session.UnavailableError{Reason: "away", RetryAfter: time.Second})
		_, err := c.members[0].answer(t, ref, "secret")
		wantUnavailable(t, err)
		c.sessions.err.Store(nil)
		c.kill("member-0")
		_, err = c.members[1].answer(t, ref, "guess")
		wantGone(t, err)
		if reply, err := c.members[2].answer(t, ref, "secret"); err != nil || reply.Done == nil || !reply.Done.Success {
			t.Errorf("the answers that were taken: %+v, %v", reply, err)
		}
	})
}

// TestFailureStaysOne: a wrong password stays wrong, at every member.
func TestFailureStaysOne(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c := in.cluster(t, 3)
		defer c.close()
		page := c.members[0].start(t, "Login")
		failed, err := c.members[0].answer(t, page.Ref, "demo", "guess")
		if err != nil || failed.Done == nil || failed.Done.Success {
			t.Fatalf("%+v, %v", failed.Done, err)
		}
		again, err := c.members[1].answer(t, page.Ref, "demo", "guess")
		if err != nil || again.Done == nil || again.Done.Success {
			t.Errorf("the same guess: %+v, %v", again.Done, err)
		}
		_, err = c.members[2].answer(t, page.Ref, "demo", "secret")
		wantGone(t, err)
		if n := c.users.checks.Load(); n != 1 {
			t.Errorf("%d guesses were checked", n)
		}
	})
}

// TestStoreAway: without the store a journey is answered as unavailable, and
// goes on when it is back.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inStore().cluster(t, 2)
		defer c.close()
		first := c.members[0].start(t, "Steps")
		for name, f := range map[string]storeFault{"before": {before: true}, "after": {after: true}} {
			c.tokens.inject(func() storeFault { return f })
			_, err := c.members[0].answer(t, first.Ref, "demo")
			wantUnavailable(t, err)
			if reply, err := c.members[0].Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login"}); err != nil || reply.Ask == nil {
				t.Errorf("lost %s: a start needs no store: %v", name, err)
			}
		}
		calls := 0
		c.tokens.inject(func() storeFault { // the write is done, and nobody hears of it
			calls++
			return storeFault{after: calls == 2}
		})
		_, err := c.members[0].answer(t, first.Ref, "demo")
		wantUnavailable(t, err)
		c.tokens.inject(nil)
		_, err = c.members[1].answer(t, first.Ref, "other")
		wantGone(t, err)
		if reply, err := c.members[1].answer(t, first.Ref, "demo"); err != nil || reply.Ref.Step != 2 {
			t.Errorf("the same answers: %+v, %v", reply, err)
		}
	})
	m := newMember(t, time.Now)
	m.config.Stored = nil
	inStore().choose(m)
	first := m.start(t, "Steps")
	_, err := m.answer(t, first.Ref, "demo")
	wantUnavailable(t, err)
}

// TestStoredLimits: a member begins to keep no more journeys than it may, and
// none that is larger than a token.
func TestStoredLimits(t *testing.T) {
	m := inStore().member(t, time.Now)
	m.ledger.most = 1
	a, b := m.start(t, "Steps"), m.start(t, "Steps")
	waiting, err := m.answer(t, a.Ref, "demo")
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.answer(t, b.Ref, "demo")
	wantUnavailable(t, err)
	if _, err := m.answer(t, waiting.Ref, "secret"); err != nil {
		t.Errorf("a journey already begun: %v", err)
	}
	if _, err := m.answer(t, a.Ref, "demo"); !errors.Is(err, journey.ErrGone) {
		t.Errorf("an old step: %v", err)
	}
	large := inStore().member(t, time.Now)
	first := large.start(t, "Steps")
	_, err = large.Resume(t.Context(), journey.ResumeRequest{
		Ref: first.Ref, Answers: []callback.Answer{say(callback.Name, strings.Repeat("x", token.MaxBody))},
	})
	if err == nil || errors.Is(err, journey.ErrGone) {
		t.Errorf("a journey larger than a token: %v", err)
	}
	if _, err := large.answer(t, first.Ref, "demo"); err != nil {
		t.Errorf("smaller answers to the same step: %v", err)
	}
}

// TestStoredSecrets: what is stored tells nothing of the journey, and opens only
// as the token that it is.
func TestStoredSecrets(t *testing.T) {
	m := inStore().member(t, time.Now)
	first := m.start(t, "Steps")
	second, err := m.answer(t, first.Ref, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.answer(t, second.Ref, "secret"); err != nil {
		t.Fatal(err)
	}
	for k, all := range m.tokens.history {
		for _, stored := range all {
			for _, text := range []string{"secret", "demo", "Steps"} {
				if bytes.Contains(stored.Body, []byte(text)) {
					t.Errorf("a token holds %q", text)
				}
			}
			if _, err := m.sealer.open(stored); err != nil {
				t.Error(err)
			}
			stored.ID[0]++
			if _, err := m.sealer.open(stored); err == nil {
				t.Errorf("token %v opens under another id", k.id)
			}
			stored.ID, stored.Body = k.id, append([]byte{9}, stored.Body[1:]...)
			if _, err := m.sealer.open(stored); err == nil {
				t.Error("a body of another version opens")
			}
		}
	}
}

// TestStoreStays: a journey stays where it began when the realm's setting
// changes.
func TestStoreStays(t *testing.T) {
	for _, to := range []where{inMemory(), inStore()} {
		t.Run("to "+to.name, func(t *testing.T) {
			from := inStore()
			if to == from {
				from = inMemory()
			}
			m := from.member(t, time.Now)
			first, page := m.start(t, "Steps"), m.start(t, "Login")
			second, err := m.answer(t, first.Ref, "demo")
			if err != nil {
				t.Fatal(err)
			}
			to.choose(m)
			if again, err := m.answer(t, first.Ref, "demo"); err != nil || again.Ref.Store != from.store {
				t.Errorf("a repeat: %+v, %v", again.Ref, err)
			}
			third, err := m.answer(t, second.Ref, "secret")
			if err != nil || third.Ref.Store != from.store {
				t.Fatalf("the next step: %+v, %v", third.Ref, err)
			}
			if done, err := m.answer(t, page.Ref, "demo", "secret"); err != nil || !done.Done.Success {
				t.Errorf("a page that was open: %+v, %v", done.Done, err)
			}
			if fresh := m.start(t, "Login"); fresh.Ref.Store != to.store {
				t.Error("a new journey waits where the old ones do")
			}
		})
	}
}

// TestClientSideEnds: a session that is in no store is
// decided by the journey's end, which is there before the reply.
func TestClientSideEnds(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		m := in.member(t, time.Now)
		m.config.Sessions = clientSide{m.sessions}
		settings, err := m.catalog.Settings(t.Context(), realm.Root)
		if err != nil {
			t.Fatal(err)
		}
		settings.ClientSideSessions = true
		page := m.start(t, "Login")
		done, err := m.answer(t, page.Ref, "demo", "secret")
		if err != nil || !done.Done.Success {
			t.Fatal(done.Done, err)
		}
		if n := len(m.sessions.byJourney); n != 0 {
			t.Errorf("%d sessions in the store", n)
		}
		if again, err := m.answer(t, page.Ref, "demo", "secret"); err != nil || again.Token != done.Token {
			t.Errorf("the same answers: %v", err)
		}
		_, err = m.answer(t, page.Ref, "other", "secret")
		wantGone(t, err)
		if in == inStore() && m.tokens.puts != 1 {
			t.Errorf("%d writes", m.tokens.puts)
		}
	})
}

// clientSide makes sessions that only their holders have.
type clientSide struct{ *memorySessions }

func (s clientSide) Create(ctx context.Context, c session.Creation) (session.Created, error) {
	if !c.ClientSide {
		return s.memorySessions.Create(ctx, c)
	}
	n := s.calls.Add(1)
	return session.Created{Session: c.Session, Token: session.TokenID(strings.Repeat("t", int(n)))}, nil
}

// TestShortenedJourney: a journey whose time a node has cut ends when that is
// over, and cannot be begun again with the page that it began with, though that
// was promised more time.
func TestShortenedJourney(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		m := in.member(t, time.Now)
		m.publishTree(testTree{"Short", []testNode{
			{"shA", "UsernameCollectorNode", "", "outcome>shB"},
			{"shB", "UpdateJourneyTimeoutNode", `,"operation":"SET","value":1`, "outcome>shC"},
			{"shC", "PasswordCollectorNode", "", "outcome>shD"},
			{"shD", "MessageNode", "", "true>shE false>bad"},
			{"shE", "DataStoreDecisionNode", "", "true>ok false>bad"},
		}})
		first := m.start(t, "Short")
		second, err := m.answer(t, first.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		third, err := m.answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if left := third.Ref.Expires.Sub(third.Ref.Started); left != time.Minute {
			t.Fatalf("the journey has %v", left)
		}
		time.Sleep(time.Minute + slotGrace + 2*time.Second)
		_, err = m.answer(t, third.Ref, "yes")
		wantGone(t, err)
		_, err = m.answer(t, first.Ref, "other")
		wantGone(t, err)
	})
}
