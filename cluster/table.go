package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"sojourn/cluster/placement"
)

// MaxMembers is how many members one member sees at most, itself included,
// and with the names of those that died in the last seconds. More are refused:
// what gossip and views cost was looked at up to here.
const MaxMembers = 64

// memory is how long the address of a dead member is rejoined.
const memory = 72 * time.Hour

var errForeign = errors.New("of another cluster")

// table is what gossip says of the members. Its exported methods are
// memberlist's delegates. They are called with memberlist's locks held, so
// they must not call memberlist and must not wait: they change the table,
// publish a view, and hand their log lines to a queue.
type table struct {
	notes   *notes
	address string // self's, as memberlist writes it

	mu    sync.Mutex
	self  record
	peers map[string]*peer // by memberlist's name
	lost  map[string]loss  // by address
	shown []placement.Member

	published atomic.Pointer[publication]
}

// peer is a member that memberlist holds to be alive.
type peer struct {
	record
	address string
	// refused: it has since told of itself what cannot be accepted.
	// memberlist has no way to put it out, so the view leaves it out.
	refused bool
	// stale: a later process has its address or its data folder.
	stale bool
}

// loss is a member that died, or that a split has cut off.
type loss struct {
	store string
	since time.Time
}

// publication is one view and the news that there is another.
type publication struct {
	view placement.View
	over chan struct{} // closed when the next is published
}

func newTable(self record, address string, n *notes) *table {
	t := &table{notes: n, address: address, self: self, peers: map[string]*peer{}, lost: map[string]loss{}}
	t.publish()
	return t
}

// NotifyAlive refuses members that cannot be ours.
func (t *table) NotifyAlive(n *memberlist.Node) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.Name == string(t.self.member.ID) {
		return nil
	}
	known := t.peers[n.Name]
	r, err := decodeRecord(n.Name, n.Meta)
	if err == nil {
		err = t.judge(r)
	}
	if err == nil && known == nil && len(t.peers) >= MaxMembers-1 {
		err = fmt.Errorf("%d members are known already", MaxMembers)
	}
	if err == nil {
		return nil
	}
	t.refuse(n, r.member.Name, err)
	return err
}

// refuse says why once a minute, and hides a peer that was accepted before.
func (t *table) refuse(n *memberlist.Node, name string, why error) {
	t.notes.seldom(slog.LevelWarn, "member refused", "refused "+n.Name, "member", n.Name, "address", n.Address(), "name", name, "err", why)
	if p := t.peers[n.Name]; p != nil && !p.refused {
		p.refused = true
		t.publish()
	}
}

// AckPayload goes with the answer to every probe: the cluster that this member
// is in. A member that refuses us does not see our metadata change.
func (t *table) AckPayload() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.self.member.Cluster[:])
}

// NotifyPingComplete refuses a peer that meanwhile is of another cluster.
func (t *table) NotifyPingComplete(n *memberlist.Node, _ time.Duration, payload []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[n.Name]
	if p == nil || len(payload) != len(p.member.Cluster) {
		return
	}
	now := p.record
	now.member.Cluster = [16]byte(payload)
	if err := t.judge(now); err != nil {
		t.refuse(n, p.member.Name, err)
	}
}

// NotifyMerge refuses a whole set of members that belongs to another cluster,
// or none of which can be ours. Some that cannot are left to NotifyAlive.
func (t *table) NotifyMerge(nodes []*memberlist.Node) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refused error
	var accepted bool
	for _, n := range nodes {
		if n.Name == string(t.self.member.ID) || n.State == memberlist.StateDead || n.State == memberlist.StateLeft {
			continue
		}
		r, err := decodeRecord(n.Name, n.Meta)
		if err == nil {
			err = t.judge(r)
		}
		if err == nil {
			accepted = true
			continue
		}
		refused = fmt.Errorf("member %s at %s: %w", n.Name, n.Address(), err)
		t.refuse(n, r.member.Name, err)
		if errors.Is(err, errForeign) {
			return refused
		}
	}
	if accepted {
		return nil
	}
	return refused
}

// judge says why a member cannot be one of ours.
func (t *table) judge(r record) error {
	self := t.self
	if r.oldest > self.member.Protocol || r.member.Protocol < self.oldest {
		return fmt.Errorf("speaks protocol %d to %d, this member %d to %d", r.oldest, r.member.Protocol, self.oldest, self.member.Protocol)
	}
	if r.member.Cluster == ([16]byte{}) {
		return nil
	}
	if ours := t.cluster(r.member.ID); ours != ([16]byte{}) && ours != r.member.Cluster {
		return fmt.Errorf("%w: %x, not %x", errForeign, r.member.Cluster, ours)
	}
	return nil
}

// cluster is the cluster that this member is in, or else the one that the
// peers it has met are in, but for one of them: a newcomer must not be the
// bridge over which two clusters meet.
func (t *table) cluster(but placement.MemberID) [16]byte {
	if t.self.member.Cluster != ([16]byte{}) {
		return t.self.member.Cluster
	}
	for _, p := range t.peers {
		if p.member.ID != but && !p.refused && p.member.Cluster != ([16]byte{}) {
			return p.member.Cluster
		}
	}
	return [16]byte{}
}

// NotifyJoin takes in a member that came to life.
func (t *table) NotifyJoin(n *memberlist.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.accept(n) {
		p := t.peers[n.Name]
		t.notes.add(slog.LevelInfo, "member joined", "member", n.Name, "name", p.member.Name, "address", p.member.Address)
	}
}

