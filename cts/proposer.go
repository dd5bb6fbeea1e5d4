package cts

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/session"
)

const (
	// maxWaiting bounds the writes that wait for their place in the log.
	maxWaiting = 4096
	// maxTogether and maxTogetherBytes bound what one log entry packs.
	maxTogether      = 256
	maxTogetherBytes = 256 << 10
)

// proposal is one command on its way through the log.
type proposal struct {
	data []byte
	term uint64
	done chan outcome
	// release is called once when the command is done or can never be; nil for
	// none. Until then its locks are held, even if nobody waits any more.
	release func()
}

type outcome struct {
	done
	err error
}

// done is what a command came to, and where its entry is in the log.
type done struct {
	command.Result
	at place
}

type place struct{ term, index uint64 }

func (p *proposal) end(o outcome) {
	if p.release != nil {
		p.release()
	}
	p.done <- o // has room for it
}

// proposer packs waiting commands into log entries, so that many share one flush
// of the disk. One entry is on its way at a time: what comes meanwhile gathers in
// the next.
type proposer struct {
	raft  *raft.Raft
	queue chan *proposal
	stop  chan struct{} // closed to end
	ended chan struct{} // closed when everything that was proposed has come to an end

	// under is how many commands wait or are on their way, most the highest that
	// it was since the last entry.
	under, most atomic.Int64
	// filled is sent to when an entry that lingers has all that is to be expected:
	// when target commands are under way, 0 while none lingers.
	filled chan struct{}
	target atomic.Int64

	// term is the one in which this member leads and is up to date, 0 while it
	// does not. What is decided in one term is only carried out in it.
	term atomic.Uint64
	// entries and commands count what was proposed.
	entries, commands atomic.Uint64
}

func newProposer(r *raft.Raft) *proposer {
	p := &proposer{raft: r, queue: make(chan *proposal, maxWaiting), stop: make(chan struct{}), ended: make(chan struct{}), filled: make(chan struct{}, 1)}
	go p.run()
	return p
}

// close ends the proposer; what waits is refused. raft must be shut down first: it
// answers what is on its way.
func (p *proposer) close() {
	close(p.stop)
	<-p.ended
}

// propose queues a command that was decided in a term.
func (p *proposer) propose(data []byte, term uint64, release func()) *proposal {
	w := &proposal{data: data, term: term, done: make(chan outcome, 1), release: release}
	select {
	case <-p.stop:
		w.end(outcome{err: unavailable("closing")})
		return w
	default:
	}
	select {
	case p.queue <- w:
		p.came()
	default:
		w.end(outcome{err: unavailable("%d writes are waiting", maxWaiting)})
	}
	return w
}

// came counts a command that is in the queue.
func (p *proposer) came() {
	under := p.under.Add(1)
	for most := p.most.Load(); under > most && !p.most.CompareAndSwap(most, under); most = p.most.Load() {
	}
	if t := p.target.Load(); t > 0 && under >= t {
		signal(p.filled)
	}
}

// wait returns what a command came to, or that it is not known when ctx ends.
func (p *proposer) wait(ctx context.Context, w *proposal) (done, error) {
	select {
	case o := <-w.done:
		return o.done, o.err
	default:
	}
	select {
	case o := <-w.done:
		return o.done, o.err
	case <-ctx.Done():
		return done{}, unknown("the write takes too long")
	case <-p.ended:
		select {
		case o := <-w.done:
			return o.done, o.err
		default: // it came into the queue too late to be refused
			return done{}, unavailable("closing")
		}
	}
}

func unknown(reason string) error {
	return &session.UnavailableError{Reason: reason, Unknown: true, RetryAfter: retryAfter}
}

// run takes commands through the log, entry by entry, until the proposer ends.
func (p *proposer) run() {
	defer close(p.ended)
	defer p.refuse()
	var kept *proposal // did not fit
	var pace pace
	for {
		first := kept
		if first == nil {
			select {
			case first = <-p.queue:
			case <-p.stop:
				return
			}
			if !p.linger(pace.gathers()) {
				first.end(outcome{err: unavailable("closing")})
				return
			}
		}
		var packed []*proposal
		packed, kept = p.gather(first)
		pace.flown(time.Now(), len(packed), int(p.most.Swap(p.under.Load())))
		p.entries.Add(1)
		p.commands.Add(uint64(len(packed)))
		p.land(p.raft.Apply(pack(packed), 0), packed)
	}
}

// pack is the log entry of commands.
func pack(packed []*proposal) []byte {
	entry := command.Entry{Term: packed[0].term, Commands: make([][]byte, len(packed))}
	size := 16
	for i, w := range packed {
		entry.Commands[i] = w.data
		size += len(w.data) + 4
	}
	return command.AppendEntry(make([]byte, 0, size), entry)
}

// linger lets commands gather until so many are under way. It is false when the
// proposer ends.
func (p *proposer) linger(target int) bool {
	if target <= 1 {
		return true
	}
	select {
	case <-p.filled: // too late for the entry before
	default:
	}
	p.target.Store(int64(target))
	defer p.target.Store(0)
	if p.under.Load() >= int64(target) {
		return true
	}
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.filled:
		return true
	case <-p.stop:
		return false
	}
}

// gather adds to the first what waits and fits. It returns what does not.
func (p *proposer) gather(first *proposal) (packed []*proposal, kept *proposal) {
	packed = []*proposal{first}
	size := len(first.data)
	for len(packed) < maxTogether {
		select {
		case next := <-p.queue:
			size += len(next.data)
			if size > maxTogetherBytes || next.term != packed[0].term {
				return packed, next
			}
			packed = append(packed, next)
		default:
			return packed, nil
		}
	}
	return packed, nil
}

// refuse ends what waits when the proposer does.
func (p *proposer) refuse() {
	for {
		select {
		case w := <-p.queue:
			w.end(outcome{err: unavailable("closing")})
		default:
			return
		}
	}
}

// land waits for an entry and hands the outcomes to those who wait for them.
func (p *proposer) land(future raft.ApplyFuture, packed []*proposal) {
	err := future.Error()
	p.under.Add(-int64(len(packed)))
	var results fsm.Results
	if err == nil {
		var ok bool
		if results, ok = future.Response().(fsm.Results); !ok {
			results.Err = errors.New("no result")
		}
	}
	for i, w := range packed {
		switch {
		case err != nil:
			w.end(outcome{err: proposalError(err)})
		case results.Err != nil:
			w.end(outcome{err: unknown("the write could not be carried out")})
		case errors.Is(results.Each[i].Err, command.ErrStale):
			w.end(outcome{err: elsewhere("the leader has changed")})
		default:
			w.end(outcome{done: done{results.Each[i], place{w.term, future.Index()}}})
		}
	}
}

// proposalError tells "not done" from "not known".
func proposalError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return elsewhere("no leader")
	case errors.Is(err, raft.ErrRaftShutdown):
		return unknown("closing")
	default:
		return unknown("the write was not confirmed")
	}
}
