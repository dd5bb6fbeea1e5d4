package cts

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/lease"
	"sojourn/cts/internal/peer"
)

const (
	// leaseLife is D of package lease.
	leaseLife = 800 * time.Millisecond
	// leaseWait bounds how long a read waits for a lease.
	leaseWait = 1500 * time.Millisecond
	// forever is the lease of a member that alone has a vote: nobody else could
	// lead and commit what it does not know.
	forever = math.MaxInt64
)

// leases are this member's part in the protocol of package lease: as a holder,
// as a voter, and in office as the one who grants.
type leases struct {
	timing lease.Timing
	clock  func() time.Duration
	// until is when the lease that is usable ends, by clock; a read is allowed
	// before.
	until atomic.Int64
	// changed rings when until grows and when a grant comes.
	changed *bell
	// asked wakes the loop that asks for leases.
	asked chan struct{}

	mu      sync.Mutex
	holder  *lease.Holder
	granter *lease.Granter
	voter   *lease.Voter
	sole    bool
	why     string // there is no lease
	// newest is when the latest request was sent that was granted, and need what
	// it was granted for.
	newest time.Duration
	need   uint64
	// heard is what members said when they asked for a lease.
	heard map[string]heard
}

// heard is what a member has applied, as it said at an instant of our clock.
type heard struct {
	applied uint64
	at      time.Duration
}

func newLeases(slow int, clock func() time.Duration, self string, config uint64) *leases {
	t := lease.Timing{Lease: leaseLife * time.Duration(slow)}
	l := &leases{
		timing: t, clock: clock, changed: newBell(), asked: make(chan struct{}, 1),
		holder: lease.NewHolder(t), granter: lease.NewGranter(t, self), voter: lease.NewVoter(clock(), config),
		why: "starting", heard: map[string]heard{},
	}
	l.until.Store(math.MinInt64)
	return l
}

// usable reports whether reads are allowed now.
func (l *leases) usable() bool {
	until := l.until.Load()
	return until == forever || int64(l.clock()) < until
}

// left is how much longer reads are allowed.
func (l *leases) left() time.Duration {
	switch until := l.until.Load(); until {
	case forever, math.MinInt64:
		return time.Duration(max(until, 0))
	default:
		return max(0, time.Duration(until)-l.clock())
	}
}

// publish is called with mu held after anything that until depends on.
func (l *leases) publish(applied uint64) {
	l.holder.Applied(applied)
	until := int64(l.holder.Until())
	if l.sole {
		until = forever
	}
	l.until.Store(until)
	l.changed.ring()
}

// refused notes why there is no new lease, and reports whether that is news.
func (l *leases) refused(err error) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	news = l.why != err.Error()
	l.why = err.Error()
	return news
}

// wake has a lease asked for at once.
func (l *leases) wake() {
	select {
	case l.asked <- struct{}{}:
	default:
	}
}

// Current is nil when this member may answer reads, and so is not cut off from
// the others; it waits for that as a read does. The error is a
// *session.UnavailableError.
func (s *Store) Current(ctx context.Context) error { return s.readable(ctx) }

// readable is nil when this member may answer a read that begins now. It waits
// for a lease, but not for long.
func (s *Store) readable(ctx context.Context) error {
	if err := s.gate.err(); err != nil {
		return err
	}
	if s.leases.usable() {
		return nil
	}
	s.counts.leaseWaits.Add(1)
	ctx, cancel := context.WithTimeout(ctx, s.slow(leaseWait))
	defer cancel()
	for {
		changed, closed := s.leases.changed.next(), s.gate.next()
		if err := s.gate.err(); err != nil {
			return err
		}
		if s.leases.usable() {
			return nil
		}
		s.leases.wake()
		select {
		case <-changed:
		case <-closed:
		case <-ctx.Done():
			return s.noLease()
		}
	}
}

