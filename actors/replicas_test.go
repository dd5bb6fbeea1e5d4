package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWelcomeIsForOneUser: answers that end a journey as another user than the
// one whose session it made before get nothing of that session.
func TestWelcomeIsForOneUser(t *testing.T) { overStores(t, testWelcomeIsForOneUser) }

func testWelcomeIsForOneUser(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	theirs := func(id journey.ID, name, universal string) {
		m.sessions.byJourney[id] = session.Session{Journey: id, Principal: session.Principal{Realm: "/", Username: name, UniversalID: universal}}
	}
	first := m.start(t, "Login")
	theirs(first.Ref.Journey, "victim", "id=victim,ou=user,ou=am-config")
	reply, err := m.answer(t, first.Ref, "demo", "secret")
	wantGone(t, err)
	if reply.Token != "" || reply.Done != nil {
		t.Errorf("got %+v", reply)
	}
	second := m.start(t, "Login") // the same user: it is the repeat of a lost answer
	theirs(second.Ref.Journey, "demo", "ID=Demo,ou=user,ou=am-config")
	if reply, err := m.answer(t, second.Ref, "demo", "secret"); err != nil || reply.Token == "" {
		t.Errorf("the repeat: %+v, %v", reply.Done, err)
	}
}

// TestCostOfAStep counts messages: a login of one page needs no other member, a
// step that waits one message to each standby, and one hop at most.
func TestCostOfAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5)
		defer c.close()
		sum := func() (m Metrics) {
			synctest.Wait()
			for _, member := range c.members {
				one := member.Metrics()
				m.Forwarded += one.Forwarded
				m.AcceptsSent += one.AcceptsSent
				m.PromisesSent += one.PromisesSent
				m.Waiting += one.Waiting
				m.Takeovers += one.Takeovers
			}
			return m
		}
		page := c.members[0].start(t, "Login")
		if reply, err := c.members[0].answer(t, page.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
			t.Fatal(reply, err)
		}
		if got := sum(); got != (Metrics{}) {
			t.Errorf("a login of one page: %+v", got)
		}
		first := c.members[0].start(t, "Steps")
		second, err := c.members[0].answer(t, first.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		if got := sum(); got.AcceptsSent != 2 || got.Forwarded != 2 || got.Takeovers != 0 {
			t.Errorf("a step that waits: %+v", got)
		}
		// One that came to another member: a standby gets its copy with the reply.
		set := c.members[0].slots.get(second.Ref.Journey).Record.Replicas
		m := c.members[1]
		if _, err := m.answer(t, second.Ref, "secret"); err != nil {
			t.Fatal(err)
		}
		calls := int64(3)
		if set.Has(m.config.Self) {
			calls = 2
		}
		if got := sum(); got.Forwarded != 2+calls || got.AcceptsSent != 1+calls || got.Takeovers != 0 || got.PromisesSent != 0 {
			t.Errorf("and one that came to %s, of %v: %+v", m.config.Self, set, got)
		}
	})
}

// wrongPassword takes a journey to where a wrong password will make it ask
// again.
func (c *testCluster) wrongPassword() journey.Ref {
	c.t.Helper()
	reply := c.members[0].start(c.t, "Choose")
	for _, answer := range []callback.Answer{say(callback.Choice, 0.0), say(callback.Name, "demo")} {
		next, err := c.members[0].Resume(c.t.Context(), journey.ResumeRequest{Ref: reply.Ref, Answers: []callback.Answer{answer}})
		if err != nil {
			c.t.Fatal(err)
		}
		reply = next
	}
	return reply.Ref
}

