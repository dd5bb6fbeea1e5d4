package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// testCluster is a cluster of members in one process, which share their
// stores as replicated ones do.
type testCluster struct {
	t       testing.TB
	now     func() time.Time
	net     *testNet
	members []*testMember
	views   []*atomic.Pointer[placement.View]

	docs     *memoryDocuments
	users    *testUsers
	sessions *memorySessions
	tokens   *memoryTokens
	quorum   atomic.Pointer[session.UnavailableError] // what Quorum says; nil: there is one
	version  atomic.Uint64
	change   func(*Config) // of every member; may be nil

	mu sync.Mutex // guards members and dead of them while a test's clients run
}

func newCluster(t testing.TB, n int) *testCluster {
	t.Helper()
	return newClusterWith(t, n, nil)
}

func newClusterWith(t testing.TB, n int, change func(*Config)) *testCluster {
	t.Helper()
	c := &testCluster{
		t: t, now: time.Now, net: newTestNet(), change: change,
		docs:     &memoryDocuments{},
		users:    &testUsers{password: "secret"},
		sessions: &memorySessions{byJourney: map[[16]byte]session.Session{}},
		tokens:   newTokens(time.Now),
	}
	for range n {
		c.add()
	}
	c.members[0].publishLogin("Login", "User Name")
	c.members[0].publishSteps("Steps")
	for _, tree := range testTrees() {
		c.members[0].publishTree(tree)
	}
	c.see(c.ids()...)
	return c
}

// add starts a member that nobody sees yet, itself included.
func (c *testCluster) add() *testMember {
	id := placement.MemberID(fmt.Sprintf("member-%d", len(c.members)))
	view := &atomic.Pointer[placement.View]{}
	view.Store(&placement.View{})
	m := &testMember{docs: c.docs, users: c.users, sessions: c.sessions, tokens: c.tokens}
	m.open(c.t, c.now, func(own *Config) {
		own.Self, own.View = id, func() placement.View { return *view.Load() }
		own.Peers = testPeers{c.net, id}
		own.Quorum = func(context.Context) error {
			if err := c.quorum.Load(); err != nil {
				return err
			}
			return nil
		}
		if c.change != nil {
			c.change(own)
		}
	})
	c.mu.Lock()
	c.members, c.views = append(c.members, m), append(c.views, view)
	c.mu.Unlock()
	c.net.join(id, m.Journeys)
	return m
}

func (c *testCluster) ids() []placement.MemberID {
	ids := make([]placement.MemberID, len(c.members))
	for i, m := range c.members {
		ids[i] = m.config.Self
	}
	return ids
}

// kill ends a member without notice; the others are not told.
func (c *testCluster) kill(id placement.MemberID) {
	c.mu.Lock()
	for _, m := range c.members {
		if m.config.Self == id {
			m.dead = true
		}
	}
	c.mu.Unlock()
	c.net.crash(id)
}

// alive are the members that were not killed.
func (c *testCluster) alive() []*testMember {
	c.mu.Lock()
	defer c.mu.Unlock()
	var alive []*testMember
	for _, m := range c.members {
		if !m.dead {
			alive = append(alive, m)
		}
	}
	return alive
}

// see gives every member the same view. An id with a "-" at its end is that of
// a member which is draining, one with a "+" that of a member which starts, one
// with a "!" that of a member of the protocol before replicas.
func (c *testCluster) see(ids ...placement.MemberID) {
	for i := range c.members {
		c.sees(i, ids...)
	}
}

// sees gives one member a view.
func (c *testCluster) sees(i int, ids ...placement.MemberID) {
	list := make([]placement.Member, len(ids))
	for k, id := range ids {
		name, draining := strings.CutSuffix(string(id), "-")
		name, starting := strings.CutSuffix(name, "+")
		name, old := strings.CutSuffix(name, "!")
		list[k] = placement.Member{
			ID: placement.MemberID(name), Draining: draining, Starting: starting, Protocol: placement.Protocol,
		}
		if old {
			list[k].Protocol = placement.ReplicaProtocol - 1
		}
	}
	view := placement.NewView(c.version.Add(1), list...)
	c.views[i].Store(&view)
}

