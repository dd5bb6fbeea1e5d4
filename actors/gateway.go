package actors

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"sojourn/actors/journey"
	"sojourn/cts/session"
)

// gateway activates journeys on demand and lets them go again. It knows for each
// active journey how many of its messages are unanswered; when none is, its actor
// can have another journey, and no message can be lost in its mailbox. An actor
// between two journeys is parked: making one and unmaking it costs more than most
// steps.
type gateway struct {
	root   *actor.RootContext
	props  *actor.Props
	shards [gatewayShards]gatewayShard
}

const gatewayShards = 64

// maxParked bounds the parked actors of a shard.
const maxParked = 16

type gatewayShard struct {
	sync.Mutex
	active map[journey.ID]*activation
	parked []*actor.PID
}

// activation is a journey's actor, or nil and what was sent to it while somebody
// else has claimed the journey.
type activation struct {
	pid        *actor.PID
	unanswered int
	held       []delivery
}

type delivery struct {
	message any
	replyTo *actor.PID
}

func newGateway(root *actor.RootContext, props *actor.Props) *gateway {
	g := &gateway{root: root, props: props}
	for i := range g.shards {
		g.shards[i].active = map[journey.ID]*activation{}
	}
	return g
}

func (g *gateway) shard(id journey.ID) *gatewayShard { return &g.shards[id[0]%gatewayShards] }

// maxUnanswered bounds the messages of one journey that wait for their answers:
// repeats of a request whose step runs. More than clients send in good faith.
const maxUnanswered = 64

// errCrowded is the answer to a message beyond that.
var errCrowded = &session.UnavailableError{Reason: "too many requests wait for one journey", RetryAfter: time.Second}

// actor returns an actor for a journey. The shard is locked.
func (g *gateway) actor(s *gatewayShard) *actor.PID {
	last := len(s.parked) - 1
	if last < 0 {
		return g.root.Spawn(g.props)
	}
	pid := s.parked[last]
	s.parked = s.parked[:last]
	return pid
}

// deliver hands a message to the journey's actor, which will call settle once
// its record is committed and then answer replyTo.
func (g *gateway) deliver(id journey.ID, message any, replyTo *actor.PID) {
	s := g.shard(id)
	s.Lock()
	a, ok := s.active[id]
	if !ok {
		a = &activation{pid: g.actor(s)}
		s.active[id] = a
	}
	if a.unanswered >= maxUnanswered {
		s.Unlock()
		g.root.Send(replyTo, &answer{err: errCrowded})
		return
	}
	a.unanswered++
	pid := a.pid
	if pid == nil {
		a.held = append(a.held, delivery{message, replyTo})
		s.Unlock()
		return
	}
	s.Unlock()
	g.root.RequestWithCustomSender(pid, message, replyTo)
}

// settle notes that n messages are as good as answered and passivates the journey
// when none is left: its actor may be given another one. Another message may bring
// the journey back at once: what it must know is in the record by then.
func (g *gateway) settle(id journey.ID, n int) {
	s := g.shard(id)
	s.Lock()
	a := s.active[id]
	a.unanswered -= n
	var over *actor.PID
	if a.unanswered == 0 {
		delete(s.active, id)
		if len(s.parked) < maxParked {
			s.parked = append(s.parked, a.pid)
		} else {
			over = a.pid
		}
	}
	s.Unlock()
	if over != nil {
		g.root.Stop(over)
	}
}

// claim keeps the journey from becoming active until release. It reports false
// when the journey is active or claimed: there is one at a time who writes its
// records here.
func (g *gateway) claim(id journey.ID) bool {
	s := g.shard(id)
	s.Lock()
	defer s.Unlock()
	if _, active := s.active[id]; active {
		return false
	}
	s.active[id] = &activation{}
	return true
}

// release ends a claim and delivers what came meanwhile.
func (g *gateway) release(id journey.ID) {
	s := g.shard(id)
	s.Lock()
	a := s.active[id]
	held := a.held
	if len(held) == 0 {
		delete(s.active, id)
		s.Unlock()
		return
	}
	a.pid, a.held = g.actor(s), nil
	pid := a.pid
	s.Unlock()
	for _, d := range held {
		g.root.RequestWithCustomSender(pid, d.message, d.replyTo)
	}
}

// active counts the journeys whose actor is in memory.
func (g *gateway) active() int {
	n := 0
	for i := range g.shards {
		s := &g.shards[i]
		s.Lock()
		n += len(s.active)
		s.Unlock()
	}
	return n
}
