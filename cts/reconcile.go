package cts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/peer"
	"sojourn/cts/internal/roster"
)

// lagTimeout is how old a member's word on how far it is may be, in renewals of
// its lease.
const lagTimeout = 5

// reconcile brings the configuration in line with who is alive, while this
// member leads: one change at a time.
func (s *Store) reconcile() {
	tick := time.NewTicker(s.slow(reconcileInterval))
	defer tick.Stop()
	seen := map[string]time.Duration{}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		applied, _ := s.configuration()
		s.formed(applied)
		s.releases.hear(s.config.Network.Peers(), applied)
		if s.writes.term.Load() == 0 {
			clear(seen)
			continue
		}
		now := s.config.Boottime()
		for _, p := range s.config.Network.Peers() {
			seen[p.Store] = now
		}
		if err := s.reconcileOnce(seen); err != nil {
			s.config.Log.Warn("the members of the cluster were not changed", "err", err)
		}
	}
}

func (s *Store) reconcileOnce(seen map[string]time.Duration) error {
	if !s.changing.TryLock() {
		return nil // an operator's change is under way
	}
	defer s.changing.Unlock()
	state, index := s.roster(seen)
	change, ok := s.policy.Reconcile(state)
	if remove, is := change.(roster.Remove); !ok || !is || remove.ID != s.evicting {
		s.keep()
	}
	if !ok {
		return nil
	}
	return s.change(change, index)
}

// roster is what the leader knows of the members, and the index of the
// configuration that it goes by.
func (s *Store) roster(seen map[string]time.Duration) (roster.State, uint64) {
	applied, index := s.configuration()
	cluster := s.cluster.Load()
	last, now := s.raft.LastIndex(), s.config.Boottime()
	state := roster.State{
		Self: s.ID(), Committed: index > 0 && sameServers(applied, s.raft.GetConfiguration().Configuration()),
		Now: now, Seen: seen, Lag: map[string]uint64{},
	}
	for _, p := range s.config.Network.Peers() {
		if p.Cluster == [16]byte{} || cluster != nil && p.Cluster == *cluster {
			state.Peers = append(state.Peers, roster.Peer{ID: p.Store, Address: p.Address})
		}
	}
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	state.Elected = s.since
	for _, server := range applied.Servers {
		id := string(server.ID)
		state.Servers = append(state.Servers, roster.Server{
			ID: id, Address: string(server.Address), Voter: server.Suffrage == raft.Voter,
		})
		if h, ok := l.heard[id]; ok && now-h.at < lagTimeout*l.timing.Renew() {
			state.Lag[id] = last - min(last, h.applied)
		}
	}
	return state, index
}

// change makes one change to the configuration of an index. A removal that has
// to wait for a lease returns at once, and is done when it is asked for again.
func (s *Store) change(c roster.Change, index uint64) error {
	var future raft.IndexFuture
	switch c := c.(type) {
	case roster.AddNonvoter:
		s.config.Log.Info("takes in a member", "member", c.ID, "address", c.Address)
		future = s.raft.AddNonvoter(raft.ServerID(c.ID), raft.ServerAddress(c.Address), index, 0)
	case roster.AddVoter:
		s.notAlone()
		s.config.Log.Info("a member gets a vote", "member", c.ID)
		future = s.raft.AddVoter(raft.ServerID(c.ID), raft.ServerAddress(c.Address), index, 0)
	case roster.ChangeAddress:
		s.config.Log.Info("a member has another address", "member", c.ID, "address", c.Address)
		if c.Voter {
			future = s.raft.AddVoter(raft.ServerID(c.ID), raft.ServerAddress(c.Address), index, 0)
		} else {
			future = s.raft.AddNonvoter(raft.ServerID(c.ID), raft.ServerAddress(c.Address), index, 0)
		}
	case roster.Remove:
		if s.evict(c.ID) > s.config.Boottime() {
			return nil
		}
		s.config.Log.Info("removes a member", "member", c.ID, "why", c.Why)
		future = s.raft.RemoveServer(raft.ServerID(c.ID), index, 0)
	default:
		panic(fmt.Sprintf("cts: change of type %T", c))
	}
	err := future.Error()
	if s.evicting != "" {
		s.keep()
	}
	s.ready()
	if err != nil {
		return fmt.Errorf("change the members: %w", err)
	}
	return nil
}

// notAlone takes the lease without end back before another member gets a vote.
func (s *Store) notAlone() {
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sole = false
	l.publish(s.fsm.Applied())
}

// ready tells the granter that this leader may grant leases, and whether it
// needs none itself, as far as that is so.
func (s *Store) ready() {
	term := s.writes.term.Load()
	if term == 0 || s.forming.Load() {
		return
	}
	l := s.leases
	l.mu.Lock()
	s.configured()
	l.granter.Ready(term)
	l.sole = s.alone()
	l.publish(s.fsm.Applied())
	l.mu.Unlock()
	l.wake()
}

// evict begins to take a member's lease away, and returns until when it may have
// one. changing is held.
func (s *Store) evict(id string) time.Duration {
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	s.evicting = id
	return l.granter.Evict(id)
}

// keep takes an eviction back. changing is held.
func (s *Store) keep() {
	if s.evicting == "" {
		return
	}
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	l.granter.Keep(s.evicting)
	s.evicting = ""
}

// removeMember is Remove where the leader is.
func (s *Store) removeMember(ctx context.Context, id string) error {
	return s.operate(ctx, func(state roster.State) (roster.Change, error) { return s.policy.Removal(state, id) })
}

// promoteMember is Promote where the leader is.
func (s *Store) promoteMember(ctx context.Context, id string) error {
	return s.operate(ctx, func(state roster.State) (roster.Change, error) { return s.policy.Promotion(state, id) })
}

// operate makes the change that an operator wants.
func (s *Store) operate(ctx context.Context, decide func(roster.State) (roster.Change, error)) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	defer s.keep()
	for {
		if s.writes.term.Load() == 0 {
			return elsewhere("no leader")
		}
		state, index := s.roster(nil)
		change, err := decide(state)
		if refused, ok := errors.AsType[*roster.RefusedError](err); ok {
			return sentError{refused.Reason, ErrRefused}
		}
		if errors.Is(err, roster.ErrUnknown) {
			return ErrNoMember
		}
		if err != nil {
			return err
		}
		remove, isRemoval := change.(roster.Remove)
		if !isRemoval {
			return operated(s.change(change, index))
		}
		wait := s.evict(remove.ID) - s.config.Boottime()
		if wait <= 0 {
			return operated(s.change(change, index))
		}
		lapsed := time.NewTimer(wait)
		select {
		case <-lapsed.C:
		case <-ctx.Done():
			lapsed.Stop()
			return unavailable("the member may still answer reads for %v", wait.Round(time.Millisecond))
		}
	}
}

// operated makes an error of raft one that callers can tell apart.
func operated(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return elsewhere("no leader")
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown):
		return unknown("the leader has changed")
	default:
		return err
	}
}

// condition is what this member says of itself.
func (s *Store) condition() peer.Condition {
	_, leader := s.raft.LeaderWithID()
	c := peer.Condition{
		Store: s.ID(), Name: s.config.Name, Term: s.raft.CurrentTerm(), Leader: string(leader),
		Applied: s.fsm.Applied(), Lease: s.leases.left(),
	}
	for _, p := range s.config.Network.Peers() {
		c.Sees = append(c.Sees, p.Store)
	}
	return c
}
