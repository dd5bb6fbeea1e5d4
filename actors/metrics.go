package actors

import "sync/atomic"

// counts are the counters behind Metrics.
type counts struct {
	started, succeeded, failed, replayed, forwarded, served atomic.Int64

	takeovers, fenced, stubs, founded, repaired              atomic.Int64
	acceptsSent, acceptsServed, promisesSent, promisesServed atomic.Int64
	storedWrites, overtaken                                  atomic.Int64
	suspended, resumed, notResumed                           atomic.Int64
	unavailableCutOff, unavailableLost, unavailableQuorum    atomic.Int64
}

// Metrics are the front door's counters and gauges since the start of the
// process.
type Metrics struct {
	// Started counts starts, the ones that left no trace included; Succeeded
	// and Failed count ends; Replayed counts repeated requests that were given
	// the reply of the first.
	Started, Succeeded, Failed, Replayed int64
	// Forwarded counts messages sent to other members, Served those taken from
	// them.
	Forwarded, Served int64
	// Waiting and Ended count journeys that this member has a record of, its own
	// and those that others lead; Active counts actors in memory.
	Waiting, Ended, Active int64

	// Takeovers counts tries to lead a journey, Fenced those and the writes that
	// a newer epoch ended, Stubs the members that were told to forget a journey
	// which has moved.
	Takeovers, Fenced, Stubs int64
	// Founded counts journeys that were given new members to begin at, Repaired
	// those that were given new replicas. Outstanding ones ought to have other
	// replicas than they have, as far as this member knows them.
	Founded, Repaired, Outstanding int64
	// Accepts count records sent to other replicas and taken from them; Promises
	// count epochs likewise.
	AcceptsSent, AcceptsServed, PromisesSent, PromisesServed int64
	// Stored counts the journeys that this member began to keep in the replicated
	// store and whose tokens have not expired there; StoredWrites what it has
	// written of any such journey, Overtaken the writes that came too late
	// because another answer was faster.
	Stored, StoredWrites, Overtaken int64
	// Suspended counts journeys that were suspended, Resumed those that somebody
	// came back to, NotResumed ids that were unknown, used or expired. A suspended
	// journey counts as one more that is Stored.
	Suspended, Resumed, NotResumed int64
	// Unavailable counts requests that were answered so: too few replicas could
	// be reached; the answer of a member was lost; the journey is unknown here
	// and this member may be cut off.
	UnavailableCutOff, UnavailableLost, UnavailableQuorum int64
}

// Metrics returns the current figures.
func (j *Journeys) Metrics() Metrics {
	c := &j.counts
	return Metrics{
		Started: c.started.Load(), Succeeded: c.succeeded.Load(), Failed: c.failed.Load(), Replayed: c.replayed.Load(),
		Forwarded: c.forwarded.Load(), Served: c.served.Load(),
		Waiting: j.slots.waiting.Load(), Ended: j.slots.ended.Load(), Active: int64(j.gateway.active()),
		Takeovers: c.takeovers.Load(), Fenced: c.fenced.Load(), Stubs: c.stubs.Load(),
		Founded: c.founded.Load(), Repaired: c.repaired.Load(), Outstanding: j.repairs.outstanding(),
		AcceptsSent: c.acceptsSent.Load(), AcceptsServed: c.acceptsServed.Load(),
		PromisesSent: c.promisesSent.Load(), PromisesServed: c.promisesServed.Load(),
		Stored: j.ledger.count(), StoredWrites: c.storedWrites.Load(), Overtaken: c.overtaken.Load(),
		Suspended: c.suspended.Load(), Resumed: c.resumed.Load(), NotResumed: c.notResumed.Load(),
		UnavailableCutOff: c.unavailableCutOff.Load(), UnavailableLost: c.unavailableLost.Load(),
		UnavailableQuorum: c.unavailableQuorum.Load(),
	}
}