// at returns the place of the member that owns a journey, by the view of the
// first member.
func (c *testCluster) at(id journey.ID) int {
	owner, _ := c.views[0].Load().Owner(id)
	for i, m := range c.members {
		if m.config.Self == owner.ID {
			return i
		}
	}
	c.t.Fatalf("nobody owns %v", id)
	return 0
}

func (c *testCluster) close() {
	for _, m := range c.members {
		m.Close()
	}
	c.net.work.Wait()
}

// testNet carries calls between members, as well as its faults let it.
type testNet struct {
	silent  placement.MemberID // as the link tells; set under mu
	mu      sync.Mutex
	members map[placement.MemberID]*Journeys
	faults  func(from, to placement.MemberID) fault
	calls   map[placement.MemberID]int // requests that were passed on, by the caller
	work    sync.WaitGroup
}

// fault is what becomes of one call.
type fault struct {
	kind  faultKind
	delay time.Duration // before the request arrives
}

type faultKind int

const (
	none        faultKind = iota
	refused               // certainly not delivered
	loseRequest           // not delivered, and the caller cannot know
	loseAnswer            // delivered and done, but nobody hears of it
	twice                 // delivered two times at once
	frozen                // not delivered, and found out only by the link's pings
)

// linkPings is how long a link takes to find that the other side is silent.
const linkPings = 1500 * time.Millisecond

var errDown, errBroken = errors.New("connection refused"), errors.New("connection reset")

func newTestNet() *testNet {
	return &testNet{members: map[placement.MemberID]*Journeys{}, calls: map[placement.MemberID]int{}}
}

func (n *testNet) join(id placement.MemberID, j *Journeys) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members[id] = j
}

// crash ends a member without notice.
func (n *testNet) crash(id placement.MemberID) {
	n.mu.Lock()
	j := n.members[id]
	delete(n.members, id)
	n.mu.Unlock()
	j.Close()
}

// inject sets what becomes of calls; nil heals the network.
func (n *testNet) inject(faults func(from, to placement.MemberID) fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = faults
}

// only injects one fault into the calls to a member, the first count of them.
func (n *testNet) only(to placement.MemberID, kind faultKind, count int) {
	n.inject(func(_, callee placement.MemberID) fault {
		if callee != to || count == 0 {
			return fault{}
		}
		count--
		return fault{kind: kind}
	})
}

func (n *testNet) total() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := 0
	for _, calls := range n.calls {
		sum += calls
	}
	return sum
}

// random injects seeded faults: each call fails with probability p, in one of
// kinds, and takes up to delay.
func (n *testNet) random(seed uint64, p float64, delay time.Duration, kinds ...faultKind) {
	random := rand.New(rand.NewPCG(seed, 1))
	n.inject(func(_, _ placement.MemberID) fault {
		f := fault{delay: time.Duration(random.Int64N(int64(delay)))}
		if random.Float64() < p {
			f.kind = kinds[random.IntN(len(kinds))]
		}
		return f
	})
}

// testPeers is one member's door to the network.
type testPeers struct {
	net  *testNet
	from placement.MemberID
}

func (p testPeers) NotDone(err error) bool { return errors.Is(err, errDown) }

func (p testPeers) Silent(m placement.Member) bool {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	return m.ID == p.net.silent
}

