package cts

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/hclogslog"
)

const (
	// electionTimeout is how long a member waits for a sign of its leader before
	// it asks for votes, and leaderTimeout how long a leader goes on without a
	// sign of the majority.
	electionTimeout = 500 * time.Millisecond
	leaderTimeout   = 400 * time.Millisecond
	// commitTimeout is how long, at most twice, an idle member waits to hear that
	// the last entry is committed.
	commitTimeout = 20 * time.Millisecond
	logCache      = 512
	// never is longer than any process runs.
	never = 100 * 365 * 24 * time.Hour
)

func (s *Store) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(s.ID())
	c.Logger = hclogslog.New(s.config.Log)
	c.ElectionTimeout = s.slow(electionTimeout)
	c.HeartbeatTimeout = c.ElectionTimeout // electNow shortens it
	c.LeaderLeaseTimeout = s.slow(leaderTimeout)
	c.CommitTimeout = commitTimeout
	c.MaxAppendEntries = 64 // and no BatchApplyCh: what lies in that buffer when raft is shut down is never answered
	c.NoSnapshotRestoreOnStart = true
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	c.TrailingLogs = maxTrailing
	// checkpoint takes snapshots, by commands applied instead of entries.
	c.SnapshotInterval, c.SnapshotThreshold = never, 1<<62
	return c
}

// startRaft starts raft. On an empty log, if this member is not to meet others,
// it begins a cluster of this member alone.
func (s *Store) startRaft() (err error) {
	defer damage.Catch(s.folder.path(logDir), &err)
	config := s.raftConfig()
	exists, err := raft.HasExistingState(s.log, s.log, s.points)
	if err != nil {
		return fmt.Errorf("look for raft state: %w", err)
	}
	s.transport = s.newTransport()
	defer func() {
		if s.raft == nil {
			err = errors.Join(err, s.transport.Close())
		}
	}()
	if !exists && s.foundsAlone() {
		if err := raft.BootstrapCluster(config, s.log, s.log, s.points, s.transport, s.onlyThis()); err != nil {
			return fmt.Errorf("begin a cluster: %w", err)
		}
	}
	cache, err := raft.NewLogCache(logCache, s.log)
	if err != nil {
		return fmt.Errorf("log cache: %w", err)
	}
	s.raft, err = raft.NewRaft(config, s.fsm, cache, s.log, s.points, s.transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	return s.electNow()
}

// foundsAlone reports whether an empty folder begins a cluster without asking.
func (s *Store) foundsAlone() bool { return !s.config.Join && s.config.Expect <= 1 }

// onlyThis is the configuration of a cluster of this member.
func (s *Store) onlyThis() raft.Configuration {
	return raft.Configuration{Servers: []raft.Server{{
		ID: raft.ServerID(s.ID()), Address: raft.ServerAddress(s.ownAddress()),
	}}}
}

// soleVoter reports whether a configuration has this member as its only voter.
func (s *Store) soleVoter(c raft.Configuration) bool {
	voters, own := 0, false
	for _, server := range c.Servers {
		if server.Suffrage == raft.Voter {
			voters++
			own = own || server.ID == raft.ServerID(s.ID())
		}
	}
	return own && voters == 1
}

// electNow lets this member elect itself at once if it is the only one with a
// vote: nobody else could be leading. raft looks at its timer when it is made
// shorter.
func (s *Store) electNow() error {
	future := s.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if !s.soleVoter(future.Configuration()) {
		return nil
	}
	reload := s.raft.ReloadableConfig()
	reload.HeartbeatTimeout -= time.Microsecond
	if err := s.raft.ReloadConfig(reload); err != nil {
		return fmt.Errorf("elect: %w", err)
	}
	return nil
}

// ownAddress is what the configuration names as this member's: only a hint,
// others look it up.
func (s *Store) ownAddress() string {
	if s.config.Address == "" {
		return s.ID() // nobody dials it
	}
	return s.config.Address
}
