package cts

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/fsm"
)

const (
	// checkpointCommands and checkpointInterval are how much may have to be
	// applied again after a power cut, and how old a checkpoint gets.
	checkpointCommands = 20_000
	checkpointInterval = 30 * time.Second
	// maxTrailing and trailingBytes bound how much of the log stays behind a
	// checkpoint for members that lag.
	maxTrailing   = 20_000
	minTrailing   = 256
	trailingBytes = 64 << 20
)

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
