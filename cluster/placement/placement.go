// Package placement says which member owns a key.
//
// It is pure: a View is a value that membership publishes, and Rank is a
// function of it. Views may differ between members for a while; nothing that
// builds on them depends on their being equal.
package placement

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
)

// MemberID names one run of one process: a restarted process is a new member.
type MemberID string

// Member is a process in the cluster.
type Member struct {
	ID MemberID
	// Name is what its operator calls it; any two members may share one.
	Name string
	// Address is where other members reach it, HTTP where clients do; both
	// HOST:PORT. Address is empty for a member alone.
	Address, HTTP string
	// Store names the member's data folder: it outlives the process, and is
	// another one when the disk was replaced. Cluster is the cluster that the
	// folder belongs to, zero for none yet.
	Store   string
	Cluster [16]byte
	// Expect is how many members are to found a new cluster together, as this
	// one was told.
	Expect int
	// Protocol is the newest version of the protocol between members that it
	// speaks.
	Protocol int
	// Draining members are leaving, Starting ones are not ready yet: both rank
	// last.
	Draining, Starting bool

	mix uint64
}

// View is the member set as one member sees it at one time. It is never
// mutated. The zero View has no members.
type View struct {
	Version uint64
	members []Member
}

// NewView returns a view of members, in any order.
func NewView(version uint64, members ...Member) View {
	own := slices.Clone(members)
	for i := range own {
		h := fnv.New64a()
		h.Write([]byte(own[i].ID))
		own[i].mix = h.Sum64()
	}
	slices.SortFunc(own, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return View{Version: version, members: own}
}

// Members returns the view's members by id.
func (v View) Members() []Member { return slices.Clone(v.members) }

// Len is the number of members.
func (v View) Len() int { return len(v.members) }

// Owner is the member that ranks first for key; false in an empty view. It
// allocates nothing.
func (v View) Owner(key [16]byte) (Member, bool) {
	if len(v.members) == 0 {
		return Member{}, false
	}
	k := fold(key)
	best, top := &v.members[0], mix64(k^v.members[0].mix)
	for i := 1; i < len(v.members); i++ {
		m := &v.members[i]
		if s := mix64(k ^ m.mix); before(m, s, best, top) {
			best, top = m, s
		}
	}
	return *best, true
}

// Home is the member that ranks first for key when draining is not regarded:
// what began to live there before the member started to leave may still do. It
// allocates nothing.
func (v View) Home(key [16]byte) (Member, bool) {
	var best *Member
	var top uint64
	k := fold(key)
	for i := range v.members {
		m := &v.members[i]
		s := mix64(k ^ m.mix)
		// Equal: the smaller id, which came before.
		if best == nil || best.Starting && !m.Starting || best.Starting == m.Starting && s > top {
			best, top = m, s
		}
	}
	if best == nil {
		return Member{}, false
	}
	return *best, true
}

// Protocol is the version of what members say to each other that this release
// speaks. It grows when the stores of members write to their log, or members tell
// each other, what the release before does not know.
const Protocol = 3

// ReplicaProtocol is the first protocol whose members hold replicas of
// journeys.
const ReplicaProtocol = 2

// StoresProtocol is the first protocol whose members know of journeys that wait
// elsewhere than in memory or are allowlisted, of sessions that their holders keep,
// and of generations of keys. Until all members speak it none of these begins.
const StoresProtocol = 3

// Replicas appends to set the ids of the first n members for key that may hold
// replicas, the first by rank first: those that speak ReplicaProtocol and are
// neither draining nor starting, then, as long as these are too few, those that
// start: they hold what they are given, and a set of one has no second copy.
// Those that drain are taken only where there is nobody else, for a set is not
// to wait for who is about to go. It allocates nothing but what set lacks in
// capacity.
func (v View) Replicas(set []MemberID, key [16]byte, n int) []MemberID {
	least := unable
	for i := range v.members {
		least = min(least, v.members[i].class())
	}
	if least == unable {
		return set
	}
	most := max(least, coming) // with those that drain there is nobody else
	k := fold(key)
	var last *Member
	var lastScore uint64
	for range n {
		var best *Member
		var top uint64
		for i := range v.members {
			m := &v.members[i]
			if m.class() > most {
				continue
			}
			s := mix64(k ^ m.mix)
			if last != nil && !before(last, lastScore, m, s) {
				continue // taken
			}
			if best == nil || before(m, s, best, top) {
				best, top = m, s
			}
		}
		if best == nil {
			break
		}
		set = append(set, best.ID)
		last, lastScore = best, top
	}
	return set
}

// Speaks reports whether all members speak a protocol. It allocates nothing.
func (v View) Speaks(protocol int) bool {
	for i := range v.members {
		if v.members[i].Protocol < protocol {
			return false
		}
	}
	return true
}

// How fit members are to hold replicas, the fittest first.
const (
	fit = iota
	coming
	going
	unable
)

func (m *Member) class() int {
	switch {
	case m.Protocol < ReplicaProtocol:
		return unable
	case m.Draining:
		return going
	case m.Starting:
		return coming
	}
	return fit
}

// Member is the view's member of an id; false when it has none.
func (v View) Member(id MemberID) (Member, bool) {
	i, ok := slices.BinarySearchFunc(v.members, id, func(m Member, id MemberID) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return v.members[i], true
}

// Rank returns the first n members for key by rendezvous hashing: the owner,
// then its standbys. Members that are draining or starting come after all
// others.
func (v View) Rank(key [16]byte, n int) []Member {
	k := fold(key)
	ranked := slices.Clone(v.members)
	slices.SortFunc(ranked, func(a, b Member) int {
		if before(&a, mix64(k^a.mix), &b, mix64(k^b.mix)) {
			return -1
		}
		return 1
	})
	return ranked[:min(n, len(ranked))]
}

func (m *Member) last() bool { return m.Draining || m.Starting }

func before(a *Member, sa uint64, b *Member, sb uint64) bool {
	if a.last() != b.last() {
		return b.last()
	}
	if sa != sb {
		return sa > sb
	}
	return a.ID < b.ID
}

func fold(key [16]byte) uint64 {
	return binary.LittleEndian.Uint64(key[:8]) ^ binary.LittleEndian.Uint64(key[8:])
}

// mix64 is the finaliser of splitmix64: every input bit moves every output
// bit, so that ids which differ in one character rank independently.
func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}
