package rest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"sojourn/cluster/placement"
	"sojourn/http/wire"
)

// Members are the members of the cluster; a member alone lists itself.
type Members interface {
	// Members lists all that are configured or were heard of, in any order. It
	// answers without a leader as well: what is not known then is left out.
	Members(ctx context.Context) ([]Member, error)
	// Remove takes a member out of the configuration for good and returns when
	// that is committed; Promote gives it a vote. ErrNoMember is certain absence,
	// a *MemberRefusedError says why it must not be done.
	Remove(ctx context.Context, id string) error
	Promote(ctx context.Context, id string) error
}

// Member is one of them, as the member that answers knows it.
type Member struct {
	// ID names the data folder: it outlives the process. Process is the run of
	// the program, empty when none is known.
	ID      string
	Process placement.MemberID
	Name    string
	// Address is where other members reach it, HTTP where clients do; HOST:PORT.
	Address, HTTP string
	Voter, Leader bool
	// Self is set for the member that answers.
	Self  bool
	State MemberState
	// Lease is how much longer the leader lets it answer reads, not positive when
	// that is over. Lag is how many entries it is behind the leader. Nil when not
	// known.
	Lease *time.Duration
	Lag   *uint64
	// Journeys are what the member says of the journeys in its memory; nil when
	// not known.
	Journeys *MemberJourneys
	// LastSeen is when it was heard of last; zero for never.
	LastSeen time.Time
	// Sees are the names of the members that it calls alive.
	Sees []string
	// Protocol is the newest protocol between members that it speaks.
	Protocol int
	// Version is that of its program; a member knows only its own.
	Version string
}

// MemberJourneys are counts of journeys. Waiting ones wait for their client at
// this member, as replicas too; of those that are Outstanding it is this
// member's turn to give them the replicas they ought to have.
type MemberJourneys struct{ Waiting, Outstanding int64 }

// MemberState is what is known of a member's process.
type MemberState string

// The states of a member. One that left said so; a dead one went silent.
const (
	MemberAlive   MemberState = "alive"
	MemberLeft    MemberState = "left"
	MemberDead    MemberState = "dead"
	MemberUnknown MemberState = "unknown"
)

// ErrNoMember says that no member has an id.
var ErrNoMember = errors.New("no such member")

// MemberRefusedError says why a member must not be removed or promoted, such as
// that no quorum would be left. The operator is told.
type MemberRefusedError struct{ Reason string }

func (e *MemberRefusedError) Error() string { return e.Reason }

// memberOperations are those of global-config/sojourn/members.
func memberOperations() []operation {
	return []operation{
		{method: "GET", path: "sojourn/members", guard: guardOperator, run: listMembers},
		{method: "POST", path: "sojourn/members/{id}", action: "remove", guard: guardOperator, run: memberAction(Members.Remove)},
		{method: "POST", path: "sojourn/members/{id}", action: "promote", guard: guardOperator, run: memberAction(Members.Promote)},
	}
}

// listMembers lists by name. Without a filter, all are meant.
func listMembers(c *call) error {
	all, err := c.h.cfg.Resources.Members.Members(c.context())
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	bodies := make([][]byte, len(all))
	for i, m := range all {
		if bodies[i], err = wire.Marshal(m.wire()); err != nil {
			return err
		}
	}
	if c.query == "" {
		c.query = "_queryFilter=true"
	}
	c.w.Header()["Cache-Control"] = cacheNoStore
	return c.list(bodies)
}

func (m Member) wire() wire.ClusterMember {
	w := wire.ClusterMember{
		ID: m.ID, Process: string(m.Process), Name: m.Name, Address: m.Address, HTTP: m.HTTP,
		Voter: m.Voter, Leader: m.Leader, Self: m.Self, State: string(m.State),
		Lag: m.Lag, Sees: append([]string{}, m.Sees...), Protocol: m.Protocol, Version: m.Version,
	}
	if m.Lease != nil {
		seconds := math.Round(max(m.Lease.Seconds(), 0)*1000) / 1000
		w.Lease = &seconds
	}
	if m.Journeys != nil {
		w.Waiting, w.Outstanding = &m.Journeys.Waiting, &m.Journeys.Outstanding
	}
	if !m.LastSeen.IsZero() {
		at := m.LastSeen.UTC().Truncate(time.Millisecond)
		w.LastSeen = &at
	}
	return w
}

func memberAction(do func(Members, context.Context, string) error) func(*call) error {
	return func(c *call) error {
		if err := do(c.h.cfg.Resources.Members, c.context(), c.lastPart()); err != nil {
			return err
		}
		return c.success()
	}
}