// TestOwnerDiesWithinAStep: whenever the owner of a journey is lost, the step is
// made once as far as anybody can see, at the next member.
func TestOwnerDiesWithinAStep(t *testing.T) {
	t.Run("while it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			ref := c.wrongPassword()
			c.users.gate, c.users.entered = make(chan struct{}, 9), make(chan struct{}, 9)
			lost := make(chan error, 1)
			go func() {
				_, err := c.members[0].answer(t, ref, "guess")
				lost <- err
			}()
			<-c.users.entered
			c.kill("member-0")
			wantUnavailable(t, <-lost)
			c.users.gate <- struct{}{}
			again, err := c.members[1].answer(t, ref, "guess")
			if err != nil || again.Ask == nil || again.Ref.Step != ref.Step+1 {
				t.Fatalf("at the next member: %+v, %v", again, err)
			}
		})
	})
	t.Run("before a majority has it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			ref := c.wrongPassword()
			c.net.inject(func(from, _ placement.MemberID) fault {
				if from == "member-0" {
					return fault{kind: refused}
				}
				return fault{}
			})
			_, err := c.members[0].answer(t, ref, "guess")
			wantUnavailable(t, err)
			c.kill("member-0")
			// It was never answered: other answers may be the step.
			other, err := c.members[1].answer(t, ref, "another guess")
			if err != nil || other.Ask == nil {
				t.Fatalf("other answers at the next member: %+v, %v", other, err)
			}
			_, err = c.members[2].answer(t, ref, "guess")
			wantGone(t, err)
		})
	})
	t.Run("after a majority has it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			ref := c.wrongPassword()
			if _, err := c.members[0].answer(t, ref, "guess"); err != nil { // and then its client did not hear of it
				t.Fatal(err)
			}
			c.kill("member-0")
			reply, err := c.members[1].answer(t, ref, "guess")
			if err != nil || reply.Ask == nil || reply.Ref.Step != ref.Step+1 {
				t.Fatalf("%+v, %v", reply, err)
			}
			if n := c.users.checks.Load(); n != 1 {
				t.Errorf("the password was checked %d times", n)
			}
			_, err = c.members[2].answer(t, ref, "another guess")
			wantGone(t, err)
		})
	})
	t.Run("after the session is there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			page := c.members[0].start(t, "Login")
			done, err := c.members[0].answer(t, page.Ref, "demo", "secret")
			if err != nil {
				t.Fatal(err)
			}
			c.kill("member-0")
			again, err := c.members[1].answer(t, page.Ref, "demo", "secret")
			if err != nil || again.Token != done.Token || len(c.sessions.byJourney) != 1 {
				t.Errorf("the same answers: %v, same token %v, %d sessions", err, again.Token == done.Token, len(c.sessions.byJourney))
			}
		})
	})
}

// TestNoSessionFromAnotherAnswer: a member that has lost a journey without
// hearing of it makes no session of answers that came after others were
// answered. The answers that a session is made of are the only ones that count,
// though the session is not there yet.
func TestNoSessionFromAnotherAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		ref := c.wrongPassword()
		c.net.inject(func(_, to placement.MemberID) fault {
			if to == "member-0" {
				return fault{kind: refused}
			}
			return fault{}
		})
		if reply, err := c.members[1].acts(t, ref, "guess"); err != nil || reply.Ask == nil {
			t.Fatalf("taken over: %+v, %v", reply, err)
		}
		if reply, err := c.members[0].acts(t, ref, "secret"); err == nil {
			t.Errorf("the member that leads no longer answers %+v", reply.Done)
		}
		if n := len(c.sessions.byJourney); n != 0 {
			t.Errorf("%d sessions", n)
		}
		c.net.inject(nil)
		_, err := c.members[0].answer(t, ref, "secret")
		wantGone(t, err)

		ref = c.wrongPassword()
		c.sessions.err.Store(&session.UnavailableError{Reason: "away", RetryAfter: time.Second})
		_, err = c.members[0].answer(t, ref, "secret")
		wantUnavailable(t, err)
		c.sessions.err.Store(nil)
		c.kill("member-0")
		_, err = c.members[1].answer(t, ref, "guess")
		wantGone(t, err)
		if reply, err := c.members[2].answer(t, ref, "secret"); err != nil || reply.Done == nil || !reply.Done.Success {
			t.Errorf("the answers that were taken: %+v, %v", reply, err)
		}
	})
	t.Run("nor before a majority knows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			ref := c.wrongPassword()
			c.net.inject(func(from, _ placement.MemberID) fault {
				if from == "member-0" { // whoever asks it gets its answers, and it reaches nobody
					return fault{kind: refused}
				}
				return fault{}
			})
			if reply, err := c.members[1].answer(t, ref, "secret"); err != nil || reply.Token == "" {
				t.Fatalf("by the work of another: %v", err)
			}
			if c.members[0].Metrics().Succeeded != 0 {
				t.Error("the member that reaches nobody made the session")
			}
		})
	})
}

