package identity

import (
	"slices"
	"time"

	"sojourn/actors/realm"
)

// Under a realm's lockout a password is checked only with a permit, which is
// taken in the store before the check. Counted failures and permits together
// never exceed the limit, so that guesses at the same time, wherever, come to
// no more checks than guesses one after the other. A journey has one permit
// for all its guesses, since it is the journey that counts as a failure: a
// right password gives the permit back, the Failure node turns it into the
// failure, and what nobody settles expires.

// Guess says for which journey, and under which rule, a password is checked.
// The zero Guess is a check that nothing limits.
type Guess struct {
	Journey Mark
	Attempt Attempt
	// Key names the guess: whoever checks the same answers again has the same.
	// Until is when nobody can any more.
	Key    Mark
	Until  time.Time
	Policy realm.Lockout
}

// Attempt says which answers of a journey a guess came with: those to a step.
type Attempt struct {
	Step    uint32 `json:"step"`
	Answers Mark   `json:"answers"`
}

// follows reports whether a may come after b in the course of one journey: a
// later step does, and so does another check of the same answers. Other answers
// to the same step were given beside it.
func (a Attempt) follows(b Attempt) bool { return a.Step > b.Step || a == b }

// Limited reports whether the check needs a permit.
func (g Guess) Limited() bool { return g.Policy.Enabled && g.Policy.Failures > 0 }

// Permit is a journey's right to have passwords of one user checked.
type Permit struct {
	Journey Mark `json:"journey"`
	Attempt
	// Run is the attempt that is under way, zero when none is.
	Run uint64 `json:"run,omitempty"`
	// Checks counts what was computed, perhaps, and is not among the failures:
	// one, and one more for each check whose verdict was lost, and for each of
	// other answers to the same step.
	Checks int `json:"checks"`
	// Failed says that the journey gave a wrong password.
	Failed bool      `json:"failed,omitempty"`
	Until  time.Time `json:"until"`
}

// CheckTime is how long a permit is kept for an attempt that nothing is heard
// of. A check begins within it, or not at all.
const CheckTime = time.Minute

// MaxPermits is how many permits a user has at most, whatever the limit: they
// are part of a record that has to stay small.
const MaxPermits = 256

// Reserve takes a permit for one attempt at a guess, for CheckTime; Permission
// tells what came of it. The store makes it under the guess's key (Once), so that a guess that
// was found wrong needs no second check.
type Reserve struct {
	Journey Mark
	Attempt Attempt
	Run     uint64 // of this attempt alone, not zero
	At      time.Time
	Policy  realm.Lockout
}

// Permission is what came of a Reserve.
type Permission int

// Permissions.
const (
	Full    Permission = iota // other journeys have all permits: try again
	Granted                   // check the password
	Refused                   // the account is locked or inactive
	Known                     // this guess was found wrong before
)

// Settle says what an attempt found. What Wrong found is remembered under the
// guess's key, and its permit is kept until Until, the end of the journey.
type Settle struct {
	Journey Mark
	Run     uint64
	Verdict Settlement
	Until   time.Time
}

// Settlement is how an attempt ended.
type Settlement int

// Settlements.
const (
	Undone Settlement = iota // nothing was computed
	Right
	Wrong
)

func (c Reserve) apply(i Identity) Identity {
	if i.Locked(c.At) {
		return i
	}
	permits := running(i.Permits, c.At)
	n := permitOf(permits, c.Journey)
	switch {
	case n >= 0 && permits[n].Run == c.Run: // granted before
		return i
	case n >= 0 && permits[n].Failed && permits[n].Run == 0 && c.Attempt.follows(permits[n].Attempt):
		// The next guess of a journey that will be counted once.
	case i.Failures.within(c.Policy, c.At)+checks(permits) >= c.Policy.Failures, n < 0 && len(permits) >= MaxPermits:
		return i
	case n >= 0: // the check before it may have told as much
		permits[n].Checks++
	default:
		permits = append(permits, Permit{Journey: c.Journey, Checks: 1})
		n = len(permits) - 1
	}
	permits[n].Run, permits[n].Attempt = c.Run, c.Attempt
	permits[n].Until = later(permits[n].Until, c.At.Add(CheckTime))
	i.Permits = permits
	return i
}

// Permission reads from what is stored after c what came of it.
func (c Reserve) Permission(i Identity) Permission {
	n := permitOf(i.Permits, c.Journey)
	switch {
	case n >= 0 && i.Permits[n].Checks == 0:
		return Known
	case i.Locked(c.At):
		return Refused
	case n >= 0 && i.Permits[n].Run == c.Run:
		return Granted
	}
	return Full
}

// recall tells Permission that the guess is known to be wrong.
func (c Reserve) recall(now Identity, _ []byte) Identity {
	now.Permits = []Permit{{Journey: c.Journey}}
	return now
}

func (c Settle) apply(i Identity) Identity {
	n := permitOf(i.Permits, c.Journey)
	if n < 0 || i.Permits[n].Run != c.Run {
		return i // expired, or another attempt has it
	}
	permits := slices.Clone(i.Permits)
	p := &permits[n]
	p.Run = 0
	switch c.Verdict {
	case Wrong:
		p.Failed, p.Until = true, later(p.Until, c.Until)
	case Right:
		p.Checks = 0
	case Undone:
		if !p.Failed { // else the attempt had what the wrong one before it left
			p.Checks--
		}
	}
	i.Permits = spent(permits, n)
	return i
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// released is permits after a journey has come to its end, which makes one of
// its checks a failure, or none. Those whose verdict was lost stay.
func released(permits []Permit, journey Mark) []Permit {
	n := permitOf(permits, journey)
	if n < 0 {
		return permits
	}
	permits = slices.Clone(permits)
	permits[n].Run, permits[n].Failed = 0, false
	permits[n].Checks--
	return spent(permits, n)
}

// spent takes the nth permit away when it stands for no check any more.
func spent(permits []Permit, n int) []Permit {
	if permits[n].Checks <= 0 {
		permits = slices.Delete(permits, n, n+1)
	}
	if len(permits) == 0 {
		return nil
	}
	return permits
}

// running is a copy of the permits that have not expired.
func running(permits []Permit, at time.Time) []Permit {
	return slices.DeleteFunc(slices.Clone(permits), func(p Permit) bool { return !at.Before(p.Until) })
}

func permitOf(permits []Permit, journey Mark) int {
	return slices.IndexFunc(permits, func(p Permit) bool { return p.Journey == journey })
}

func checks(permits []Permit) (n int) {
	for _, p := range permits {
		n += p.Checks
	}
	return n
}

// within is how many failures count at a time.
func (f Failures) within(p realm.Lockout, at time.Time) int {
	if p.Window > 0 && at.Sub(f.Since) > p.Window {
		return 0
	}
	return f.Count
}
