package daemon

import (
	"sync/atomic"

	"sojourn/actors"
	"sojourn/actors/realm"
	"sojourn/cts/feed"
	"sojourn/cts/session"
	"sojourn/cts/sessions"
	"sojourn/http/webhook"
)

// news hands on what the store says of documents and sessions, once there is
// somebody to hand it to: until then nothing has been read.
type news struct {
	catalog  atomic.Pointer[actors.Catalog]
	registry atomic.Pointer[registry]
	keys     atomic.Pointer[keeper]
	sessions atomic.Pointer[sessions.Service]
	webhooks atomic.Pointer[webhook.Sender]
	changes  *feed.Feed
}

// happened hands on what the store says of sessions: nobody here wants to hear of
// new ones, which are most. Of all members the leader alone calls webhooks.
func (n *news) happened(e session.Event) {
	if e.Kind == session.EventCreated {
		return
	}
	n.changes.Publish(e)
	if s := n.sessions.Load(); s != nil {
		s.Heard(e)
	}
	if w := n.webhooks.Load(); w != nil && e.Kind == session.EventEnded && e.Local {
		w.Ended(e.Session, e.Reason)
	}
}

func (n *news) tell(c *actors.Catalog, r *registry, k *keeper) {
	n.catalog.Store(c)
	n.registry.Store(r)
	n.keys.Store(k)
}

func (n *news) changed(kind realm.DocumentKind, in realm.Name) {
	if c := n.catalog.Load(); c != nil {
		c.Invalidate(kind, in)
	}
	if r := n.registry.Load(); r != nil && (kind == realm.KindRun || kind == "") {
		r.look()
	}
	if k := n.keys.Load(); k != nil {
		k.noticed(kind)
	}
	if kind == "" { // the state of another member was taken over, as a whole
		n.changes.Missed()
		if s := n.sessions.Load(); s != nil {
			s.Restored()
		}
	}
}