// TestFailureIsDecidedByAMajority: a wrong password stays wrong when the member
// that said so is lost.
func TestFailureIsDecidedByAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		page := c.members[0].start(t, "Login")
		failed, err := c.members[0].answer(t, page.Ref, "demo", "guess")
		if err != nil || failed.Done == nil || failed.Done.Success {
			t.Fatalf("%+v, %v", failed.Done, err)
		}
		c.kill("member-0")
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

// TestOwnerCutOff: an owner that reaches no other member neither answers nor
// refuses; the others go on, and it says the same as they once it is back.
func TestOwnerCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		second := c.kept()
		third, err := c.members[0].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		fresh := c.members[0].start(t, "Steps")
		c.net.inject(func(from, to placement.MemberID) fault {
			if from == "member-0" || to == "member-0" {
				return fault{kind: refused}
			}
			return fault{}
		})
		ahead := c.members[2].start(t, "Steps") // by others, that it knows nothing of
		waiting, err := c.members[2].answer(t, ahead.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		for name, ref := range map[string]journey.ResumeRequest{
			"a step":                 resumeWith(fresh.Ref, "demo"),
			"of a journey elsewhere": resumeWith(waiting.Ref, "secret"),
			"one never heard of":     resumeWith(journey.Ref{Journey: journey.ID{1}, Step: 2, Realm: "/", Expires: time.Now().Add(time.Minute)}, "secret"),
		} {
			began := time.Now()
			_, err := c.members[0].Resume(t.Context(), ref)
			wantUnavailable(t, err)
			if took := time.Since(began); took > patience+maxPause {
				t.Errorf("%s: answered after %v", name, took)
			}
		}
		other, err := c.members[1].answer(t, fresh.Ref, "other")
		if err != nil {
			t.Fatalf("at the majority: %v", err)
		}
		done, err := c.members[1].answer(t, third.Ref, "yes")
		if err != nil || !done.Done.Success {
			t.Fatalf("the last step at the majority: %+v, %v", done.Done, err)
		}
		c.net.inject(nil)
		time.Sleep(2 * maxProbe)
		_, err = c.members[0].answer(t, fresh.Ref, "demo") // what it had accepted alone was never made
		wantGone(t, err)
		if repeat, err := c.members[0].answer(t, fresh.Ref, "other"); err != nil || repeat.Ref.Step != other.Ref.Step {
			t.Errorf("what was made: %+v, %v", repeat.Ref, err)
		}
		if again, err := c.members[0].answer(t, third.Ref, "yes"); err != nil || again.Token != done.Token {
			t.Errorf("the last step: %v", err)
		}
	})
}

// TestFalseSuspicion: a member that one other cannot reach loses its journeys to
// that one, and gets them back, and neither ever answers for both.
func TestFalseSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		c.net.inject(func(from, to placement.MemberID) fault {
			if from == "member-1" && to == "member-0" || from == "member-0" && to == "member-1" {
				return fault{kind: refused}
			}
			return fault{}
		})
		for range 10 {
			reply := c.members[0].start(t, "Steps")
			for i, value := range []string{"demo", "secret", "yes"} {
				next, err := c.members[(i+1)%2].answer(t, reply.Ref, value)
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				reply = next
			}
			if !reply.Done.Success {
				t.Fatalf("%+v", reply.Done)
			}
		}
		if n := c.members[0].Metrics().Takeovers + c.members[1].Metrics().Takeovers; n == 0 {
			t.Error("nothing was taken over")
		}
	})
}

