package lease

import (
	"maps"
	"slices"
	"time"
)

// RefusalError is why a member gets no lease now.
type RefusalError string

func (r RefusalError) Error() string { return "no lease: " + string(r) }

// What Grant refuses with.
const (
	ErrNotLeader  = RefusalError("this member is not the leader")
	ErrNotReady   = RefusalError("the leader has not applied an entry of its own term")
	ErrUnverified = RefusalError("a majority has not confirmed the leader's term of late")
	ErrChanging   = RefusalError("a change of the members is not committed")
	ErrNotMember  = RefusalError("the asker is not a member")
	ErrEvicted    = RefusalError("the asker is being removed")
	ErrFrozen     = RefusalError("the asker let two leases run out without an acknowledgement")
)

// A non-voter that lets leases run out delays each logout by D, and is kept
// from reading instead: after two within freezeWindow, for freezeFor.
const (
	freezeWindow = time.Minute
	freezeFor    = 30 * time.Second
)

// Configuration is raft's latest, as the leader sees it.
type Configuration struct {
	// Index of the latest configuration that the leader has applied.
	Index uint64
	// Committed says that the lists are of that one, that is: no change is under way.
	Committed bool
	Voters    []string
	Nonvoters []string
}

// Possible is a member that may hold a lease.
type Possible struct {
	Member string
	Until  time.Duration // of the leader's clock
}

// Granter is the leader's side: who has a lease, and who may get one. It is the
// same value in and out of office.
type Granter struct {
	timing Timing
	self   string
	config Configuration
	floor  uint64 // no grant's Need is lower

	leading   bool
	term      uint64
	ready     bool
	notBefore time.Duration // until then, leases of older leaders may be held
	table     map[string]time.Duration
	voters    map[string]proof
	evicted   map[string]bool
	lapses    map[string]lapse
}

// proof is what the answers of a voter for the current term say.
type proof struct {
	sent   time.Duration // before the latest question that it answered
	config uint64
	quiet  time.Duration // since then or earlier, under config
}

type lapse struct {
	until, at, frozen time.Duration
	count             int
}

// NewGranter returns the Granter of the member self, not in office.
func NewGranter(t Timing, self string) *Granter {
	g := &Granter{timing: t, self: self}
	g.Lost()
	return g
}

// Elected begins an office. now is any instant after the election was won.
func (g *Granter) Elected(term uint64, now time.Duration) {
	if g.leading && term == g.term {
		return
	}
	g.Lost()
	g.leading, g.term, g.notBefore = true, term, now+g.timing.Wait()
}

// Ready notes that the state machine has applied a command of the leader's own
// term. Another term's is ignored.
func (g *Granter) Ready(term uint64) { g.ready = g.ready || g.leading && term == g.term }

// Lost ends the office; also right for a member that was not in office.
func (g *Granter) Lost() {
	g.leading, g.ready, g.notBefore = false, false, Never
	g.table = map[string]time.Duration{}
	g.voters = map[string]proof{}
	g.evicted = map[string]bool{}
	g.lapses = map[string]lapse{}
}

// Configured notes raft's latest configuration. Tell it after each change and
// before the next; one that is not told yet does no harm.
func (g *Granter) Configured(c Configuration) {
	before := slices.Concat(g.config.Voters, g.config.Nonvoters)
	g.config = c
	for _, m := range before {
		if g.leading && !g.member(m) { // out, perhaps without Evict: its lease lives on
			g.table[m] = max(g.until(m), g.notBefore)
		}
	}
	gone := func(member string) bool { return !g.member(member) }
	maps.DeleteFunc(g.evicted, func(m string, _ bool) bool { return gone(m) })
	maps.DeleteFunc(g.lapses, func(m string, _ lapse) bool { return gone(m) })
	maps.DeleteFunc(g.voters, func(m string, _ proof) bool { return !slices.Contains(c.Voters, m) })
}

func (g *Granter) member(m string) bool {
	return slices.Contains(g.config.Voters, m) || slices.Contains(g.config.Nonvoters, m)
}

// Answered takes a voter's answer, the leader's own too. sent is an instant
// before the question was sent, now one after the answer came.
func (g *Granter) Answered(voter string, sent, now time.Duration, a Answer) {
	if !g.leading || a.Term != g.term || !slices.Contains(g.config.Voters, voter) {
		return
	}
	p, known := g.voters[voter]
	quiet := now - quicker(a.Quiet)
	if known && p.config == a.Config {
		quiet = min(quiet, p.quiet)
	}
	if !known || sent > p.sent {
		p.sent = sent
	}
	p.config, p.quiet = a.Config, quiet
	g.voters[voter] = p
	g.shorten()
}

