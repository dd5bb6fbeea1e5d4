package roster

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// applied makes a change as raft would.
func applied(servers []Server, c Change) []Server {
	servers = slices.Clone(servers)
	at := func(id string) int { return slices.IndexFunc(servers, func(s Server) bool { return s.ID == id }) }
	switch c := c.(type) {
	case AddNonvoter:
		return append(servers, Server{ID: c.ID, Address: c.Address})
	case AddVoter:
		servers[at(c.ID)].Voter = true
	case ChangeAddress:
		servers[at(c.ID)].Address = c.Address
	case Remove:
		return slices.Delete(servers, at(c.ID), at(c.ID)+1)
	}
	return servers
}

// world is a cluster whose members come and go.
type world struct {
	policy  Policy
	now     time.Duration
	servers []Server
	alive   map[string]string // address by id
	hidden  map[string]bool   // alive, but gossip does not say so
	disks   []string          // all ids there ever were
	ever    int               // ids and addresses given out
	lag     map[string]uint64
	leader  string
	elected time.Duration
	seen    map[string]time.Duration // the leader's
}

func (w *world) fresh(prefix string) string {
	w.ever++
	return fmt.Sprintf("%s%03d", prefix, (w.ever*37)%1000) // not in order
}

func (w *world) start(address string) {
	id := w.fresh("m")
	w.disks = append(w.disks, id)
	w.alive[id], w.lag[id] = address, 1000
}

// quorum says whether of the voters a majority is as is wanted.
func quorum(servers []Server, is func(id string) bool) bool {
	voters, yes := 0, 0
	for _, s := range servers {
		if s.Voter {
			voters++
			if is(s.ID) {
				yes++
			}
		}
	}
	return yes > voters/2
}

func (w *world) lives(id string) bool { return w.alive[id] != "" }

func (w *world) seems(id string) bool { return w.lives(id) && (!w.hidden[id] || id == w.leader) }

// lead elects the first living voter when the leader is gone.
func (w *world) lead() bool {
	if !quorum(w.servers, w.lives) {
		return false
	}
	if _, ok := w.alive[w.leader]; !ok || !slices.ContainsFunc(w.servers, func(s Server) bool { return s.ID == w.leader && s.Voter }) {
		i := slices.IndexFunc(w.servers, func(s Server) bool { _, ok := w.alive[s.ID]; return ok && s.Voter })
		w.leader, w.elected, w.seen = w.servers[i].ID, w.now, map[string]time.Duration{}
	}
	return true
}

func (w *world) state() State {
	s := State{
		Self: w.leader, Servers: w.servers, Committed: true, Now: w.now, Elected: w.elected,
		Seen: w.seen, Lag: map[string]uint64{},
	}
	for id, addr := range w.alive {
		if !w.seems(id) {
			continue
		}
		s.Peers = append(s.Peers, Peer{ID: id, Address: addr})
		w.seen[id] = w.now
		s.Lag[id] = w.lag[id]
	}
	return s
}

// look lets the leader make what changes it may, and checks each. It returns how many it made.
func (w *world) look() (changes int, err error) {
	for {
		if !w.lead() {
			return changes, nil
		}
		s := w.state()
		c, ok := w.policy.Reconcile(s)
		if !ok {
			return changes, nil
		}
		if err := w.check(s, c); err != nil {
			return changes, fmt.Errorf("%#v of %+v alive %v: %w", c, w.servers, w.alive, err)
		}
		w.servers = applied(w.servers, c)
		if changes++; changes > 100 {
			return changes, errors.New("no end of changes")
		}
	}
}

