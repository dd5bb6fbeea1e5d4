package cts

import (
	"sync/atomic"
	"time"
)

// counts are what the store counts itself.
type counts struct {
	creates, deletes, denials, tokens, touches, touchesDropped, swept, checkpoints atomic.Uint64
	forwarded, retried, leaseWaits, barriers, lapsed                               atomic.Uint64
}

// Metrics are counters since Open, and gauges.
type Metrics struct {
	// Counters.
	Creates        uint64 // sessions created or found to exist
	Deletes        uint64 // sessions asked to end
	Denials        uint64 // sessions asked to be denied
	Tokens         uint64 // tokens asked to be put
	Touches        uint64 // latest accesses written
	TouchesDropped uint64 // latest accesses lost because too many waited
	Swept          uint64 // entries of the expiry index handled
	Checkpoints    uint64
	Commands       uint64 // proposed
	Entries        uint64 // log entries they were packed into
	ModelMisses    uint64 // sessions asked for that were not in memory

	Forwarded  uint64 // writes sent to the leader
	Retried    uint64 // writes tried again, for want of a leader
	LeaseWaits uint64 // reads that found no lease and waited for one
	Barriers   uint64 // writes that waited until other members knew of them
	Lapsed     uint64 // members that such a write waited for in vain

	// Gauges.
	Ready     bool
	Leader    bool
	Term      uint64
	Voters    int           // in the configuration
	Members   int           // in the configuration, voters included
	Lease     time.Duration // how much longer reads are allowed; the longest for a member alone
	Applied   uint64        // log index
	LastIndex uint64        // log index
	Waiting   int           // writes in the queue
	Hot       int           // sessions in memory
	Denied    int           // sessions denied now
	Keys      uint64        // stored, of all kinds
	Bytes     int64         // of the state on disk, as of the last minute
	DiskFree  uint64        // bytes
	DiskLevel int           // 0 plenty, 1 low, 2 full
}

// Metrics returns them as they are now.
func (s *Store) Metrics() Metrics {
	config, _ := s.configuration()
	return Metrics{
		Creates:        s.counts.creates.Load(),
		Deletes:        s.counts.deletes.Load(),
		Denials:        s.counts.denials.Load(),
		Tokens:         s.counts.tokens.Load(),
		Touches:        s.counts.touches.Load(),
		TouchesDropped: s.counts.touchesDropped.Load(),
		Swept:          s.counts.swept.Load(),
		Checkpoints:    s.counts.checkpoints.Load(),
		Commands:       s.writes.commands.Load(),
		Entries:        s.writes.entries.Load(),
		ModelMisses:    s.model.Misses(),
		Forwarded:      s.counts.forwarded.Load(),
		Retried:        s.counts.retried.Load(),
		LeaseWaits:     s.counts.leaseWaits.Load(),
		Barriers:       s.counts.barriers.Load(),
		Lapsed:         s.counts.lapsed.Load(),
		Term:           s.raft.CurrentTerm(),
		Voters:         voters(config),
		Members:        len(config.Servers),
		Lease:          s.leases.left(),
		Ready:          s.Ready() == nil,
		Leader:         s.writes.term.Load() != 0,
		Applied:        s.fsm.Applied(),
		LastIndex:      s.raft.LastIndex(),
		Waiting:        len(s.writes.queue),
		Hot:            s.model.Len(),
		Denied:         s.denials.Load().Len(),
		Keys:           s.fsm.Meta().Totals.Count,
		Bytes:          s.fsm.Size(),
		DiskFree:       s.guard.FreeBytes(),
		DiskLevel:      int(s.guard.Level()),
	}
}
