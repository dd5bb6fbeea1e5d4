package actors

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// mux receives the replies to all requests of this member. It is one permanent
// process; the request id within the sender's PID tells replies apart. A late
// reply finds nobody waiting and is dropped. (protoactor's futures race with
// late replies and cost a registry entry each: actors-findings sections 4.4
// and 7.)
type mux struct {
	pid    *actor.PID
	next   atomic.Uint32
	shards [muxShards]muxShard
}

const muxShards = 32

type muxShard struct {
	sync.Mutex
	waiting map[uint32]chan any
}

func newMux(system *actor.ActorSystem) *mux {
	m := &mux{}
	for i := range m.shards {
		m.shards[i].waiting = map[uint32]chan any{}
	}
	pid, fresh := system.ProcessRegistry.Add(m, "replies")
	if !fresh {
		panic("the reply process is registered already")
	}
	m.pid = pid
	return m
}

// ask sends a message by send, which is given the PID to reply to, and waits
// for the reply, or for the end of ctx or base.
func (m *mux) ask(ctx, base context.Context, send func(replyTo *actor.PID)) (any, error) {
	id := m.next.Add(1)
	shard := &m.shards[id%muxShards]
	reply := make(chan any, 1)
	shard.Lock()
	shard.waiting[id] = reply
	shard.Unlock()

	send(&actor.PID{Address: m.pid.Address, Id: m.pid.Id, RequestId: id})
	select {
	case got := <-reply: // most have come by now: ctx need not start its timer
		return got, nil
	default:
	}
	select {
	case got := <-reply:
		return got, nil
	case <-ctx.Done():
		return nil, m.forget(ctx, id)
	case <-base.Done():
		return nil, m.forget(base, id)
	}
}

// forget ends the wait for a reply and says why.
func (m *mux) forget(ended context.Context, id uint32) error {
	shard := &m.shards[id%muxShards]
	shard.Lock()
	delete(shard.waiting, id)
	shard.Unlock()
	return context.Cause(ended)
}

// SendUserMessage takes a reply. It runs on the replier's goroutine.
func (m *mux) SendUserMessage(pid *actor.PID, message any) {
	_, body, _ := actor.UnwrapEnvelope(message)
	shard := &m.shards[pid.RequestId%muxShards]
	shard.Lock()
	reply, ok := shard.waiting[pid.RequestId]
	delete(shard.waiting, pid.RequestId)
	shard.Unlock()
	if ok {
		reply <- body
	}
}

// SendSystemMessage and Stop do nothing: the process lives as long as the
// system.
func (*mux) SendSystemMessage(*actor.PID, any) {}

// Stop is described at SendSystemMessage.
func (*mux) Stop(*actor.PID) {}
