package cts

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
)

// lead follows this member in and out of leadership. A new leader first has
// everything before its term applied, and only then writes and grants leases.
func (s *Store) lead() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case leads := <-s.raft.LeaderCh():
			s.writes.term.Store(0)
			s.leading.Store(false)
			s.leaveOffice()
			if !leads {
				s.leaders.ring()
				continue
			}
			term := s.raft.CurrentTerm()
			s.leases.mu.Lock()
			s.since = s.config.Boottime()
			s.leases.granter.Elected(term, s.since)
			s.leases.mu.Unlock()
			signal(s.elected)
			if err := s.takeOffice(term); err != nil {
				s.config.Log.Warn("leads, but cannot write yet", "err", err)
			}
			s.leaders.ring()
		}
	}
}

func (s *Store) leaveOffice() {
	s.transport.closePipelines(false)
	l := s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	l.granter.Lost()
	clear(l.heard)
	l.sole = false
	l.publish(s.fsm.Applied())
}

// takeOffice applies an entry of the new term: all before it is applied then.
func (s *Store) takeOffice(term uint64) error {
	cluster, err := s.clusterID()
	if err != nil {
		return err
	}
	var c command.Command = command.Noop{}
	if cluster == [16]byte{} {
		id := command.ClusterID{}
		_, _ = rand.Read(id.ID[:]) // never fails
		c = id
	}
	data, err := command.Append(nil, c)
	if err != nil {
		return err
	}
	p := s.writes.propose(data, term, nil)
	if _, err := s.writes.wait(s.ctx, p); err != nil {
		return err
	}
	incomplete, err := s.isRestoring()
	if err != nil {
		return err
	}
	if incomplete {
		s.gate.set(restoring, restoreIncomplete)
	}
	applied, _ := s.configuration()
	s.releases.hear(s.config.Network.Peers(), applied)
	s.leading.Store(true)
	s.writes.term.Store(term)
	s.ready()
	return nil
}

// alone reports whether this member is the only one with a vote, and no change
// of that is under way.
func (s *Store) alone() bool {
	applied, index := s.configuration()
	return index > 0 && s.soleVoter(applied) && s.soleVoter(s.raft.GetConfiguration().Configuration())
}

// watchLeader rings when this member hears of another leader, or of none.
func (s *Store) watchLeader() {
	heard := make(chan raft.Observation, 16)
	observer := raft.NewObserver(heard, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	s.raft.RegisterObserver(observer)
	defer s.raft.DeregisterObserver(observer)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-heard:
			s.leaders.ring()
		}
	}
}

func (s *Store) clusterID() (id [16]byte, err error) {
	err = s.fsm.View(func(v fsm.View) error {
		value, _, err := v.Get(command.ClusterKey())
		copy(id[:], value)
		return err
	})
	return id, err
}

func (s *Store) isRestoring() (incomplete bool, err error) {
	err = s.fsm.View(func(v fsm.View) error {
		_, incomplete, err = v.Get(command.RestoreKey())
		return err
	})
	return incomplete, err
}

// handOver passes leadership on, so that nobody has to wait for an election when
// this member leaves.
func (s *Store) handOver() {
	if s.raft.State() != raft.Leader || s.alone() {
		return
	}
	handed := make(chan error, 1)
	go func() { handed <- s.raft.LeadershipTransfer().Error() }()
	patience := time.NewTimer(s.slow(electionTimeout))
	defer patience.Stop()
	select {
	case err := <-handed:
		if err != nil {
			s.config.Log.Info("leadership not handed over", "err", err)
		}
	case <-patience.C:
		s.config.Log.Info("leadership not handed over in time")
	}
}

// nameCluster tells the network which cluster this is, as soon as it is known.
func (s *Store) nameCluster() {
	for {
		id, err := s.clusterID()
		if known := s.cluster.Load(); err == nil && id != [16]byte{} && (known == nil || *known != id) {
			s.cluster.Store(&id)
			s.config.Network.Joined(id)
			if !s.forming.Load() {
				if err := s.founding.over(); err != nil {
					s.config.Log.Warn("promise not removed", "err", err)
				}
			}
		}
		select {
		case <-s.ctx.Done():
			return
		case <-s.named:
		}
	}
}

// signal wakes whoever receives, once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// resumeFounding goes on with a founding that a restart has interrupted.
func (s *Store) resumeFounding() {
	if s.inCluster() && s.founding.promise.To == s.ID() {
		s.forms()
	}
}

// forms keeps the store from answering until enough members have joined.
func (s *Store) forms() {
	s.forming.Store(true)
	s.gate.set(forming, fmt.Sprintf("the cluster waits for %d members", s.config.Expect))
}

// installing closes the gate while a snapshot of another member takes the
// store's place.
func (s *Store) installing(running bool) {
	s.replacing = running
	if running {
		s.gate.set(installing, "this member is catching up")
		return
	}
	s.reloadDenials()
	s.gate.set(installing, "")
}
