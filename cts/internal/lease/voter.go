package lease

import "time"

// Answer is what a voter says to "what is your current term?".
type Answer struct {
	Term   uint64
	Config uint64 // index of the latest configuration it has applied
	// Quiet is for how long the voter has given no answer for an older term, nor
	// met a new configuration, nor been restarted. Of its clock.
	Quiet time.Duration
}

// Voter remembers what an answer says. Every member needs one, and all answers
// of the process must come from it, a leader's to itself included.
type Voter struct {
	term, config uint64
	answered     time.Duration // latest answer for term
	quiet        time.Duration // since when nothing of what Quiet names
}

// NewVoter returns a Voter of a process that began at start, which must not be
// before the last instant at which an earlier process of the same store could
// answer: read it when the data folder is locked. config is the index of the
// configuration that the folder holds then, 0 if none.
func NewVoter(start time.Duration, config uint64) *Voter {
	return &Voter{config: config, answered: start, quiet: start}
}

// Answer answers for raft's current term and the latest applied configuration.
// now must be read after the question came, and after both. It is false if
// the voter has answered for a higher term already: then there is no answer to give.
func (v *Voter) Answer(now time.Duration, term, config uint64) (Answer, bool) {
	if term < v.term {
		return Answer{}, false
	}
	if term > v.term {
		v.quiet = max(v.quiet, v.answered)
		v.term = term
	}
	if config != v.config {
		v.quiet = max(v.quiet, now)
		v.config = config
	}
	v.answered = max(v.answered, now)
	return Answer{Term: term, Config: config, Quiet: max(0, now-v.quiet)}, true
}
