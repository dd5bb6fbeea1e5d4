package daemon

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"sojourn/actors"
	"sojourn/cluster/placement"
	"sojourn/cts"
	"sojourn/http/rest"
)

// forever is the lease of a member that alone has a vote.
const forever = time.Duration(math.MaxInt64)

// members is the cluster as the API lists it: what the stores know of each
// other, with what gossip tells of the processes.
type members struct {
	near     *neighbours
	store    *cts.Store
	registry *registry
	journeys *actors.Journeys
	version  string // of this member's program
}

func (m members) Members(ctx context.Context) ([]rest.Member, error) {
	stores, err := m.store.Members(ctx)
	if err != nil {
		return nil, err
	}
	journeys := m.survey(ctx)
	now := time.Now()
	seen := map[string]placement.Member{}
	for _, p := range m.near.view().Members() {
		seen[p.Store] = p
	}
	all := make([]rest.Member, 0, len(stores))
	for _, s := range stores {
		p, alive := seen[s.ID]
		one := rest.Member{
			ID: s.ID, Process: p.ID, Name: s.Name, Address: s.Address, HTTP: p.HTTP,
			Voter: s.Voter, Leader: s.Leader, Self: s.Self, Protocol: p.Protocol,
		}
		if s, ok := journeys[p.ID]; alive && ok {
			one.Journeys = &rest.MemberJourneys{Waiting: s.Waiting, Outstanding: s.Outstanding}
		}
		if alive {
			one.State, one.Name, one.Address, one.LastSeen = rest.MemberAlive, p.Name, p.Address, now
		} else {
			one.State, one.Name, one.LastSeen = m.absent(s)
		}
		if s.Self {
			one.Version = m.version
		}
		if s.Answers {
			one.Lag = &s.Lag
			if s.Lease < forever { // a member alone needs none
				one.Lease = &s.Lease
			}
			for _, id := range s.Sees {
				one.Sees = append(one.Sees, m.name(seen, id))
			}
			slices.Sort(one.Sees)
		}
		all = append(all, one)
	}
	return all, nil
}

// survey asks the members of the view about their journeys. It lacks those that
// do not answer within a second, or are of an older version.
func (m members) survey(ctx context.Context) map[placement.MemberID]actors.Survey {
	var (
		mu     sync.Mutex
		all    = map[placement.MemberID]actors.Survey{}
		asking sync.WaitGroup
	)
	for _, p := range m.near.view().Members() {
		if p.Protocol < placement.ReplicaProtocol {
			continue
		}
		asking.Go(func() {
			if s, err := m.journeys.Survey(ctx, p.ID, ""); err == nil {
				mu.Lock()
				defer mu.Unlock()
				all[p.ID] = s
			}
		})
	}
	asking.Wait()
	return all
}

// absent tells of a member that is not in the view what is remembered: one that
// was last seen draining has left.
func (m members) absent(s cts.Member) (rest.MemberState, string, time.Time) {
	a, known := m.near.met(s.ID)
	switch {
	case !known:
		return rest.MemberUnknown, s.Name, time.Time{}
	case a.Draining:
		return rest.MemberLeft, a.Name, a.seen
	}
	return rest.MemberDead, a.Name, a.seen
}

// name is what an operator knows a store by.
func (m members) name(seen map[string]placement.Member, store string) string {
	if p, ok := seen[store]; ok && p.Name != "" {
		return p.Name
	}
	if a, ok := m.near.met(store); ok && a.Name != "" {
		return a.Name
	}
	return store
}

// Remove takes a member out of the cluster, and notes that its process is over:
// what that one alone held is then known to be lost. One that the cluster has
// put out by itself meanwhile can still be removed in this second sense.
func (m members) Remove(ctx context.Context, id string) error {
	err := m.store.Remove(ctx, id)
	if err != nil && !errors.Is(err, cts.ErrNoMember) {
		return memberError(err)
	}
	unknown := err != nil
	if unknown && slices.ContainsFunc(m.near.view().Members(), func(p placement.Member) bool { return p.Store == id }) {
		return &rest.MemberRefusedError{Reason: "the member is alive and about to be taken in: stop it first"}
	}
	there, err := m.registry.remove(ctx, id)
	if err == nil && unknown && !there {
		return rest.ErrNoMember
	}
	return err
}

func (m members) Promote(ctx context.Context, id string) error {
	return memberError(m.store.Promote(ctx, id))
}

// memberError makes an error of the store one that package rest can explain.
func memberError(err error) error {
	switch {
	case errors.Is(err, cts.ErrNoMember):
		return rest.ErrNoMember
	case errors.Is(err, cts.ErrRefused):
		return &rest.MemberRefusedError{Reason: err.Error()}
	}
	return err
}
