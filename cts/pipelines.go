package cts

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// transport is raft's over the network, with one fault mended. When a leader
// stops replicating to a member, nobody takes the answers of its pipeline any
// more, and a send that waits for its place there waits for ever: raft's
// Shutdown then never ends (seen with raft v1.7.3: pipelineSend, while
// pipelineDecode has returned). Only closing the pipeline wakes it.
type transport struct {
	*raft.NetworkTransport

	mu   sync.Mutex
	open map[*pipeline]struct{}
	over bool
}

// pipeline is one that its transport can close.
type pipeline struct {
	raft.AppendPipeline
	of *transport
}

// AppendEntriesPipeline implements raft.Transport.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, fmt.Errorf("pipeline to %s: %w", id, err)
	}
	p := &pipeline{inner, t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		_ = inner.Close()
		return nil, raft.ErrTransportShutdown
	}
	t.open[p] = struct{}{}
	return p, nil
}

// Close implements raft.AppendPipeline. It may be called again.
func (p *pipeline) Close() error {
	p.of.mu.Lock()
	delete(p.of.open, p)
	p.of.mu.Unlock()
	return p.AppendPipeline.Close() //nolint:wrapcheck // raft's own
}

// closePipelines wakes whoever waits in one. A leader in office makes new ones;
// with forGood there are none any more.
func (t *transport) closePipelines(forGood bool) {
	t.mu.Lock()
	open := slices.Collect(maps.Keys(t.open))
	t.over = t.over || forGood
	t.mu.Unlock()
	for _, p := range open {
		_ = p.Close()
	}
}
