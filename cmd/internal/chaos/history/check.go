package history

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Verdict is what a history says about a cluster. The lists hold numbers of
// sessions, ascending.
type Verdict struct {
	// Acknowledged and LoggedOut count sessions: those of which a client has
	// the token, and those of them whose logout was acknowledged.
	Acknowledged int `json:"acknowledged"`
	LoggedOut    int `json:"loggedOut"`
	// Lost are sessions that were acknowledged, whose logout nobody asked for,
	// and that a final read did not find.
	Lost []int `json:"lost,omitempty"`
	// Undead are sessions that a member called valid in a read that began after
	// the end of an acknowledged logout.
	Undead []int `json:"undead,omitempty"`
	// Doubled are journeys that gave two different tokens.
	Doubled []int `json:"doubled,omitempty"`
	// Split are sessions of which the members, when all was healed, did not say
	// the same. Only an unanswered logout leaves open what they should say.
	Split []int `json:"split,omitempty"`
	// Denied are the requests of clients in good standing that were turned away
	// as unauthorised or invalid, final reads left out.
	Denied []Op `json:"denied,omitempty"`
	// Broken are answers that no member should give, whatever happens.
	Broken int `json:"broken"`
	// Unread counts the final reads that are missing or got no answer: one of
	// each acknowledged session at each member.
	Unread int `json:"unread"`
	// Illegal are sessions whose history no order of its operations explains;
	// Undecided are those for which the search was given up.
	Illegal   []int `json:"illegal,omitempty"`
	Undecided []int `json:"undecided,omitempty"`
}

// Check judges a history of a cluster of so many members.
func Check(ops []Op, members int) Verdict {
	var v Verdict
	bySession := map[int][]Op{}
	for _, op := range ops {
		if op.Outcome == Wrong {
			v.Broken++
		}
		if op.Kind == Begin {
			if op.Outcome.denied() {
				v.Denied = append(v.Denied, op)
			}
			continue
		}
		bySession[op.Session] = append(bySession[op.Session], op)
	}
	numbers := make([]int, 0, len(bySession))
	for n := range bySession {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		v.session(n, bySession[n], members)
	}
	return v
}

// session judges the operations of one session.
func (v *Verdict) session(n int, ops []Op, members int) {
	const never = time.Duration(1<<63 - 1)
	acknowledged, doubled := false, false
	var token uint64
	asked, gone := never, never // the first logout's start, the first acknowledged one's end
	for _, op := range ops {
		switch {
		case op.Kind == Login && op.Outcome == OK:
			doubled = doubled || acknowledged && token != op.Token
			acknowledged, token = true, op.Token
		case op.Kind == Logout && op.Outcome != Refused:
			asked = min(asked, op.Start)
			if op.Outcome == OK {
				gone = min(gone, op.End)
			}
		}
	}
	if doubled {
		v.Doubled = append(v.Doubled, n)
	}
	undead, lost := false, false
	said := map[int]Outcome{} // the final answers
	for _, op := range ops {
		switch {
		case op.Kind == Validate && op.Outcome == OK && op.Start > gone:
			undead = true
		case op.Outcome.denied() && op.End < asked && !op.Final:
			v.Denied = append(v.Denied, op)
		}
		if op.Final && op.Outcome.answered() {
			said[op.Member] = op.Outcome
			lost = lost || op.Outcome.denied() && asked == never
		}
	}
	if !acknowledged {
		return
	}
	v.Acknowledged++
	if gone != never {
		v.LoggedOut++
	}
	if undead {
		v.Undead = append(v.Undead, n)
	}
	if lost {
		v.Lost = append(v.Lost, n)
	}
	if alive := count(said, OK); alive > 0 && alive < len(said) {
		v.Split = append(v.Split, n)
	}
	v.Unread += members - len(said)
	switch linearizable(ops) {
	case illegal:
		v.Illegal = append(v.Illegal, n)
	case undecided:
		v.Undecided = append(v.Undecided, n)
	case legal:
	}
}

func count(said map[int]Outcome, o Outcome) int {
	n := 0
	for _, is := range said {
		if is == o {
			n++
		}
	}
	return n
}

// Breach is a promise that was not kept, and how, in words. Promises have the
// names P1 to P6.
type Breach struct{ Promise, What string }

// breaches collects what was counted and should be 0.
type breaches []Breach

func (b *breaches) add(promise string, n int, format string, args ...any) {
	if n > 0 {
		*b = append(*b, Breach{promise, fmt.Sprintf("%d "+format, append([]any{n}, args...)...)})
	}
}