func (s *Store) noLease() error {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	return unavailable("this member cannot be sure to be up to date: %s", s.leases.why)
}

// waitFor waits until the entry of an index is applied; it is false when no
// write with that index was ever acknowledged before the instant asked.
func (s *Store) waitFor(ctx context.Context, index uint64, asked time.Duration) (written bool, err error) {
	l := s.leases
	// Whoever grants a lease that was asked for later than this was the leader
	// at asked or later: what was acknowledged before has no higher index.
	later := asked + l.timing.Wait() - l.timing.Bound()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.fsm.Wait(ctx, index) // or ctx has ended
	}()
	defer func() { <-done }()
	defer cancel()
	for {
		granted := l.changed.next()
		l.mu.Lock()
		never := l.newest > later && index > l.need || l.sole && s.writes.term.Load() != 0 && index > s.raft.LastIndex()
		l.mu.Unlock()
		switch {
		case s.fsm.Applied() >= index:
			return true, nil
		case never:
			return false, nil
		}
		select {
		case <-granted:
		case <-done:
			if ctx.Err() != nil {
				return false, unavailable("this member has not caught up")
			}
		case <-ctx.Done():
			return false, unavailable("this member has not caught up")
		case <-s.ctx.Done():
			return false, unavailable("closing")
		}
	}
}

// holdLeases asks for leases as long as the store is open.
func (s *Store) holdLeases() {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(s.leases.timing.Renew())
	defer tick.Stop()
	clocks := s.newClocks()
	for {
		changed := s.leaders.next()
		if clocks.jumped() {
			s.config.Log.Warn("the clocks do not agree about the time that has passed: giving up the lease")
			s.leases.drop(s.fsm.Applied())
		}
		asking.Go(s.askForLease)
		s.tombstones.forget(s.fsm.Applied())
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		case <-changed:
		case <-s.leases.asked:
			select { // many readers may be waiting
			case <-s.ctx.Done():
				return
			case <-time.After(leaderPoll):
			}
		}
	}
}

func (l *leases) drop(applied uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder.Drop(l.clock())
	l.publish(applied)
}

// clocks compares the clock that leases are measured by with the wall clock: a
// machine that was frozen with its clocks comes back with both wrong, but not
// equally.
type clocks struct {
	clock func() time.Duration
	most  time.Duration
	boot  time.Duration
	wall  time.Time
}

func (s *Store) newClocks() *clocks {
	return &clocks{clock: s.config.Boottime, most: s.leases.timing.Renew(), boot: s.config.Boottime(), wall: time.Now().Round(0)}
}

// jumped reports whether one of the clocks has moved on more than the other.
func (c *clocks) jumped() bool {
	boot, wall := c.clock(), time.Now().Round(0) // without the monotonic reading
	apart := boot - c.boot - wall.Sub(c.wall)
	c.boot, c.wall = boot, wall
	return apart.Abs() > c.most
}

// askForLease asks whoever leads for one lease.
func (s *Store) askForLease() {
	asked := s.config.Boottime()
	grant, err := s.requestLease()
	if err != nil {
		if s.leases.refused(err) {
			s.config.Log.Debug("no lease", "why", err)
		}
		return
	}
	l := s.leases
	l.mu.Lock()
	if asked > l.newest {
		l.newest, l.need = asked, grant.Need
	}
	l.holder.Granted(asked, grant)
	l.publish(s.fsm.Applied())
	l.mu.Unlock()
	if grant.Need <= s.fsm.Applied() {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, l.timing.Lease)
	defer cancel()
	if s.fsm.Wait(ctx, grant.Need) == nil {
		l.mu.Lock()
		l.publish(s.fsm.Applied())
		l.mu.Unlock()
	}
}

var errNoLeader = errors.New("no leader")

