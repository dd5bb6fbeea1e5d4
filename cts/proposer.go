package cts

import (
	"context"
	"errors"
	"sync"
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
	// maxFlying is how many log entries are on their way at once while no other
	// member takes the log: while one is flushed the next gathers. With others it
	// is one. Each entry has a price for all of them, so what comes meanwhile
	// gathers in the next.
	maxFlying = 3
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

// proposer packs waiting commands into log entries, so that many share one
// flush of the disk.
type proposer struct {
	raft  *raft.Raft
	queue chan *proposal
	stop  chan struct{} // closed to end
	ended chan struct{} // closed when nothing is queued any more
	// landed is closed when everything that was proposed has come to an end.
	landed chan struct{}
	group  sync.WaitGroup
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

type flying struct {
	future raft.ApplyFuture
	packed []*proposal
	slots  int // that it takes of maxFlying
}

func newProposer(r *raft.Raft) *proposer {
	p := &proposer{raft: r, queue: make(chan *proposal, maxWaiting), stop: make(chan struct{}), ended: make(chan struct{}), landed: make(chan struct{}), filled: make(chan struct{}, 1)}
	flights := make(chan flying, maxFlying)
	slots := make(chan struct{}, maxFlying)
	p.group.Go(func() { p.pack(flights, slots) })
	p.group.Go(func() {
		defer close(p.landed)
		p.land(flights, slots)
	})
	return p
}

// close ends the proposer; what waits is refused. raft must be shut down first.
func (p *proposer) close() {
	close(p.stop)
	p.group.Wait()
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
		case <-p.landed:
			return done{}, unavailable("closing")
		}
	}
}

func unknown(reason string) error {
	return &session.UnavailableError{Reason: reason, Unknown: true, RetryAfter: retryAfter}
}

// share is how many of the slots an entry takes.
func (p *proposer) share() int {
	if len(p.raft.GetConfiguration().Configuration().Servers) > 1 {
		return maxFlying
	}
	return 1
}

func (p *proposer) pack(flights chan<- flying, slots chan<- struct{}) {
	defer close(flights)
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
		}
		share := p.share()
		if !p.room(slots, share) || kept == nil && !p.linger(pace.gathers()) {
			first.end(outcome{err: unavailable("closing")})
			return
		}
		packed := []*proposal{first}
		packed, kept = p.gather(packed)
		entry := command.Entry{Term: first.term, Commands: make([][]byte, len(packed))}
		size := 16
		for i, w := range packed {
			entry.Commands[i] = w.data
			size += len(w.data) + 4
		}
		pace.flown(time.Now(), len(packed), int(p.most.Swap(p.under.Load())))
		p.entries.Add(1)
		p.commands.Add(uint64(len(packed)))
		flights <- flying{p.raft.Apply(command.AppendEntry(make([]byte, 0, size), entry), 0), packed, share}
	}
}

// room waits for slots; meanwhile more commands gather. It is false when the
// proposer ends.
func (p *proposer) room(slots chan<- struct{}, share int) bool {
	for range share {
		select {
		case slots <- struct{}{}:
		case <-p.stop:
			return false
		}
	}
	return true
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

// gather adds to packed what waits and fits. It returns what does not.
func (p *proposer) gather(packed []*proposal) (all []*proposal, kept *proposal) {
	size := len(packed[0].data)
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

// land hands the outcomes of entries to those who wait for them.
func (p *proposer) land(flights <-chan flying, slots <-chan struct{}) {
	for f := range flights {
		err := f.future.Error()
		var results fsm.Results
		if err == nil {
			var ok bool
			if results, ok = f.future.Response().(fsm.Results); !ok {
				results.Err = errors.New("no result")
			}
		}
		p.under.Add(-int64(len(f.packed)))
		for i, w := range f.packed {
			switch {
			case err != nil:
				w.end(outcome{err: proposalError(err)})
			case results.Err != nil:
				w.end(outcome{err: unknown("the write could not be carried out")})
			case errors.Is(results.Each[i].Err, command.ErrStale):
				w.end(outcome{err: elsewhere("the leader has changed")})
			default:
				w.end(outcome{done: done{results.Each[i], place{w.term, f.future.Index()}}})
			}
		}
		for range f.slots {
			<-slots
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