// TestTwoMembersAtOnce: the same answers at two members are one step with one
// reply; of other answers one is too late.
func TestTwoMembersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		for _, values := range [][2]string{{"guess", "guess"}, {"guess", "another"}} {
			ref := c.wrongPassword()
			results := make(chan error, 2)
			for i, value := range values {
				go func() { // each acts itself, as when views differ
					_, err := c.members[i].acts(t, ref, value)
					for retried(err) {
						time.Sleep(time.Duration(3*i+1) * time.Millisecond)
						_, err = c.members[i].acts(t, ref, value)
					}
					results <- err
				}()
			}
			gone := 0
			for range values {
				switch err := <-results; {
				case errors.Is(err, journey.ErrGone):
					gone++
				case err != nil:
					t.Errorf("%v: %v", values, err)
				}
			}
			if want := int(bit(values[0] != values[1])); gone != want {
				t.Errorf("%v: %d were too late, want %d", values, gone, want)
			}
		}
	})
}

// TestKills: of five members that hold each journey any two may be lost at once;
// without a third nobody says that a journey is over.
func TestKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, 5, func(own *Config) { own.Replicas = 5 })
		defer c.close()
		one, two := c.kept(), c.kept()
		c.kill("member-0")
		c.kill("member-3")
		if _, err := c.members[1].answer(t, one.Ref, "secret"); err != nil {
			t.Fatalf("two of five lost: %v", err)
		}
		c.kill("member-2")
		_, err := c.members[4].answer(t, two.Ref, "secret")
		wantUnavailable(t, err)
		_, err = c.members[1].answer(t, two.Ref, "guess")
		wantUnavailable(t, err)
	})
}

// TestPair: of two members the one that is left goes on when the other is dead
// for certain, and not before.
func TestPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := newTestRuns()
		c := newClusterWith(t, 2, func(own *Config) { own.Runs, own.Founding = runs, runs })
		defer c.close()
		runs.begin(c.ids()...)
		second, page := c.kept(), c.members[0].start(t, "Login")
		c.kill("member-0")
		_, err := c.members[1].answer(t, second.Ref, "secret")
		wantUnavailable(t, err)
		runs.end("member-0")
		third, err := c.members[1].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatalf("the other is dead: %v", err)
		}
		if done, err := c.members[1].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("%+v, %v", done.Done, err)
		}
		if done, err := c.members[1].answer(t, page.Ref, "demo", "secret"); err != nil || !done.Done.Success {
			t.Errorf("one that had not been answered: %+v, %v", done.Done, err)
		}
	})
}

// TestUnseenMember: a journey is not called unknown while a member runs that
// this one does not see.
func TestUnseenMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := newTestRuns()
		c := newClusterWith(t, 3, func(own *Config) { own.Runs = runs })
		defer c.close()
		ref := journey.Ref{Journey: journey.ID{1}, Step: 2, Realm: "/", Expires: time.Now().Add(time.Minute)}
		c.see("member-1")
		runs.begin("member-1", "member-2")
		_, err := c.members[1].answer(t, ref, "secret")
		wantUnavailable(t, err)
		runs.end("member-2")
		_, err = c.members[1].answer(t, ref, "secret")
		wantGone(t, err)
	})
}

// TestSetsFollowTheView: a journey moves to the members that should hold it with
// its next step, and who leaves its set keeps only where it went.
func TestSetsFollowTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		defer c.close()
		c.see("member-0", "member-1", "member-2")
		second := c.kept()
		id := second.Ref.Journey
		synctest.Wait()
		c.see("member-0", "member-1-", "member-2", "member-3")
		third, err := c.members[0].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, want := range []bool{true, false, true, true} {
			h := c.members[i].slots.get(id)
			if h.Record == nil || len(h.Record.Prev) != 0 || h.Record.Replicas.Has("member-1") || h.Record.Stub() == want {
				t.Errorf("member %d has %v", i, h.Record)
			}
		}
		c.kill("member-0")
		if done, err := c.members[1].acts(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("at the member that knows where it went: %+v, %v", done.Done, err)
		}
	})
}