// check says what is wrong with a change, by the obvious rules.
func (w *world) check(s State, c Change) error {
	known := func(id string) (Server, bool) {
		i := slices.IndexFunc(w.servers, func(s Server) bool { return s.ID == id })
		if i < 0 {
			return Server{}, false
		}
		return w.servers[i], true
	}
	if again, ok := w.policy.Reconcile(s); !ok || again != c {
		return errors.New("not decided again")
	}
	s.Committed = false
	if _, ok := w.policy.Reconcile(s); ok {
		return errors.New("a second change at a time")
	}
	switch c := c.(type) {
	case AddNonvoter:
		if _, in := known(c.ID); in || w.alive[c.ID] != c.Address {
			return errors.New("added though in, dead or elsewhere")
		}
	case AddVoter:
		if e, in := known(c.ID); !in || e.Voter || !w.seems(c.ID) || w.lag[c.ID] > w.policy.PromoteLag {
			return errors.New("promoted though not fit")
		}
	case ChangeAddress:
		if e, in := known(c.ID); !in || e.Voter != c.Voter || w.alive[c.ID] != c.Address || e.Address == c.Address {
			return errors.New("moved though it has not")
		}
	case Remove:
		e, in := known(c.ID)
		if !in || w.seems(c.ID) || e.Voter && len(w.living(c.ID)) < 2 {
			return errors.New("removed though alive, or fewer than two copies stay")
		}
		if e.Voter && !quorum(applied(w.servers, c), w.seems) {
			return errors.New("no living majority as far as is known")
		}
	}
	next := applied(w.servers, c)
	voters, addresses := 0, map[string]bool{}
	for _, e := range next {
		if addresses[e.Address] {
			return errors.New("two at one address")
		}
		addresses[e.Address] = true
		if e.Voter {
			voters++
		}
	}
	if voters > w.policy.Voters {
		return fmt.Errorf("%d voters", voters)
	}
	if !quorum(next, w.lives) {
		return errors.New("no living majority")
	}
	return nil
}

// living are the voters that are alive, but for one.
func (w *world) living(but string) (ids []string) {
	for _, e := range w.servers {
		if e.Voter && w.seems(e.ID) && e.ID != but {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// TestChurn starts, kills, replaces and moves members, lets time pass and has
// gossip not see some. No change breaks a rule; when it is quiet, all that live are in, nobody else is, and an
// even number of voters has no non-voter left to make it odd.
func TestChurn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{
			policy: DefaultPolicy(), now: time.Hour, alive: map[string]string{}, lag: map[string]uint64{},
			seen: map[string]time.Duration{}, hidden: map[string]bool{},
		}
		w.start("first")
		w.servers = []Server{{ID: w.disks[0], Address: "first", Voter: true}}
		look := func() {
			if _, err := w.look(); err != nil {
				rt.Fatal(err)
			}
		}
		free := func(address string) bool {
			for _, a := range w.alive {
				if a == address {
					return false
				}
			}
			return true
		}
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			id := rapid.SampledFrom(w.disks).Draw(rt, "member")
			address, lives := w.alive[id]
			switch rapid.SampledFrom([]string{"start", "kill", "return", "replace", "move", "catch up", "fall behind", "hide", "show", "wait"}).Draw(rt, "what") {
			case "start":
				if len(w.alive) < 9 {
					w.start(w.fresh("at"))
				}
			case "kill":
				delete(w.alive, id)
			case "return":
				if !lives {
					w.alive[id] = w.fresh("at")
				}
			case "replace":
				if lives {
					delete(w.alive, id)
					w.start(address)
				}
			case "move": // perhaps to where a server that is away was
				to := rapid.SampledFrom(w.servers).Draw(rt, "to").Address
				if rapid.Bool().Draw(rt, "new") {
					to = w.fresh("at")
				}
				if lives && free(to) {
					w.alive[id] = to
				}
			case "catch up":
				w.lag[id] = 0
			case "fall behind":
				w.lag[id] = 1000
			case "hide":
				w.hidden[id] = true
			case "show":
				delete(w.hidden, id)
			case "wait":
				w.now += rapid.SampledFrom([]time.Duration{time.Second, 11 * time.Minute, 2 * time.Hour, 80 * time.Hour}).Draw(rt, "for")
			}
			look()
		}
		if !w.lead() {
			return // only an operator can help
		}
		for id := range w.alive {
			w.lag[id] = 0
			delete(w.hidden, id)
		}
		look() // what is dead is dead since now at the latest
		w.now += 73 * time.Hour
		look()
		w.quiet(rt)
	})
}

func (w *world) quiet(rt *rapid.T) {
	voters, spare, dead := 0, 0, 0
	in := map[string]bool{}
	for _, e := range w.servers {
		_, lives := w.alive[e.ID]
		in[e.ID] = true
		switch {
		case !lives:
			dead++
		case e.Voter:
			voters++
		default:
			spare++
		}
	}
	for id := range w.alive {
		if !in[id] {
			rt.Errorf("%s is alive and not in", id)
		}
	}
	if dead > 0 {
		rt.Errorf("%d dead are in", dead)
	}
	if voters > 1 && voters%2 == 0 && spare > 0 || voters < 5 && spare > 1 || voters == 1 && spare > 0 {
		rt.Errorf("%d voters, %d non-voters", voters, spare)
	}
	if rt.Failed() {
		rt.Fatalf("servers %+v alive %v", w.servers, w.alive)
	}
}
