package actors

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// Once names one effect of one attempt at a step: the Nth, from zero, that the
// answers with this digest caused at this step of this journey. A step that is
// run again, here or at the member that took the journey over, asks for the
// same effects under the same names, so that one that was acknowledged is not
// done twice. The step of a journey's start is zero.
type Once struct {
	Journey journey.ID
	Step    uint32
	Digest  [16]byte
	N       uint32
	// Until is when the answers stop being ones that anybody takes: the end of
	// the reference that they came with, and so the same each time the step is
	// run.
	Until time.Time
}

// rememberFor is added to Until, for a step that began just before it and for
// clocks that differ.
const rememberFor = time.Minute

// change makes c one that is made once. What it is about is part of the key: a
// step that is run again may find another world and want something else.
func (o Once) change(r realm.Name, user string, c identity.Change) identity.Change {
	var about string
	switch change := c.(type) {
	case identity.CountLogin:
		about = "login"
	case identity.CountFailure:
		about, change.Journey = "failure", o.journey()
		c = change
	case identity.CountRetry:
		about = "retry " + change.Node
	default:
		return c // made twice it leaves the same
	}
	return identity.Once{Key: o.mark(about, string(r), identity.Key(user)), Until: o.Until.Add(rememberFor), Change: c}
}

// guess is the check of a password that o names, where the realm locks out.
func (o Once) guess(r realm.Name, user string, policy realm.Lockout) identity.Guess {
	if !policy.Enabled {
		return identity.Guess{}
	}
	answers := o
	answers.N = 0
	return identity.Guess{
		Journey: o.journey(), Attempt: identity.Attempt{Step: o.Step, Answers: answers.mark("answers")},
		Key:   o.mark("guess", string(r), identity.Key(user)),
		Until: o.Until.Add(rememberFor), Policy: policy,
	}
}

// journey names the journey where its id does not belong.
func (o Once) journey() identity.Mark {
	sum := sha256.Sum256(append([]byte("sojourn journey\x00"), o.Journey[:]...))
	return identity.Mark(sum[:16])
}

// mark is the name of o's effect on something.
func (o Once) mark(about ...string) identity.Mark {
	b := append(make([]byte, 0, 192), "sojourn effect\x00"...)
	b = append(b, o.Journey[:]...)
	b = binary.BigEndian.AppendUint32(b, o.Step)
	b = append(b, o.Digest[:]...)
	b = binary.BigEndian.AppendUint32(b, o.N)
	for _, text := range about {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	sum := sha256.Sum256(b)
	return identity.Mark(sum[:16])
}
