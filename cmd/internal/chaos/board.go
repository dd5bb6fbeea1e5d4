package chaos

import "math/rand/v2"

// board is where writers post sessions for readers: those that live, and those
// that ended last, which a reader must not find.
type board struct {
	all   []session // every acknowledged one, for the final reads
	alive []session
	ended []session // a ring
	next  int       // of the ring
}

// endedKept is how many ended sessions readers still ask for.
const endedKept = 64

func (b *board) post(s session) {
	b.all = append(b.all, s)
	b.alive = append(b.alive, s)
}

// take removes a session from those that live, for its logout.
func (b *board) take(random *rand.Rand) (session, bool) {
	if len(b.alive) == 0 {
		return session{}, false
	}
	i := random.IntN(len(b.alive))
	s := b.alive[i]
	last := len(b.alive) - 1
	b.alive[i] = b.alive[last]
	b.alive = b.alive[:last]
	return s, true
}

// bury keeps a session whose logout was acknowledged.
func (b *board) bury(s session) {
	if len(b.ended) < endedKept {
		b.ended = append(b.ended, s)
	} else {
		b.ended[b.next] = s
	}
	b.next = (b.next + 1) % endedKept
}

// pick chooses a session to read: one of five has ended.
func (b *board) pick(random *rand.Rand) (session, bool) {
	from := b.alive
	if len(b.ended) > 0 && (len(from) == 0 || random.IntN(5) == 0) {
		from = b.ended
	}
	if len(from) == 0 {
		return session{}, false
	}
	return from[random.IntN(len(from))], true
}

// justEnded is how many of the sessions that ended last a watcher chooses from.
const justEnded = 8

// watch chooses a session to read for a watcher: as a rule one that has ended a
// moment ago, for that is when a member can be late to know.
func (b *board) watch(random *rand.Rand) (session, bool) {
	if len(b.ended) == 0 || random.IntN(4) == 0 {
		return b.pick(random)
	}
	back := 1 + random.IntN(min(justEnded, len(b.ended)))
	return b.ended[(b.next-back+len(b.ended))%len(b.ended)], true
}

// taken are the answers that journeys took last, of pages that ask for more: a
// ring.
type taken struct {
	latest [takenKept]outgoing
	posted int
}

// takenKept is how many are kept: at most some tenths of a second old, under
// load.
const takenKept = 32

func (t *taken) post(o outgoing) {
	t.latest[t.posted%takenKept] = o
	t.posted++
}

// watch chooses answers to send once more.
func (t *taken) watch(random *rand.Rand) (outgoing, bool) {
	if t.posted == 0 {
		return outgoing{}, false
	}
	return t.latest[random.IntN(min(t.posted, takenKept))], true
}
