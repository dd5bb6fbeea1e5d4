package roster

import (
	"cmp"
	"slices"
	"time"
)

// Server is an entry of raft's configuration.
type Server struct {
	ID, Address string
	Voter       bool
}

// Peer is a member that is alive now: of this cluster, or not in any yet.
type Peer struct{ ID, Address string }

// State is what the leader knows.
type State struct {
	Self      string   // the leader's store id
	Servers   []Server // raft's latest configuration
	Committed bool     // no change is under way
	Peers     []Peer   // Self is taken for alive in any case

	Now, Elected time.Duration // of one clock; Elected is when this leader began
	// Seen is when a member was last alive. One that is not in it is
	// unknown, which is not dead: it counts from Elected.
	Seen map[string]time.Duration
	// Lag is how many log entries a non-voter has still to apply. One that
	// is not in it has not said yet, and is not promoted.
	Lag map[string]uint64
}

// Policy holds the limits.
type Policy struct {
	Voters     int           // at most; odd
	Replaced   time.Duration // a dead voter is removed after this if a non-voter can take its place,
	Voter      time.Duration // else after this
	Nonvoter   time.Duration // a dead non-voter is removed after this
	PromoteLag uint64        // a non-voter that is behind by more is not promoted
}

// DefaultPolicy returns what suits a cluster whose members are looked after.
func DefaultPolicy() Policy {
	return Policy{Voters: 5, Replaced: 10 * time.Minute, Voter: 72 * time.Hour, Nonvoter: time.Hour, PromoteLag: 500}
}

// Change is one step: AddNonvoter, AddVoter, Remove or ChangeAddress.
type Change interface{ change() }

type (
	// AddNonvoter adds a server that is not in the configuration.
	AddNonvoter struct{ ID, Address string }
	// AddVoter makes a voter of a non-voter.
	AddVoter struct{ ID, Address string }
	// Remove takes a server out, once its lease has been waited out. While it
	// is, the same Remove is decided again at each look, or no more.
	Remove struct{ ID, Why string }
	// ChangeAddress gives a server its new address; Voter says what it is and stays.
	ChangeAddress struct {
		ID, Address string
		Voter       bool
	}
)

func (AddNonvoter) change()   {}
func (AddVoter) change()      {}
func (Remove) change()        {}
func (ChangeAddress) change() {}

// Reconcile returns the next change, if there is one to make now.
//
// No two servers may have one address (raft refuses it). Where members have
// exchanged theirs, the entries stay as they are: dialling goes by what gossip says, the
// configuration's address is a hint.
func (p Policy) Reconcile(s State) (Change, bool) {
	v := look(s)
	if _, in := v.servers[s.Self]; !in || !s.Committed {
		return nil, false
	}
	for _, step := range []func(Policy) (Change, bool){v.readdress, v.replace, v.promote, v.add, v.reap} {
		if c, ok := step(p); ok {
			return c, true
		}
	}
	return nil, false
}

// view is a State made easy to ask, in order of ids.
type view struct {
	State
	sorted  []Server
	servers map[string]Server
	alive   map[string]string // address by id
	at      map[string]string // id of the server by address
}

func look(s State) view {
	v := view{State: s, servers: map[string]Server{}, alive: map[string]string{}, at: map[string]string{}}
	v.sorted = slices.SortedFunc(slices.Values(s.Servers), func(a, b Server) int { return cmp.Compare(a.ID, b.ID) })
	for _, e := range v.sorted {
		v.servers[e.ID], v.at[e.Address] = e, e.ID
	}
	for _, p := range s.Peers {
		v.alive[p.ID] = p.Address
	}
	if _, ok := v.alive[s.Self]; !ok {
		v.alive[s.Self] = v.servers[s.Self].Address
	}
	v.Peers = slices.SortedFunc(slices.Values(s.Peers), func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	return v
}

func (v view) lives(id string) bool { _, ok := v.alive[id]; return ok }

// readdress gives a living server the address at which it is.
func (v view) readdress(Policy) (Change, bool) {
	for _, e := range v.sorted {
		now, ok := v.alive[e.ID]
		if !ok || now == "" || now == e.Address || v.at[now] != "" {
			continue
		}
		return ChangeAddress{ID: e.ID, Address: now, Voter: e.Voter}, true
	}
	return nil, false
}

// replace removes a dead server in whose place, at its address, another lives.
func (v view) replace(Policy) (Change, bool) {
	for _, n := range v.Peers {
		old, taken := v.servers[v.at[n.Address]]
		if _, known := v.servers[n.ID]; known || !taken || v.lives(old.ID) || v.refuse(old) != "" {
			continue
		}
		return Remove{ID: old.ID, Why: "member " + n.ID + " is at its address " + old.Address}, true
	}
	return nil, false
}

// promote makes a voter of a non-voter that has caught up, if that makes the
// number of voters odd, or the next promotion will.
func (v view) promote(p Policy) (Change, bool) {
	ready := v.ready(p)
	n := v.voters()
	switch {
	case len(ready) == 0 || n+1 > p.Voters:
		return nil, false
	case n%2 == 1 && n > 1 && (len(ready) < 2 || n+2 > p.Voters):
		return nil, false
	}
	return AddVoter{ID: ready[0].ID, Address: v.servers[ready[0].ID].Address}, true
}

// ready returns the non-voters that can be voters at once.
func (v view) ready(p Policy) []Server {
	var ready []Server
	for _, e := range v.sorted {
		if lag, known := v.Lag[e.ID]; !e.Voter && v.lives(e.ID) && known && lag <= p.PromoteLag {
			ready = append(ready, e)
		}
	}
	return ready
}

func (v view) voters() int {
	n := 0
	for _, e := range v.sorted {
		if e.Voter {
			n++
		}
	}
	return n
}

// add takes in a living member that is not in the configuration.
func (v view) add(Policy) (Change, bool) {
	for _, n := range v.Peers {
		if _, known := v.servers[n.ID]; known || n.ID == "" || n.Address == "" || v.at[n.Address] != "" {
			continue
		}
		return AddNonvoter(n), true
	}
	return nil, false
}

// reap removes a server that has been dead for too long.
func (v view) reap(p Policy) (Change, bool) {
	for _, e := range v.sorted {
		if v.lives(e.ID) {
			continue
		}
		since, ok := v.Seen[e.ID]
		if !ok {
			since = v.Elected
		}
		limit := p.Nonvoter
		if e.Voter {
			if limit = p.Voter; len(v.ready(p)) > 0 {
				limit = min(p.Replaced, p.Voter)
			}
		}
		if dead := v.Now - since; dead >= limit && v.refuse(e) == "" {
			return Remove{ID: e.ID, Why: "not seen for " + dead.Round(time.Second).String()}, true
		}
	}
	return nil, false
}