func (p testPeers) Call(ctx context.Context, m placement.Member, body []byte) ([]byte, error) {
	p.net.mu.Lock()
	if kind := body[1]; kind == 1 || kind == 2 || kind == 5 {
		p.net.calls[p.from]++
	}
	to, up := p.net.members[m.ID]
	var f fault
	if p.net.faults != nil {
		f = p.net.faults(p.from, m.ID)
	}
	p.net.mu.Unlock()
	if !up || f.kind == refused {
		return nil, errDown
	}
	if f.kind == frozen {
		select {
		case <-time.After(linkPings):
			return nil, errBroken
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if f.delay > 0 {
		time.Sleep(f.delay) // in a bubble
	}
	if f.kind == loseRequest {
		return nil, errBroken
	}
	answers := make(chan []byte, 2)
	for range 1 + bit(f.kind == twice) {
		p.net.work.Go(func() {
			// The other side knows the caller's deadline, not its end.
			own := context.Background()
			if deadline, ok := ctx.Deadline(); ok {
				var cancel context.CancelFunc
				own, cancel = context.WithDeadline(own, deadline)
				defer cancel()
			}
			answer, err := to.Serve(own, string(p.from), append([]byte(nil), body...))
			if err != nil {
				panic(err)
			}
			answers <- answer
		})
	}
	select {
	case answer := <-answers:
		if f.kind == loseAnswer {
			return nil, errBroken
		}
		return answer, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// testTree is a tree in short: per node its key, type, attributes, and where
// its outcomes lead.
type testTree struct {
	name  string
	nodes []testNode
}

type testNode struct {
	key, typ, attributes string
	to                   string // "outcome>key ..."
}

func testNodeID(key string) string {
	switch key {
	case "ok":
		return ok
	case "bad":
		return bad
	}
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", []byte(key))
}

// publishTree stores a tree.
func (m *testMember) publishTree(t testTree) {
	var vertices []string
	for _, n := range t.nodes {
		var edges []string
		for edge := range strings.FieldsSeq(n.to) {
			outcome, to, _ := strings.Cut(edge, ">")
			edges = append(edges, fmt.Sprintf("%q:%q", outcome, testNodeID(to)))
		}
		body := fmt.Sprintf(`{"_type":{"_id":%q}%s}`, n.typ, n.attributes)
		m.docs.put(realm.KindNode, testNodeID(n.key), body)
		vertices = append(vertices, fmt.Sprintf(`%q:{"nodeType":%q,"connections":{%s}}`, testNodeID(n.key), n.typ, strings.Join(edges, ",")))
	}
	m.docs.put(realm.KindTree, t.name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{%s}}`, testNodeID(t.nodes[0].key), strings.Join(vertices, ",")))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

func testTrees() []testTree {
	return []testTree{
		{"Choose", []testNode{
			{"chA", "ChoiceCollectorNode", `,"prompt":"How?","choices":["password","code","never"],"defaultChoice":"code"`, "password>chB code>chE never>bad"},
			{"chB", "UsernameCollectorNode", "", "outcome>chC"},
			{"chC", "PasswordCollectorNode", "", "outcome>chD"},
			{"chD", "DataStoreDecisionNode", "", "true>ok false>chG"},
			{"chE", "OneTimePasswordGeneratorNode", "", "outcome>chF"},
			{"chF", "OneTimePasswordCollectorDecisionNode", "", "true>ok false>chG"},
			{"chG", "RetryLimitDecisionNode", `,"retryLimit":2,"incrementUserAttributeOnFailure":false`, "Retry>chB Reject>bad"},
		}},
		{"Wait", []testNode{
			{"waA", "PollingWaitNode", `,"secondsToWait":5`, "DONE>waB"},
			{"waB", "UsernameCollectorNode", "", "outcome>waC"},
			{"waC", "ZeroPageLoginNode", "", "true>waD false>bad"},
			{"waD", "DataStoreDecisionNode", "", "true>ok false>bad"},
		}},
		{"Carry", []testNode{
			{"caA", "MessageNode", "", "true>caB false>bad"},
			{"caB", "SessionDataNode", `,"sessionDataKey":"am.x","sharedStateKey":"x"`, "outcome>caC"},
			{"caC", "DebugNode", "", "outcome>caD"},
			{"caD", "UsernameCollectorNode", "", "outcome>ok"},
		}},
	}
}

// safeBuffer collects a log that several members write.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