func (b breaches) err() error {
	var errs []error
	for _, one := range b {
		errs = append(errs, errors.New(one.What))
	}
	return errors.Join(errs...)
}

// Breaches lists the promises to sessions that the history breaks.
func (v Verdict) Breaches() []Breach {
	var b breaches
	b.add("P4", len(v.Lost), "of %d acknowledged sessions are lost, such as %v", v.Acknowledged, some(v.Lost))
	b.add("P5", len(v.Undead), "of %d sessions were valid after their acknowledged logout, such as %v", v.LoggedOut, some(v.Undead))
	b.add("P3", len(v.Doubled), "journeys gave two tokens, such as %v", some(v.Doubled))
	b.add("P5", len(v.Split), "sessions are valid at some members and not at others, such as %v", some(v.Split))
	b.add("P6", len(v.Denied), "requests in good standing were turned away, such as %+v", some(v.Denied))
	b.add("P6", v.Broken, "answers are none that a member should give")
	b.add("P4", v.Unread, "final reads got no answer")
	b.add("P4", len(v.Illegal), "sessions have a history that is not linearizable, such as %v", some(v.Illegal))
	b.add("P4", len(v.Undecided), "sessions have a history too entangled to decide, such as %v", some(v.Undecided))
	return b
}

// Err is nil when the history keeps every promise, and names what it breaks
// otherwise.
func (v Verdict) Err() error { return breaches(v.Breaches()).err() }

// some is the start of a list, for a message.
func some[T any](list []T) []T { return list[:min(len(list), 3)] }

// Figures sum up one kind of operation over a stretch of time. Durations travel
// in nanoseconds.
type Figures struct {
	Kind Kind   `json:"-"`
	Name string `json:"kind"`
	// Attempts counts the operations that ended in the stretch; Outcomes tells
	// how, by Outcome.
	Attempts int            `json:"attempts"`
	Outcomes [Wrong + 1]int `json:"-"`
	// Failed are those that neither succeeded nor found their connection cut or
	// refused: what a client sees of a fault beyond the connections it loses.
	Failed int `json:"failed"`
	// Severed are those whose connection was cut or refused.
	Severed int `json:"severed"`
	// Gap is the longest time without a success while there were attempts.
	Gap time.Duration `json:"gap"`
	// P50, P99 and Max are latencies of the successes.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// Summarize sums up the operations of a kind from one instant to another. Reads
// of watchers and final ones are left out: they are no service to clients. A gap that reaches beyond the stretch counts as far as it
// lies within.
func Summarize(ops []Op, kind Kind, from, to time.Duration) Figures {
	f := Figures{Kind: kind, Name: kind.String()}
	var touching []Op
	var latencies []time.Duration
	for _, op := range ops {
		if op.Kind != kind || op.Final || op.Watch || op.End <= from || op.Start >= to {
			continue
		}
		touching = append(touching, op)
		if op.End > to {
			continue
		}
		f.Attempts++
		f.Outcomes[op.Outcome]++
		switch op.Outcome {
		case OK, Gone:
			latencies = append(latencies, op.End-op.Start)
		case Cut, Refused:
			f.Severed++
		case Unauthorized, Unavailable, Timeout, Wrong:
			f.Failed++
		}
	}
	f.Gap = gap(touching, from, to)
	slices.Sort(latencies)
	f.P50, f.P99, f.Max = Quantile(latencies, 0.5), Quantile(latencies, 0.99), Quantile(latencies, 1)
	return f
}

// gap is the longest time without a success while an attempt was under way or
// yet to come.
func gap(ops []Op, from, to time.Duration) time.Duration {
	// Of those that end at one instant the successes are last: then no other is
	// under way any more.
	slices.SortFunc(ops, func(a, b Op) int { return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(served(a), served(b))) })
	// earliest[i] is the first start among the attempts that end at i or later.
	earliest := make([]time.Duration, len(ops)+1)
	earliest[len(ops)] = to
	for i, op := range slices.Backward(ops) {
		earliest[i] = min(earliest[i+1], op.Start)
	}
	var longest time.Duration
	last, next := from, 0 // the latest success, and the attempt after it
	for i, op := range ops {
		if served(op) == 0 && i < len(ops)-1 {
			continue
		}
		longest = max(longest, min(op.End, to)-max(last, earliest[next]))
		last, next = op.End, i+1
	}
	return longest
}

// served is 1 for a request that got what it asked for: a word on the session.
func served(op Op) int {
	if op.Outcome == OK || op.Outcome == Gone {
		return 1
	}
	return 0
}

// Quantile of sorted values: the least that a share of q does not exceed.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
