package cts

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/lease"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// courierPause is how long a message that got no answer waits for its next try.
const courierPause = 20 * time.Millisecond

// ended returns when no other member calls the sessions valid that the entry at
// an index, applied here, has ended: each has acknowledged that, or its lease
// has run out.
func (s *Store) ended(ctx context.Context, at place, ids ...session.ID) error {
	all := make([]peer.Tombstone, len(ids))
	for i, id := range ids {
		all[i] = peer.Tombstone{ID: id, Index: at.index}
	}
	return s.everywhere(ctx, at, s.tombstoneCouriers, peer.Barrier{Tombstones: all})
}

// shown returns when every other member that answers reads has applied the entry
// at an index.
func (s *Store) shown(ctx context.Context, at place) error {
	return s.everywhere(ctx, at, s.appliedCouriers, peer.Barrier{Applied: at.index})
}

func (s *Store) everywhere(ctx context.Context, at place, by *couriers, b peer.Barrier) error {
	l := s.leases
	l.mu.Lock()
	s.configured()
	holders, inOffice := l.granter.Holders(l.clock(), at.term, at.index)
	l.mu.Unlock()
	if !inOffice {
		return unknown("the leader has changed before all members knew of the write")
	}
	if len(holders) == 0 {
		return nil
	}
	s.counts.barriers.Add(1)
	if b.Applied > 0 {
		s.nudge()
	}
	waiting := make([]*parcel, len(holders))
	for i, h := range holders {
		waiting[i] = by.send(s, h, b)
	}
	for _, p := range waiting {
		select {
		case <-p.done:
		case <-ctx.Done():
			return unknown("the write is done, but not yet known to all members")
		case <-s.ctx.Done():
			return unknown("closing")
		}
	}
	return nil
}

// nudge makes an idle log move on: only with the next entry do members learn at
// once that the one before is committed.
func (s *Store) nudge() {
	if !s.nudging.CompareAndSwap(false, true) {
		return
	}
	data, err := command.Append(nil, command.Noop{})
	if err == nil {
		s.writes.propose(data, s.writes.term.Load(), func() { s.nudging.Store(false) })
	}
}

// couriers carry barriers to members, for each member one message at a time with
// all that has gathered meanwhile.
type couriers struct {
	mu      sync.Mutex
	waiting map[string][]*parcel // by member; there is a key while one is under way
}

func newCouriers() *couriers { return &couriers{waiting: map[string][]*parcel{}} }

// parcel is a barrier for one member.
type parcel struct {
	peer.Barrier
	to   lease.Possible
	done chan struct{} // closed when it is acknowledged or the lease has run out
}

func (c *couriers) send(s *Store, to lease.Possible, b peer.Barrier) *parcel {
	p := &parcel{Barrier: b, to: to, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, underWay := c.waiting[to.Member]
	c.waiting[to.Member] = append(waiting, p)
	if !underWay && s.calls.enter() {
		go func() {
			defer s.calls.leave()
			c.run(s, to.Member)
		}()
	}
	return p
}

// run carries what waits for a member until nothing does.
func (c *couriers) run(s *Store, member string) {
	for s.ctx.Err() == nil {
		load, b := c.load(s, member)
		if len(load) == 0 {
			return
		}
		if s.carry(member, b, load[0].to.Until) {
			c.unload(member, load)
			continue
		}
		pause := time.NewTimer(courierPause)
		select {
		case <-s.ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// load packs what waits for a member. What has waited until the end of the
// member's lease is done. Without anything left the courier is free.
func (c *couriers) load(s *Store, member string) (load []*parcel, b peer.Barrier) {
	now := s.config.Boottime()
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []*parcel
	for _, p := range c.waiting[member] {
		if p.to.Until <= now {
			close(p.done)
			s.leases.expired(p.to, now)
			s.counts.lapsed.Add(1)
			continue
		}
		left = append(left, p)
		if len(b.Tombstones)+len(p.Tombstones) <= peer.MaxTombstones {
			load = append(load, p)
			b.Tombstones = append(b.Tombstones, p.Tombstones...)
			b.Applied = max(b.Applied, p.Applied)
		}
	}
	if len(left) == 0 {
		delete(c.waiting, member)
		return nil, b
	}
	c.waiting[member] = left
	return load, b
}

// unload ends what was delivered.
func (c *couriers) unload(member string, load []*parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delivered := make(map[*parcel]bool, len(load))
	for _, p := range load {
		delivered[p] = true
		close(p.done)
	}
	var left []*parcel
	for _, p := range c.waiting[member] {
		if !delivered[p] {
			left = append(left, p)
		}
	}
	c.waiting[member] = left
}

func (l *leases) expired(p lease.Possible, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.granter.Expired(p, now)
}

// carry brings a barrier to a member and reports whether it was acknowledged.
func (s *Store) carry(member string, b peer.Barrier, until time.Duration) bool {
	addr, err := (addresses{s.config.Network}).ServerAddr(raft.ServerID(member))
	if err != nil {
		return false
	}
	answer, err := s.ask(s.ctx, string(addr), b, max(courierPause, until-s.config.Boottime()))
	_, acknowledged := answer.(peer.Done)
	return err == nil && acknowledged
}
