package rest

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"

	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// wanted says which sessions a query is for.
type wanted struct {
	realm    realm.Name
	username string         // empty for all of the realm
	handle   session.Handle // empty for any
}

// querySessions lists sessions, a page at a time and in no order that means
// anything: those of a user, _queryFilter=username eq "bjensen" and realm eq
// "/alpha", all of a realm, or the one of a sessionHandle. AM has the first of
// these alone. A session that is there all the while is on one page, whatever
// comes and goes meanwhile.
func querySessions(c *call) error {
	w, err := c.wanted()
	if err != nil {
		return err
	}
	size, after, err := c.sessionPage()
	if err != nil {
		return err
	}
	ctx := c.context()
	if d := c.settings.SessionListTime; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	found, err := c.findSessions(ctx, w, after, size+1)
	if err != nil {
		return err
	}
	cookie := ""
	if len(found) > size {
		found = found[:size]
		cookie = base64.RawURLEncoding.EncodeToString(found[size-1].ID[:])
	}
	return c.answer(wire.AppendPage(c.buf[:0], len(found), cookie, func(b []byte, i int) []byte {
		info := summary(found[i])
		info.Handle = string(found[i].Handle())
		return wire.AppendSessionInfo(b, info)
	}))
}

// wanted reads the filter.
func (c *call) wanted() (wanted, error) {
	w := wanted{realm: c.realm}
	filter, err := c.filter()
	if err != nil {
		return w, err
	}
	for _, term := range filter {
		switch {
		case term.field != "username" && term.field != "realm" && term.field != "sessionHandle":
			return w, fault{status: http.StatusBadRequest, message: shorten(term.field) + " is not supported in query filter"}
		case term.op != opEquals:
			return w, fault{status: http.StatusBadRequest, message: "Only eq is supported in query filter"}
		case term.value == "":
			return w, fault{status: http.StatusBadRequest, message: "A " + term.field + " is needed in query filter"}
		case term.field == "username":
			w.username = term.value
		case term.field == "sessionHandle":
			w.handle = session.Handle(term.value)
		default:
			if w.realm, err = realm.Parse(term.value); err != nil {
				return w, invalidRealm(term.value)
			}
		}
	}
	return w, nil
}

// sessionPage reads _pageSize and _pagedResultsCookie. A page has at most as many
// sessions as the realm lets be listed (maxSessionListSize).
func (c *call) sessionPage() (size int, after session.ID, err error) {
	size = c.settings.MaxSessionList
	if text := c.query.get("_pageSize"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, after, fault{status: http.StatusBadRequest, message: "The _pageSize is not a number of results"}
		}
		size = min(size, n)
	}
	if text := c.query.get("_pagedResultsCookie"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(raw) != len(after) {
			return 0, after, fault{status: http.StatusBadRequest, message: "The _pagedResultsCookie is not one of ours"}
		}
		after = session.ID(raw)
	}
	return max(size, 1), after, nil
}

func (c *call) findSessions(ctx context.Context, w wanted, after session.ID, limit int) ([]session.Session, error) {
	all := c.h.cfg.Resources.Sessions
	switch {
	case w.handle != "":
		one, err := all.ByHandle(ctx, w.handle)
		switch {
		case err != nil && !absent(err):
			return nil, err
		case err != nil, one.Principal.Realm != w.realm, w.username != "" && !sameUser(w.username, one.Principal.Username):
			return nil, nil
		}
		return []session.Session{one}, nil
	case w.username != "":
		return all.SessionsOf(ctx, w.realm, w.username, after, limit)
	}
	return all.Sessions(ctx, w.realm, after, limit)
}
