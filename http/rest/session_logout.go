package rest

import (
	"net/http"

	"sojourn/actors/realm"
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
	if err == nil {
		_, err = c.h.cfg.Resources.Sessions.Delete(c.context(), found.ID)
	}
	switch {
	case absent(err):
		result = `{"result":"Token has expired"}`
	case err != nil:
		return err
	}
	if own {
		h := c.w.Header()
		h["Set-Cookie"] = append(h["Set-Cookie"], c.h.cookies.cleared()...)
		if c.settings.ClearsSiteData {
			h["Clear-Site-Data"] = []string{clearSiteData}
		}
	}
	return c.answer(append(c.buf[:0], result...))
}

// maxHandles bounds the sessions that one call may end.
const maxHandles = 500

// logoutByHandle ends sessions by their handles. A handle that names none is
// as good as ended.
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
	ids := make([]session.ID, 0, len(handles))
	for _, handle := range handles {
		if id, err := session.Handle(handle).ID(); err == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		if _, err := c.h.cfg.Resources.Sessions.Delete(c.context(), ids...); err != nil {
			return err
		}
	}
	b := append(c.buf[:0], `{"result":{`...)
	told := make(map[string]struct{}, len(handles))
	for _, handle := range handles {
		if _, twice := told[handle]; twice {
			continue
		}
		if len(told) > 0 {
			b = append(b, ',')
		}
		told[handle] = struct{}{}
		b = append(wire.AppendString(b, handle), `:true`...)
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
	if !operator {
		caller, err := c.caller()
		if err != nil {
			return err
		}
		oneself := caller.Principal.Realm == c.realm && sameUser(caller.Principal.Username, username)
		if !caller.Admin && !oneself {
			return errForbidden
		}
	}
	if err := c.endSessionsOf(c.realm, username); err != nil {
		return err
	}
	return c.answer(append(c.buf[:0], `{"result":true}`...))
}

// endSessionsOf ends every session of a user, a batch at a time.
func (c *call) endSessionsOf(r realm.Name, username string) error {
	store := c.h.cfg.Resources.Sessions
	for {
		found, err := store.SessionsOf(c.context(), r, username, maxHandles)
		if err != nil || len(found) == 0 {
			return err
		}
		ids := make([]session.ID, len(found))
		for i, s := range found {
			ids[i] = s.ID
		}
		ended, err := store.Delete(c.context(), ids...)
		if err != nil {
			return err
		}
		// A list that trails behind what was deleted must not keep us here.
		if len(found) < maxHandles || !anyTrue(ended) {
			return nil
		}
	}
}

func anyTrue(flags []bool) bool {
	for _, f := range flags {
		if f {
			return true
		}
	}
	return false
}
