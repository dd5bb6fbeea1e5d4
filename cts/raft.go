package cts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/hclogslog"
)

const (
	// aloneTimeout is how long a member that is alone waits before it elects
	// itself: nobody else could be leading.
	aloneTimeout = 20 * time.Millisecond
	// checkpointCommands and checkpointInterval are how much may have to be
	// applied again after a power cut, and how old a checkpoint gets.
	checkpointCommands = 20_000
	checkpointInterval = 30 * time.Second
	// maxTrailing and trailingBytes bound how much of the log stays behind a
	// checkpoint for members that lag.
	maxTrailing   = 20_000
	minTrailing   = 256
	trailingBytes = 64 << 20
	logCache      = 512
	// never is longer than any process runs.
	never = 100 * 365 * 24 * time.Hour
)

func (s *Store) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(s.folder.format.Member)
	c.Logger = hclogslog.New(s.config.Log)
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = aloneTimeout, aloneTimeout, aloneTimeout
	c.CommitTimeout = aloneTimeout
	c.MaxAppendEntries = 256
	c.BatchApplyCh = true
	c.NoSnapshotRestoreOnStart = true
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	c.TrailingLogs = maxTrailing
	// checkpoint takes snapshots, by commands applied instead of entries.
	c.SnapshotInterval, c.SnapshotThreshold = never, 1<<62
	return c
}

// startRaft starts raft, and on an empty log a cluster of this member alone.
func (s *Store) startRaft() (err error) {
	defer damage.Catch(s.folder.path(logDir), &err)
	config := s.raftConfig()
	address, transport := raft.NewInmemTransport(raft.ServerAddress(config.LocalID))
	exists, err := raft.HasExistingState(s.log, s.log, s.points)
	if err != nil {
		return fmt.Errorf("look for raft state: %w", err)
	}
	if !exists {
		alone := raft.Configuration{Servers: []raft.Server{{ID: config.LocalID, Address: address}}}
		if err := raft.BootstrapCluster(config, s.log, s.log, s.points, transport, alone); err != nil {
			return fmt.Errorf("begin a cluster: %w", err)
		}
	}
	cache, err := raft.NewLogCache(logCache, s.log)
	if err != nil {
		return fmt.Errorf("log cache: %w", err)
	}
	s.raft, err = raft.NewRaft(config, s.fsm, cache, s.log, s.points, transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	return nil
}

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

// checkpoint makes the state durable from time to time, so that the log can be
// cut and little has to be applied again after a power cut.
func (s *Store) checkpoint() {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	var before fsm.Work
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			work := s.fsm.Work()
			due := work.Commands-before.Commands >= checkpointCommands ||
				(work.Entries > before.Entries && now.Sub(last) >= checkpointInterval)
			if !due || s.fsm.Err() != nil {
				continue
			}
			s.trail(work)
			if err := s.takeCheckpoint(); err != nil {
				s.config.Log.Warn("no checkpoint", "err", err)
			}
			before, last = work, now
		}
	}
}

// trail sets how many entries stay in the log, by how large they are.
func (s *Store) trail(work fsm.Work) {
	average := max(1, work.Bytes/max(1, work.Entries))
	keep := min(maxTrailing, max(minTrailing, trailingBytes/average))
	reload := s.raft.ReloadableConfig()
	reload.TrailingLogs = keep
	if err := s.raft.ReloadConfig(reload); err != nil {
		s.config.Log.Warn("log not cut", "err", err)
	}
}

func (s *Store) takeCheckpoint() error {
	err := s.raft.Snapshot().Error()
	if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) || errors.Is(err, raft.ErrRaftShutdown) {
		s.counts.checkpoints.Add(1)
		return nil
	}
	return fmt.Errorf("checkpoint: %w", err)
}