// shorten brings notBefore forward when a majority is known to have been quiet.
func (g *Granter) shorten() {
	if !g.config.Committed {
		return
	}
	var quiet []time.Duration
	for _, p := range g.voters {
		if p.config == g.config.Index {
			quiet = append(quiet, p.quiet)
		}
	}
	if n := len(g.config.Voters)/2 + 1; len(quiet) >= n {
		slices.Sort(quiet)
		g.notBefore = min(g.notBefore, quiet[n-1]+g.timing.Wait())
	}
}

// Verified is the latest instant after which a majority of the voters has
// confirmed the leader's term, or Never.
func (g *Granter) Verified() time.Duration {
	var sent []time.Duration
	for _, p := range g.voters {
		sent = append(sent, p.sent)
	}
	n := len(g.config.Voters)/2 + 1
	if len(sent) < n {
		return Never
	}
	slices.Sort(sent)
	return sent[len(sent)-n]
}

// Grant gives a lease or a RefusalError. now must be read after the member's request
// came; applied is what the leader's state machine has applied.
func (g *Granter) Grant(member string, now time.Duration, applied uint64) (Grant, error) {
	verified := g.Verified()
	switch {
	case !g.leading:
		return Grant{}, ErrNotLeader
	case !g.ready:
		return Grant{}, ErrNotReady
	case !g.config.Committed:
		return Grant{}, ErrChanging
	case !g.member(member):
		return Grant{}, ErrNotMember
	case g.evicted[member]:
		return Grant{}, ErrEvicted
	case verified == Never || now-verified >= g.timing.Verify():
		return Grant{}, ErrUnverified
	}
	if l, ok := g.lapses[member]; ok && now < l.frozen {
		return Grant{}, ErrFrozen
	}
	g.table[member] = max(g.until(member), now+g.timing.Bound())
	return Grant{Term: g.term, Need: max(g.floor, applied)}, nil
}

// until is when the leases that this leader granted to a member have ended.
func (g *Granter) until(member string) time.Duration {
	if t, ok := g.table[member]; ok {
		return t
	}
	return Never
}

// Holders returns all other members that may hold a lease under which an entry
// need not be seen. The leader has applied it; term and index are its place in
// the log. Every later grant needs that index. It is false if this office is
// not of that term or a later one: then the change is committed, but nobody here can
// tell when it holds, and it is to be repeated at the next leader.
func (g *Granter) Holders(now time.Duration, term, index uint64) ([]Possible, bool) {
	if !g.leading || g.term < term {
		return nil, false
	}
	g.floor = max(g.floor, index)
	members := map[string]bool{}
	for _, m := range slices.Concat(g.config.Voters, g.config.Nonvoters) {
		members[m] = true
	}
	for m, until := range g.table {
		if until <= now {
			delete(g.table, m)
			continue
		}
		members[m] = true
	}
	delete(members, g.self)
	var held []Possible
	for _, m := range slices.Sorted(maps.Keys(members)) {
		if until := max(g.until(m), g.notBefore); until > now {
			held = append(held, Possible{Member: m, Until: until})
		}
	}
	return held, true
}

// Evict stops granting to a member and returns the instant until which it may
// hold a lease: only then may it be removed. Call it again before each attempt:
// it is forgotten with the office, with Keep, and when the member is out of the
// configuration.
func (g *Granter) Evict(member string) time.Duration {
	if g.leading {
		g.evicted[member] = true
	}
	return max(g.until(member), g.notBefore)
}

// Keep takes an Evict back.
func (g *Granter) Keep(member string) { delete(g.evicted, member) }

// Expired notes that a change waited for a member until the end of its lease,
// as Holders gave it, without an acknowledgement. A non-voter that lets two
// run out gets no lease for a while, so it cannot delay every change.
func (g *Granter) Expired(p Possible, now time.Duration) {
	_, granted := g.table[p.Member]
	l, known := g.lapses[p.Member]
	if !granted || !slices.Contains(g.config.Nonvoters, p.Member) || known && p.Until <= l.until {
		return
	}
	if !known || now-l.at > freezeWindow {
		l = lapse{frozen: Never}
	}
	l.until, l.at = p.Until, now
	if l.count++; l.count == 2 {
		l.count, l.frozen = 0, now+freezeFor
	}
	g.lapses[p.Member] = l
}
