package e2e

import (
	"context"
	"strings"
	"testing"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// remains is what is under way in a cell when members are lost.
type remains struct {
	*cell
	middle      []wire.Step // with two pages answered
	alive, gone []wire.TokenID
}

// leave leaves so many journeys in their middle, and sessions, half of which
// have ended.
func (c *cell) leave(t *testing.T, n int) *remains {
	t.Helper()
	r := &remains{cell: c}
	for range n {
		step := c.start(t, treePages)
		for _, value := range answersOfPages()[:2] {
			step = c.must(t, step, value)
		}
		r.middle = append(r.middle, step)
		r.alive = append(r.alive, c.login(t))
		token := c.login(t)
		if ended, err := c.at().Logout(t.Context(), token); err != nil || !ended {
			t.Fatalf("logout: %t, %v", ended, err)
		}
		r.gone = append(r.gone, token)
	}
	return r
}

// look asks for all sessions at each member of a.
func (r *remains) look(t *testing.T, a *anywhere) {
	t.Helper()
	for want, tokens := range map[bool][]wire.TokenID{true: r.alive, false: r.gone} {
		for _, token := range tokens {
			for range a.clients {
				var v wire.Validation
				err := a.ask(t.Context(), func(ctx context.Context, c *client.Client) (err error) {
					v, err = c.Peek(ctx, token)
					return err
				})
				if err != nil || v.Valid != want {
					t.Errorf("%s: a session is valid: %t, %v; want %t", r.realm, v.Valid, err, want)
				}
			}
		}
	}
}

// goOn answers the rest of each journey, and returns how many ended with a
// session and how many are unknown by error 110.
func (r *remains) goOn(t *testing.T, a *anywhere) (ended, unknown int) {
	t.Helper()
	for _, step := range r.middle {
		for _, value := range answersOfPages()[2:] {
			var reply wire.Reply
			err := a.ask(t.Context(), func(ctx context.Context, c *client.Client) (err error) {
				reply, err = c.Next(ctx, r.realm, answered(step, value))
				return err
			})
			switch {
			case isTimeout(err):
				unknown++
			case err != nil:
				t.Errorf("%s: a journey in its middle: %v", r.realm, err)
			case reply.Success != nil:
				ended++
				r.alive = append(r.alive, reply.Success.TokenID)
			}
			if reply.Step == nil {
				break
			}
			step = *reply.Step
		}
	}
	return ended, unknown
}

// perCell is how many journeys and sessions each cell has under way.
const perCell = 3

// leaveAll leaves something in every cell.
func (s *stage) leaveAll(t *testing.T) []*remains {
	t.Helper()
	var all []*remains
	for _, of := range storeMatrix() {
		all = append(all, s.cell(of).leave(t, perCell))
	}
	return all
}

// losses: with three members, one is killed while journeys and sessions are under
// way; then all are, at once, or the only one is.
func (s *stage) losses(t *testing.T) {
	if len(s.members) > 1 {
		t.Run("kill -9 of one", func(sub *testing.T) { s.loseOne(sub, t) })
	}
	t.Run("kill -9 of all", func(sub *testing.T) { s.loseAll(sub, t) })
}

// loseOne: every journey, in whatever store, goes on without the member, and no
// session is lost or comes back. Members that are started again live as long as
// the test of all.
func (s *stage) loseOne(t, whole *testing.T) {
	all := s.leaveAll(t)
	lost := s.members[1]
	lost.kill(t)
	others := []*member{s.members[0], s.members[2]}
	a := balance(t, others)
	for _, r := range all {
		if ended, _ := r.goOn(t, a); ended != perCell {
			t.Errorf("%s: %d of %d journeys were finished without the member", r.realm, ended, perCell)
		}
		r.look(t, a)
	}
	s.members[1] = lost.again(whole, "", others...)
	s.members[0].whole(t, len(s.members))
	s.meet(whole)
	for _, r := range all {
		r.look(t, balance(t, s.members[1:2]))
	}
}

// meet makes clients of the members as they are now.
func (s *stage) meet(t *testing.T) {
	t.Helper()
	s.clients = nil
	for _, m := range s.members {
		s.clients = append(s.clients, m.client(t))
	}
}

// loseAll: journeys that are kept in memory are lost, with the answer on which
// clients begin again; those that are stored or kept by the client go on, as do
// all sessions, and what has ended stays so.
func (s *stage) loseAll(t, whole *testing.T) {
	all := s.leaveAll(t)
	for _, m := range s.members {
		m.kill(t)
	}
	s.restart(whole)
	a := balance(t, s.members)
	for _, r := range all {
		r.look(t, a)
		ended, unknown := r.goOn(t, a)
		if r.journeys == "In-Memory" {
			if unknown != perCell {
				t.Errorf("%s: %d of %d journeys are unknown after all memory was lost", r.realm, unknown, perCell)
			}
			continue
		}
		if ended != perCell {
			t.Errorf("%s: %d of %d journeys went on after a restart of all members", r.realm, ended, perCell)
		}
		r.look(t, a)
	}
}

// restart starts all members again, where they were.
func (s *stage) restart(t *testing.T) {
	t.Helper()
	said := make([]<-chan error, len(s.members))
	next := make([]*member, len(s.members))
	for i, m := range s.members {
		args := []string{"--name", m.Name, "--http", m.HTTP}
		if m.Cluster != "" {
			var join []string
			for _, o := range s.members {
				if o != m {
					join = append(join, o.Cluster)
				}
			}
			args = append(args, "--cluster", m.Cluster, "--join", strings.Join(join, ","))
		}
		next[i], said[i] = m.place.launch(t, args...)
	}
	for i := range said {
		must(t, <-said[i])
	}
	s.members = next
	s.meet(t)
}
