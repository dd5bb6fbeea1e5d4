package cts

import (
	"crypto/rand"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
)

// lead follows this member in and out of leadership. A new leader first has
// everything before its term applied, and only then answers.
func (s *Store) lead() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case leads := <-s.raft.LeaderCh():
			s.writes.term.Store(0)
			if !leads {
				s.gate.set(following, "no leader")
				continue
			}
			if err := s.takeOffice(s.raft.CurrentTerm()); err != nil {
				s.config.Log.Warn("leads, but cannot write yet", "err", err)
				s.gate.set(following, "no leader")
			}
		}
	}
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
	s.writes.term.Store(term)
	s.gate.set(following, "")
	return nil
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
