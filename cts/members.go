package cts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/peer"
)

// ErrNoMember says that the cluster has no such member.
var ErrNoMember = errors.New("no such member")

// ErrRefused says that a change of the members would harm the cluster. The
// error's text says how, and what to do instead.
var ErrRefused = errors.New("refused")

// membersTimeout bounds the wait for what members say of themselves.
const membersTimeout = time.Second

// Member is what is known of one member's store.
type Member struct {
	// ID is its store's.
	ID, Name, Address string
	// Known members are in the cluster's configuration; Voter among those that
	// vote. A member that is not known is about to be taken in, or was removed.
	Known, Voter bool
	Leader, Self bool
	// Alive members are seen by the member that was asked; Answers says that it
	// told about itself, which all below depends on.
	Alive, Answers bool
	// Applied is the log index whose effect can be read there, Lag how many
	// entries it is behind the leader.
	Applied, Lag uint64
	// Lease is how much longer it may answer reads by the lease it has; 0 for
	// none, and the longest Duration for a member that alone has a vote.
	Lease time.Duration
	// Sees are the ids of the stores that it sees alive, its own included.
	Sees []string
}

// Configured lists the ids of the data folders that are members of the cluster,
// as this one knows it, and of those that vote. It does not block. Both are
// empty while this member is in no cluster.
func (s *Store) Configured() (all, voters []string) {
	for _, server := range s.raft.GetConfiguration().Configuration().Servers {
		all = append(all, string(server.ID))
		if server.Suffrage == raft.Voter {
			voters = append(voters, string(server.ID))
		}
	}
	return all, voters
}

// Members lists the members that the cluster's configuration has and those that
// are alive, in the order of their ids. It asks them, but waits for none longer
// than a second.
func (s *Store) Members(ctx context.Context) ([]Member, error) {
	found := map[string]*Member{}
	member := func(id string) *Member {
		if found[id] == nil {
			found[id] = &Member{ID: id, Self: id == s.ID()}
		}
		return found[id]
	}
	for _, server := range s.raft.GetConfiguration().Configuration().Servers {
		m := member(string(server.ID))
		m.Known, m.Voter, m.Address = true, server.Suffrage == raft.Voter, string(server.Address)
	}
	for _, p := range s.config.Network.Peers() {
		m := member(p.Store)
		m.Alive, m.Address, m.Name = true, p.Address, p.Name
	}
	self := member(s.ID())
	self.Alive = true
	_, leader := s.raft.LeaderWithID()
	var asking sync.WaitGroup
	for _, m := range found {
		m.Leader = m.ID == string(leader)
		if m.Self {
			m.said(s.condition())
			continue
		}
		if !m.Alive {
			continue
		}
		asking.Go(func() {
			answer, err := s.ask(ctx, m.Address, peer.Status{}, s.slow(membersTimeout))
			if c, ok := answer.(peer.Condition); err == nil && ok && c.Store == m.ID {
				m.said(c)
			}
		})
	}
	asking.Wait()
	last := self.Applied
	if at := found[string(leader)]; at != nil && at.Answers {
		last = max(last, at.Applied)
	}
	all := make([]Member, 0, len(found))
	for _, m := range found {
		if m.Answers {
			m.Lag = last - min(last, m.Applied)
		}
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func (m *Member) said(c peer.Condition) {
	m.Answers = true
	m.Name, m.Applied, m.Lease, m.Sees = c.Name, c.Applied, c.Lease, c.Sees
}

// Remove takes a member that is not alive out of the cluster. It waits until
// that member can answer no read any more. ErrNoMember: there is none.
// ErrRefused: it cannot be done now, and the text says what to do.
func (s *Store) Remove(ctx context.Context, storeID string) error {
	_, err := s.write(ctx, peer.Remove{Store: storeID})
	return err
}

// Promote gives a vote to a member that has caught up. Errors are as with
// Remove.
func (s *Store) Promote(ctx context.Context, storeID string) error {
	_, err := s.write(ctx, peer.Promote{Store: storeID})
	return err
}