// NotifyUpdate takes in what a member changed in its metadata.
func (t *table) NotifyUpdate(n *memberlist.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var before placement.Member
	if p := t.peers[n.Name]; p != nil {
		before = p.member
	}
	if t.accept(n) {
		if p := t.peers[n.Name]; p.member.Draining && !before.Draining {
			t.notes.add(slog.LevelInfo, "member is leaving", "member", n.Name, "name", p.member.Name, "address", p.member.Address)
		}
	}
}

// accept copies a node that passed NotifyAlive; false for self.
func (t *table) accept(n *memberlist.Node) bool {
	if n.Name == string(t.self.member.ID) {
		return false
	}
	r, err := decodeRecord(n.Name, n.Meta)
	if err != nil {
		return false
	}
	t.peers[n.Name] = &peer{record: r, address: n.Address()}
	delete(t.lost, n.Address())
	for address, l := range t.lost {
		if l.store != "" && l.store == r.member.Store {
			delete(t.lost, address)
		}
	}
	t.publish()
	return true
}

// NotifyLeave forgets a member that left or died. memberlist does not say
// which; the member's own last words do.
func (t *table) NotifyLeave(n *memberlist.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[n.Name]
	if p == nil {
		return
	}
	delete(t.peers, n.Name)
	switch {
	case p.leaving:
		t.notes.add(slog.LevelInfo, "member left", "member", n.Name, "name", p.member.Name, "address", p.member.Address)
	case p.stale:
		t.notes.add(slog.LevelInfo, "member forgotten: a later process took its place", "member", n.Name, "name", p.member.Name, "address", p.member.Address)
	default:
		t.notes.add(slog.LevelWarn, "member dead", "member", n.Name, "name", p.member.Name, "address", p.member.Address)
		if !p.refused {
			t.remember(p)
		}
	}
	t.publish()
}

// remember keeps the address of a dead member to rejoin it after a split.
func (t *table) remember(p *peer) {
	if len(t.lost) >= MaxMembers {
		var oldest string
		for address, l := range t.lost {
			if oldest == "" || l.since.Before(t.lost[oldest].since) {
				oldest = address
			}
		}
		delete(t.lost, oldest)
	}
	t.lost[p.address] = loss{store: p.member.Store, since: time.Now()}
}

// missing are the addresses of dead members that are worth a try.
func (t *table) missing(now time.Time) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for address, l := range t.lost {
		if now.Sub(l.since) > memory {
			delete(t.lost, address)
			continue
		}
		out = append(out, address)
	}
	return out
}

// present says that a live member, or this one, has the address.
func (t *table) present(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if address == t.address {
		return true
	}
	for _, p := range t.peers {
		if p.address == address {
			return true
		}
	}
	return false
}

// change alters what this member tells of itself, unless the result cannot be
// told. The id and the address of a process never change.
func (t *table) change(alter func(*record)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.self
	alter(&next)
	next.member.ID, next.member.Address = t.self.member.ID, t.self.member.Address
	if err := next.check(); err != nil {
		return err
	}
	t.self = next
	t.publish()
	return nil
}

// publish makes a new view if the members changed. The caller holds mu.
func (t *table) publish() {
	t.markStale()
	members := []placement.Member{t.self.member}
	ours := t.self.member.Cluster
	for _, p := range t.peers {
		foreign := ours != ([16]byte{}) && p.member.Cluster != ([16]byte{}) && p.member.Cluster != ours
		if !p.stale && !p.refused && !foreign {
			members = append(members, p.member)
		}
	}
	slices.SortFunc(members, func(a, b placement.Member) int { return cmp.Compare(a.ID, b.ID) })
	last := t.published.Load()
	if last != nil && slices.Equal(members, t.shown) {
		return
	}
	var version uint64 = 1
	if last != nil {
		version = last.view.Version + 1
	}
	t.shown = members
	t.published.Store(&publication{view: placement.NewView(version, members...), over: make(chan struct{})})
	if last != nil {
		close(last.over)
	}
}

// markStale finds the peers whose address or data folder a later process has.
// Their death is not known to gossip for some seconds yet.
func (t *table) markStale() {
	for _, p := range t.peers {
		was := p.stale
		p.stale = p.address == t.address || p.member.Store != "" && p.member.Store == t.self.member.Store
		for _, q := range t.peers {
			same := p.address == q.address || p.member.Store != "" && p.member.Store == q.member.Store
			p.stale = p.stale || same && q.after(p)
		}
		if p.stale && !was {
			t.notes.add(slog.LevelInfo, "member superseded by a later process", "member", p.member.ID, "name", p.member.Name, "address", p.member.Address)
		}
	}
}

// after is a total order of processes by their start.
func (p *peer) after(q *peer) bool {
	if !p.started.Equal(q.started) {
		return p.started.After(q.started)
	}
	return p.member.ID > q.member.ID
}

func (t *table) latest() *publication { return t.published.Load() }

// NodeMeta is this member's record. It was checked when it was set.
func (t *table) NodeMeta(int) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, err := t.self.encode()
	if err != nil {
		panic(fmt.Sprintf("cluster: own metadata %+v: %v", t.self, err))
	}
	return b
}

// NotifyMsg, GetBroadcasts, LocalState and MergeRemoteState: members send
// nothing over gossip but their metadata.
func (t *table) NotifyMsg([]byte) {}

// GetBroadcasts is empty.
func (t *table) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState is empty.
func (t *table) LocalState(bool) []byte { return nil }

// MergeRemoteState ignores what a later version may send.
func (t *table) MergeRemoteState([]byte, bool) {}
