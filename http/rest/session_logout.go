package rest

import (
	"net/http"
	"slices"
	"strconv"

	"sojourn/cts/session"
	"sojourn/http/wire"
)

// clearSiteData is what AM tells browsers at a logout
// (addClearSiteDataHeader).
const clearSiteData = `"cache", "cookies", "storage", "executionContexts"`

// logout ends the session that the request names. To end one that is gone
// already is no error: the client wanted it gone.
func logout(c *call) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	token, own, err := c.means(named)
	if err != nil {
		return err
	}
	result := `{"result":"Successfully logged out"}`
	found, err := c.session(token)
	switch {
	case err == nil:
		c.by = found.Principal.UniversalID // whoever holds a token may end its session
		_, err = c.h.cfg.Resources.Sessions.End(c.context(), c.cause(session.Logout), found)
	case absent(err):
		result = `{"result":"Token has expired"}`
		err = c.h.cfg.Resources.Sessions.EndByToken(c.context(), c.cause(session.Logout), token)
	}
	if err != nil {
		return err
	}
	if own {
		h := c.w.Header()
		h["Set-Cookie"] = append(h["Set-Cookie"], c.cookies().cleared()...)
		if c.settings.ClearsSiteData {
			h["Clear-Site-Data"] = []string{clearSiteData}
		}
	}
	return c.answer(append(c.buf[:0], result...))
}

// cause is why a session ends, by whom the guard let in.
func (c *call) cause(r session.Reason) session.Cause { return session.Cause{Reason: r, By: c.by} }

// maxHandles bounds the sessions that one call may end.
const maxHandles = 500

// logoutByHandle ends sessions by their handles and tells of each whether it
// names no session any more. When nothing is known of any, that is the answer.
func logoutByHandle(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	handles, err := wire.SessionHandles(body)
	switch {
	case err != nil:
		return err
	case handles == nil:
		return fault{status: http.StatusBadRequest, message: "The sessionHandles array is missing"}
	case len(handles) > maxHandles:
		return fault{status: http.StatusBadRequest, message: "Too many session handles"}
	}
	named := make([]session.Handle, len(handles))
	for i, handle := range handles {
		named[i] = session.Handle(handle)
	}
	gone, err := c.h.cfg.Resources.Sessions.EndByHandle(c.context(), c.cause(session.Destroyed), named...)
	if err != nil && !slices.Contains(gone, true) {
		return err
	}
	b := append(c.buf[:0], `{"result":{`...)
	told := make(map[string]struct{}, len(handles))
	for i, handle := range handles {
		if _, twice := told[handle]; twice {
			continue
		}
		if len(told) > 0 {
			b = append(b, ',')
		}
		told[handle] = struct{}{}
		b = strconv.AppendBool(append(wire.AppendString(b, handle), ':'), gone[i])
	}
	return c.answer(append(b, `}}`...))
}

// logoutByUser ends all sessions of a user of the realm: of anyone for an
// administrator, of oneself for everybody.
func logoutByUser(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	username, err := wire.Member(body, "username")
	if err != nil {
		return err
	}
	if username == "" {
		return fault{status: http.StatusBadRequest, message: "The username is missing"}
	}
	operator, err := c.operator()
	if err != nil {
		return err
	}
	reason := session.Destroyed
	if !operator {
		caller, err := c.caller()
		if err != nil {
			return err
		}
		oneself := caller.Principal.Realm == c.realm && sameUser(caller.Principal.Username, username)
		if !caller.Admin && !oneself {
			return errForbidden
		}
		if oneself {
			reason = session.Logout
		}
	}
	if err := c.h.cfg.Resources.Sessions.EndAllOf(c.context(), c.cause(reason), c.realm, username); err != nil {
		return err
	}
	return c.answer(append(c.buf[:0], `{"result":true}`...))
}
