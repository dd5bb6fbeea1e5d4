package cts

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// remembers is the first protocol between members whose stores know of changes
// that are made once, and of permits.
const remembers = 2

// releases is what is known of the programs that apply this cluster's log. A
// member that is away is taken for what it was when it was last seen, one that
// was never seen for one of this release.
type releases struct {
	mu       sync.Mutex
	older    map[string]bool // stores that were last seen to be of the release before
	applying atomic.Bool     // one of these is in the configuration
}

// hear notes who is there now, and who applies the log.
func (r *releases) hear(peers []Peer, applied raft.Configuration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range peers {
		switch old := p.Protocol != 0 && p.Protocol < remembers; {
		case !old:
			delete(r.older, p.Store)
		case r.older == nil:
			r.older = map[string]bool{p.Store: true}
		default:
			r.older[p.Store] = true
		}
	}
	applying := slices.ContainsFunc(applied.Servers, func(s raft.Server) bool { return r.older[string(s.ID)] })
	r.applying.Store(applying)
}

// anyOld reports whether a member of the release before applies the log.
func (r *releases) anyOld() bool { return r.applying.Load() }

// old reports whether a store was last seen to be of the release before.
func (r *releases) old(store string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.older[store]
}