func (s *Store) requestLease() (lease.Grant, error) {
	if s.raft.State() == raft.Leader {
		return s.grant(s.ID(), s.fsm.Applied())
	}
	_, addr := s.leader()
	if addr == "" {
		return lease.Grant{}, errNoLeader
	}
	answer, err := s.ask(s.ctx, addr, peer.Renew{From: s.ID(), Applied: s.fsm.Applied(), Life: s.leases.timing.Lease}, s.leases.timing.Lease)
	if err != nil {
		return lease.Grant{}, err
	}
	got, ok := answer.(peer.Lease)
	if !ok {
		return lease.Grant{}, errAnswer
	}
	return lease.Grant{Term: got.Term, Need: got.Need}, nil
}

// grant gives a lease to a member that has applied so much.
func (s *Store) grant(member string, applied uint64) (lease.Grant, error) {
	own := s.fsm.Applied()
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	s.configured()
	grant, err := l.granter.Grant(member, l.clock(), own)
	if !errors.Is(err, lease.ErrNotMember) {
		l.heard[member] = heard{applied: applied, at: l.clock()}
	}
	return grant, err
}

// configured tells the granter which configuration there is. leases.mu is held.
func (s *Store) configured() {
	applied, index := s.configuration()
	latest := s.raft.GetConfiguration().Configuration()
	c := lease.Configuration{Index: index, Committed: index > 0 && sameServers(applied, latest)}
	for _, server := range applied.Servers {
		if server.Suffrage == raft.Voter {
			c.Voters = append(c.Voters, string(server.ID))
		} else {
			c.Nonvoters = append(c.Nonvoters, string(server.ID))
		}
	}
	s.leases.granter.Configured(c)
}

// configuration is the latest that is applied here, and its index.
func (s *Store) configuration() (raft.Configuration, uint64) {
	meta := s.fsm.Meta()
	if len(meta.Config) == 0 {
		return raft.Configuration{}, 0
	}
	return raft.DecodeConfiguration(meta.Config), meta.ConfigIndex
}

func sameServers(a, b raft.Configuration) bool {
	if len(a.Servers) != len(b.Servers) {
		return false
	}
	for i := range a.Servers {
		if a.Servers[i] != b.Servers[i] {
			return false
		}
	}
	return true
}

// proveLeadership asks the voters for their terms, again and again while this
// member leads.
func (s *Store) proveLeadership() {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(s.leases.timing.Round())
	defer tick.Stop()
	for {
		if s.raft.State() == raft.Leader {
			s.askTerms(&asking)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		case <-s.elected:
		}
	}
}

func (s *Store) askTerms(asking *sync.WaitGroup) {
	term := s.raft.CurrentTerm()
	servers, _ := s.configuration()
	for _, server := range servers.Servers {
		if server.Suffrage != raft.Voter {
			continue
		}
		id := string(server.ID)
		sent := s.config.Boottime()
		if id == s.ID() {
			if a, ok := s.answerTerm(); ok {
				s.leases.answered(s, id, sent, a)
			}
			continue
		}
		asking.Go(func() {
			addr, err := (addresses{s.config.Network}).ServerAddr(server.ID)
			if err != nil {
				addr = server.Address
			}
			answer, err := s.ask(s.ctx, string(addr), peer.Term{Term: term, Life: s.leases.timing.Lease}, s.leases.timing.Verify())
			if a, ok := answer.(peer.TermIs); err == nil && ok {
				s.leases.answered(s, id, sent, lease.Answer(a))
			}
		})
	}
}

func (l *leases) answered(s *Store, voter string, sent time.Duration, a lease.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.granter.Verified()
	s.configured()
	l.granter.Answered(voter, sent, l.clock(), a)
	if before == lease.Never && l.granter.Verified() != lease.Never {
		l.wake()
	}
}

// answerTerm is this member's answer as a voter.
func (s *Store) answerTerm() (lease.Answer, bool) {
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	term, config := s.raft.CurrentTerm(), s.fsm.Meta().ConfigIndex
	return l.voter.Answer(l.clock(), term, config)
}
