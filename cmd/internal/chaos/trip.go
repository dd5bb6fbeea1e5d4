package chaos

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/wire"
)

// errPage says that a reply is none that the trees of trips give.
var errPage = errors.New("the reply is neither a page of the journey nor a session")

// route is a tree for trips.
type route struct {
	tree string
	of   int // questions
}

// routes are the trees that journeys of several steps run. Both ask for a text
// again and again, fill in what was given before, and count the answers in the
// journey's state; the last page asks for name and password. One begins without
// a trace, the other is kept from its start on.
func routes() []route { return []route{{"chaos-steps", 5}, {"chaos-kept", 4}} }

// trip is a journey on its way. Its question is the one that waits, number at;
// 0 while it has not begun.
type trip struct {
	route
	number   int // of the journey
	at       int
	question wire.Step
	shown    string // what the question has filled in
	sent     []*answers
	begun    time.Duration
	asked    time.Duration // when the question was first answered, 0 before
	over     bool
}

// answers are what was sent for the question that waits.
type answers struct {
	step    wire.Step
	text    string // of the name, which tells them apart
	refused bool
}

// tripLife is when a client gives a journey up, which ends at the latest five
// minutes after its start whatever the cluster does.
const tripLife = 4 * time.Minute

// Answers to a question are sent again as they are after a failure, but for a
// share of the times, and up to a number of different ones.
const (
	anewShare = 0.1
	maxAnew   = 4
)

// choose says what to send next: as a rule the latest answers once more, whose
// fate is not known. nil when all were refused.
func (t *trip) choose(random *rand.Rand, users int, password wire.Password) *answers {
	open := slices.DeleteFunc(slices.Clone(t.sent), func(a *answers) bool { return a.refused })
	switch {
	case len(open) == 0 && len(t.sent) > 0:
		return nil
	case len(open) == 0, len(t.sent) < maxAnew && random.Float64() < anewShare:
		return t.anew(random, users, password)
	}
	return open[len(open)-1]
}

// anew makes answers that were not sent before: a text that depends on all that
// were taken, or the name of a user.
func (t *trip) anew(random *rand.Rand, users int, password wire.Password) *answers {
	text := user(random.IntN(users))
	if t.at < t.of {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(t.shown), random.Uint64()))
		text = hex.EncodeToString(sum[:8])
	}
	a := &answers{step: t.question, text: text}
	a.step.Callbacks = slices.Clone(t.question.Callbacks)
	for i := range a.step.Callbacks {
		cb := &a.step.Callbacks[i]
		cb.Input = slices.Clone(cb.Input)
		switch cb.Type {
		case "NameCallback":
			cb.Input[0].Value = text
		case "PasswordCallback":
			cb.Input[0].Value = string(password)
		}
	}
	t.sent = append(t.sent, a)
	return a
}

// shown tells what a reply shows.
func (l *Load) shown(reply wire.Reply) (history.Reply, string, error) {
	if reply.Success != nil {
		if reply.Success.TokenID == "" {
			return history.Reply{}, "", errNoToken
		}
		return history.Reply{Page: history.Session, Shown: l.fingerprint(string(reply.Success.TokenID))}, "", nil
	}
	page := history.More
	switch {
	case reply.Step == nil, len(reply.Step.Callbacks) == 0, len(reply.Step.Callbacks[0].Input) == 0:
		return history.Reply{}, "", errPage
	case reply.Step.Stage == "last":
		page = history.Last
	case reply.Step.Stage != "more":
		return history.Reply{}, "", errPage
	}
	text, ok := reply.Step.Callbacks[0].Input[0].Value.(string)
	if !ok {
		return history.Reply{}, "", fmt.Errorf("%w: the name is %T", errPage, reply.Step.Callbacks[0].Input[0].Value)
	}
	return history.Reply{Page: page, Shown: l.fingerprint(text)}, text, nil
}

// take goes on to the next question. A reply that does not follow from what was
// sent ends the trip: the history has it.
func (t *trip) take(reply wire.Reply, given, shown string) {
	if reply.Step == nil {
		t.over = true
		return
	}
	t.at++
	t.question, t.shown, t.sent, t.asked = *reply.Step, shown, nil, 0
	last := reply.Step.Stage == "last"
	t.over = shown != given || last != (t.at == t.of)
}
