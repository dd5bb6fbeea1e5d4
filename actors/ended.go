package actors

import (
	"maps"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// ended is what is kept of a journey's last reply for a client that did not get
// it: what an answer says, without the session that it speaks of. Under load
// these are most of what the collector has to look at, so that they are few and
// small objects.
type ended struct {
	success, noSession, lockout, transaction bool

	url, message string
	details      map[string]string // nil for most
	cookies      []node.Cookie     // nil for most
	token        session.TokenID
	// replaced is the session that has to end before the reply is given; empty
	// for none, and where the token store has seen to it. Of a login that a quota
	// has denied it is its own: another member may have found room.
	replaced session.Handle
}

func endedOf(s *stepping) *ended {
	done := s.done
	e := &ended{
		success: done.Success, noSession: done.NoSession, lockout: done.Lockout, transaction: done.Transaction,
		url: done.URL, message: done.Message, details: done.Details, cookies: done.Cookies, token: s.token,
	}
	if e.replaced = s.denied; s.replaced != nil {
		e.replaced = s.replaced.Handle()
	}
	if len(done.PropertyDetails) > 0 {
		e.details = maps.Clone(done.Details)
		if e.details == nil {
			e.details = map[string]string{}
		}
		for name, property := range done.PropertyDetails {
			if value, ok := done.Session.Properties[property]; ok {
				e.details[name] = value
			}
		}
	}
	return e
}

// plain is as much of it as members before placement.StoresProtocol can read.
func (e *ended) plain() *ended {
	less := *e
	less.cookies, less.replaced, less.transaction = nil, "", false
	return &less
}

// reply is the last reply again.
func (e *ended) reply(r realm.Name) journey.Reply {
	return journey.Reply{Realm: r, Token: e.token, Done: &journey.Done{
		Success: e.success, NoSession: e.noSession, Lockout: e.lockout, Transaction: e.transaction,
		URL: e.url, Message: e.message, Details: e.details, Cookies: e.cookies,
	}}
}
