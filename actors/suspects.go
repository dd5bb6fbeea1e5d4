package actors

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/cluster/placement"
)

// How often a suspected member is asked whether it is there again. The pause
// between two probes doubles; one that gets no answer ends after probeTime.
const (
	firstProbe = 50 * time.Millisecond
	maxProbe   = 500 * time.Millisecond
	probeTime  = time.Second
)

// suspects are members that did not answer just now, by this member's own
// experience. They are asked last until a probe is answered, or until gossip
// drops them: a time limit would have a request run into each of them again
// and again for as long as they are cut off. It is a guess that costs nothing
// but a detour: whoever is asked takes the journey over.
type suspects struct {
	j     *Journeys
	begin func(m placement.Member) // has m probed, and does not wait
	some  atomic.Bool

	mu  sync.Mutex
	are map[placement.MemberID]bool
}

func newSuspects(j *Journeys) *suspects {
	s := &suspects{j: j, are: map[placement.MemberID]bool{}}
	s.begin = func(m placement.Member) { j.aside(func() { s.probe(m) }) }
	return s
}

func (s *suspects) none() bool { return !s.some.Load() }

func (s *suspects) has(m placement.MemberID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.are[m]
}

// add suspects a member until it answers.
func (s *suspects) add(m placement.Member) {
	if s.j.base.Err() != nil {
		return
	}
	s.mu.Lock()
	known := s.are[m.ID]
	s.are[m.ID] = true
	s.some.Store(true)
	s.mu.Unlock()
	if !known {
		s.begin(m)
	}
}

func (s *suspects) clear(m placement.MemberID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.are, m)
	s.some.Store(len(s.are) > 0)
}

// probe asks a member until it answers, whatever that is, or has gone. It
// outlasts the request that met the silence.
func (s *suspects) probe(m placement.Member) {
	defer s.clear(m.ID)
	body, err := envelope.Encode(&envelope.Survey{})
	if err != nil {
		s.j.logger.Error("a suspected member cannot be probed", "member", m.ID, "err", fmt.Errorf("encode: %w", err))
		return
	}
	for pause := firstProbe; ; pause = min(2*pause, maxProbe) {
		rest(s.j.base, pause)
		if _, there := s.j.config.View().Member(m.ID); !there || s.j.base.Err() != nil {
			return
		}
		_, err := s.j.config.Peers.Call(s.j.deadlines.at(time.Now().Add(probeTime)), m, body)
		if err == nil {
			return
		}
	}
}

// ranked are the members by rank for a journey, those last that did not answer
// just now.
func (j *Journeys) ranked(view placement.View, id [16]byte) []placement.Member {
	all := view.Rank(id, view.Len())
	if j.config.Peers == nil {
		return all
	}
	for _, m := range all {
		if m.ID != j.config.Self && j.config.Peers.Silent(m) {
			j.suspects.add(m)
		}
	}
	if j.suspects.none() {
		return all
	}
	order := make([]placement.Member, 0, len(all))
	for _, suspected := range []bool{false, true} {
		for _, m := range all {
			if j.suspects.has(m.ID) == suspected {
				order = append(order, m)
			}
		}
	}
	return order
}
