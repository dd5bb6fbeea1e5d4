package actors

import (
	"errors"
	"testing"
	"testing/synctest"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// TestEntrusted: a record that went to the asker with the reply is not taken for
// committed by anybody else before a majority has it.
func TestEntrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		ref := c.wrongPassword()
		synctest.Wait()
		c.users.gate, c.users.entered = make(chan struct{}, 9), make(chan struct{}, 9)
		// The owner hears the others, and nobody hears of what it did.
		c.net.inject(func(from, to placement.MemberID) fault {
			switch {
			case from == "member-0":
				return fault{kind: refused}
			case from == "member-1" && to == "member-0":
				return fault{kind: loseAnswer}
			}
			return fault{}
		})
		results := make(chan error, 2)
		ask := func(i int) {
			member, _ := c.views[i].Load().Member("member-0")
			s := &search{j: c.members[i].Journeys, m: &resume{errand: c.members[i].errand(t.Context()), request: resumeWith(ref, "guess")}, said: map[placement.MemberID]error{}}
			d, err := s.j.digester.of(s.m.request.Answers)
			if err != nil {
				t.Error(err)
			}
			s.m.digest = d
			_, err = s.ask(t.Context(), member)
			results <- err
		}
		go ask(1)
		<-c.users.entered
		go ask(2)
		synctest.Wait()
		c.users.gate <- struct{}{}
		for range 2 {
			if err := <-results; err == nil || errors.Is(err, journey.ErrGone) {
				t.Errorf("answered: %v", err)
			}
		}
		if h := c.members[0].slots.get(ref.Journey); h.certain || !h.Leads("member-0") {
			t.Errorf("certain %v: %v", h.certain, h.Record)
		}
		for _, value := range []string{"guess", "another guess"} {
			_, err := c.members[0].acts(t, ref, value)
			if !errors.Is(err, envelope.ErrCutOff) {
				t.Errorf("%q at the owner: %v", value, err)
			}
		}
		c.kill("member-0")
		c.net.inject(nil)
		c.users.gate <- struct{}{}
		if reply, err := c.members[2].answer(t, ref, "another guess"); err != nil || reply.Ask == nil {
			t.Errorf("other answers, as nobody was answered: %+v, %v", reply, err)
		}
	})
}

// TestAskerAccepts: with the fast way a step is at the owner and the asker when
// it is answered, and the owner learns that it is certain.
func TestAskerAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		second := c.kept()
		synctest.Wait()
		before := c.members[0].Metrics().AcceptsSent
		if _, err := c.members[1].answer(t, second.Ref, "secret"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := c.members[0].Metrics().AcceptsSent - before; n != 1 {
			t.Errorf("%d records sent apart from the reply's", n)
		}
		for i, m := range c.members {
			h := m.slots.get(second.Ref.Journey)
			if b, err := decodeBodyOf(h); err != nil || b.step != second.Ref.Step+1 || i < 2 && !h.certain {
				t.Errorf("member %d: step %d, certain %v, %v", i, b.step, h.certain, err)
			}
		}
	})
}
