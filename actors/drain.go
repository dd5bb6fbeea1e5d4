package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/cluster/placement"
)

// Between two looks of a member that drains. The pause doubles.
const (
	firstDrainPause = 10 * time.Millisecond
	maxDrainPause   = 200 * time.Millisecond
)

// ErrNobody says that no other member could take a leaving member's journeys.
var ErrNobody = errors.New("there is no other member to hold the journeys")

// Drain moves the journeys of this member to others, and returns when no
// record names it any more. Its view must say that it is draining. Until Close
// it goes on answering requests, by asking other members. ErrNobody: nobody is
// there to take them. Any other error is that of ctx, and tells how many
// journeys are left.
func (j *Journeys) Drain(ctx context.Context) error {
	for pause := firstDrainPause; ; pause = min(2*pause, maxDrainPause) {
		if !j.relieved() {
			return ErrNobody
		}
		left := j.repairs.sweep(ctx)
		if left == 0 {
			left = j.stillNamed(ctx)
		}
		if left == 0 && j.gateway.active() == 0 {
			return nil
		}
		rest(ctx, pause)
		if ctx.Err() != nil {
			return fmt.Errorf("drain: %d journeys still name this member: %w", left, context.Cause(ctx))
		}
	}
}

// relieved reports whether another member may hold what this one holds.
func (j *Journeys) relieved() bool {
	for _, m := range j.config.View().Members() {
		if m.ID != j.config.Self && m.Protocol >= placement.ReplicaProtocol && !m.Draining && !m.Starting {
			return true
		}
	}
	return false
}

// stillNamed counts the records that name this member, its own and those at others.
// A member that cannot be asked counts for one: it may have some.
func (j *Journeys) stillNamed(ctx context.Context) int64 {
	n := j.repairs.count(j.config.Self)
	for _, m := range j.config.View().Members() {
		if m.ID == j.config.Self || m.Protocol < placement.ReplicaProtocol {
			continue
		}
		if said, err := j.Survey(ctx, m.ID, j.config.Self); err != nil {
			n++
		} else {
			n += said.Naming
		}
	}
	return n
}

// Survey is what a member says of the journeys that it holds.
type Survey struct {
	// Waiting journeys wait for their client, those included that others lead.
	// Those that are Outstanding ought to have other replicas; Naming are those
	// that name the member which was asked about, and ought not to when it has
	// left.
	Waiting, Outstanding, Naming int64
}

// surveyTime bounds the wait for one member's survey.
const surveyTime = time.Second

// Survey asks a member, which may be this one, about its journeys, and about
// those that name another member; leaving is empty for none.
func (j *Journeys) Survey(ctx context.Context, m, leaving placement.MemberID) (Survey, error) {
	if m == j.config.Self {
		return j.survey(leaving), nil
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	body, err := envelope.Encode(&envelope.Survey{Leaving: leaving})
	if err != nil {
		return Survey{}, err
	}
	a, err := j.ask(ctx, m, body)
	if err != nil {
		return Survey{}, fmt.Errorf("ask member %s about its journeys: %w", m, err)
	}
	if a.Surveyed == nil {
		return Survey{}, fmt.Errorf("member %s does not say how many journeys it has", m)
	}
	return Survey(*a.Surveyed), nil
}

func (j *Journeys) survey(leaving placement.MemberID) Survey {
	s := Survey{Waiting: j.slots.waiting.Load(), Outstanding: j.repairs.outstanding()}
	if leaving != "" {
		s.Naming = j.repairs.count(leaving)
	}
	return s
}
