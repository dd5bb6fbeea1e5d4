package cts

import (
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// The protocols between members from which on their stores know of something.
const (
	remembers = 2 // changes that are made once, and permits
	denies    = 3 // reasons, quotas, tokens, denials
	newest    = denies
)

// releases is what is known of the programs that apply this cluster's log. A
// member that is away is taken for what it was when it was last seen, one that
// was never seen for one of this release.
type releases struct {
	mu    sync.Mutex
	older map[string]int // protocols of stores that were last seen to be of an earlier release
	// behind is how far the oldest in the configuration is behind this release.
	behind atomic.Int64
}

// hear notes who is there now, and who applies the log.
func (r *releases) hear(peers []Peer, applied raft.Configuration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range peers {
		switch old := p.Protocol != 0 && p.Protocol < newest; {
		case !old:
			delete(r.older, p.Store)
		case r.older == nil:
			r.older = map[string]int{p.Store: p.Protocol}
		default:
			r.older[p.Store] = p.Protocol
		}
	}
	behind := 0
	for _, s := range applied.Servers {
		if protocol, old := r.older[string(s.ID)]; old {
			behind = max(behind, newest-protocol)
		}
	}
	r.behind.Store(int64(behind))
}

// all reports whether every member that applies the log speaks a protocol.
func (r *releases) all(protocol int) bool { return newest-r.behind.Load() >= int64(protocol) }

// speaks reports whether a store does, or did when it was last seen.
func (r *releases) speaks(peers []Peer, store string, protocol int) bool {
	for _, p := range peers {
		if p.Store == store && p.Protocol != 0 {
			return p.Protocol >= protocol
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	was, old := r.older[store]
	return !old || was >= protocol
}

// errOlder says that what is asked for is not known to all members.
func errOlder() error { return unavailable("a member of an older release is in the cluster") }

// plain reports whether every release knows an operation.
func plain(o peer.Operation) bool {
	switch o := o.(type) {
	case peer.Create:
		return o.Quota.Limit <= 0
	case peer.Delete:
		return o.Reason == 0 || o.Reason == session.Logout
	case peer.PutToken, peer.Deny, peer.DenyUser:
		return false
	default:
		return true
	}
}

// older is an operation that is not plain in the form that a release without
// denies carries out.
func older(o peer.Operation) (peer.Operation, error) {
	if ended, is := o.(peer.Delete); is {
		ended.Reason = session.Logout
		return ended, nil
	}
	return nil, errOlder()
}
