package rest

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// maxSessionBody bounds the body of a session call, in bytes.
const maxSessionBody = 64 << 10

// sessions is /json[/realms/…]/sessions (am-contract section 4.1). The token
// that a call is about may stand in the body, the tokenId parameter, the path,
// or be the caller's own.
func (h *Handler) sessions() *endpoint {
	operations := []operation{
		{method: "POST", action: "validate", guard: guardToken, run: validate},
		{method: "POST", action: "getSessionInfo", guard: guardToken, run: sessionInfo},
		{method: "POST", action: "getSessionInfoAndResetIdleTime", guard: guardToken, run: sessionInfoAndTouch},
		{method: "POST", action: "refresh", guard: guardToken, run: refresh},
		{method: "POST", action: "logout", guard: guardToken, run: logout},
		{method: "POST", action: "logoutByHandle", guard: guardAdmin, run: logoutByHandle},
		{method: "POST", action: "logoutByUser", guard: guardCaller, run: logoutByUser},
		{method: "POST", action: "getSessionProperties", guard: guardToken, run: sessionProperties},
		{method: "POST", action: "updateSessionProperties", guard: guardToken, run: updateSessionProperties},
		{method: "GET", guard: guardAdmin, run: querySessions},
	}
	if h.cfg.Resources.Changes != nil {
		operations = append(operations, operation{method: "GET", path: "notifications", guard: guardCaller, run: notifications})
	}
	// Version 1 has calls of its own, and may name the token in the path.
	for _, o := range []operation{
		{action: "isActive", run: isActive},
		{action: "getIdle", run: idleSeconds},
		{action: "getMaxIdle", run: maxIdleMinutes},
		{action: "getMaxSessionTime", run: maxSessionMinutes},
		{action: "getTimeLeft", run: secondsLeft},
		{action: "getMaxTime", run: secondsLeft},
		{action: "getProperty", run: properties},
		{action: "setProperty", run: setProperties},
		{action: "deleteProperty", run: deleteProperties},
		{action: "getPropertyNames", run: propertyNames},
	} {
		o.method, o.guard, o.major = "POST", guardToken, 1
		operations = append(operations, o)
	}
	for _, o := range operations {
		if o.guard == guardToken {
			o.path = "{tokenId}"
			operations = append(operations, o)
		}
	}
	e := resource(newVersions("1.2", "2.1", "3.1", "4.0", "5.1"), min(maxSessionBody, h.cfg.MaxBody), operations...)
	e.plain = true
	return e
}

// errNoToken is AM's answer to a session call without any token.
var errNoToken = fault{status: http.StatusBadRequest, message: "iPlanetDirectoryCookie not set on request"}

// errNotRefreshed is of a session that nobody but its holder keeps.
var errNotRefreshed = fault{status: http.StatusBadRequest, message: "A client-side session cannot be refreshed"}

// errOtherGone says that an administrator asked about a token, not its own,
// that opens nothing. Each call has its own answer to that.
var errOtherGone = errors.New("the named session is gone")

// readNamed reads a body that may name a token.
func (c *call) readNamed() (session.TokenID, error) {
	body, err := c.readBody()
	if err != nil {
		return "", err
	}
	token, err := wire.NamedToken(body)
	if err != nil {
		return "", err
	}
	return session.TokenID(token), nil
}

// means completes the token that a body names (empty for none): from the path,
// the tokenId parameter, or the caller's own.
func (c *call) means(named session.TokenID) (token session.TokenID, own bool, err error) {
	if named == "" && len(c.path) > 0 {
		named = session.TokenID(c.path[0])
	}
	if named == "" {
		named = session.TokenID(c.query.get("tokenId"))
	}
	carried, from := c.token()
	switch {
	case named == "" && from == nowhere:
		return "", false, errNoToken
	case named == "":
		return carried, true, nil
	}
	return named, from == nowhere || carried == named, nil
}

// subject finds the session that a call is about and checks that the caller
// may use it: its own, any for an administrator. A token that is presented
// without a valid session beside it is its own credential.
//
// The error is session.ErrNotFound when the caller's own session is gone,
// errOtherGone when it is another's.
func (c *call) subject(named session.TokenID) (session.Session, error) {
	token, own, err := c.means(named)
	if err != nil {
		return session.Session{}, err
	}
	found, err := c.session(token)
	if err != nil && !absent(err) {
		return session.Session{}, err
	}
	gone := err != nil
	operator, err := c.operator()
	if err != nil {
		return session.Session{}, err
	}
	if own && !operator {
		if gone {
			return session.Session{}, session.ErrNotFound
		}
		c.by = found.Principal.UniversalID
		return found, nil
	}
	c.by = byOperator
	admin := operator
	var caller session.Session
	if !operator {
		caller, err = c.caller()
		switch {
		case absent(err) && gone:
			return session.Session{}, session.ErrNotFound
		case absent(err):
			c.by = found.Principal.UniversalID
			return found, nil
		case err != nil:
			return session.Session{}, err
		}
		admin, c.by = caller.Admin, caller.Principal.UniversalID
	}
	switch {
	case admin && gone:
		return session.Session{}, errOtherGone
	case gone:
		return session.Session{}, errForbidden
	case admin, strings.EqualFold(caller.Principal.UniversalID, found.Principal.UniversalID):
		return found, nil
	}
	return session.Session{}, errForbidden
}

// validate is the call that everything behind the login makes for each of its
// own requests: one look-up and one answer, nothing else.
func validate(c *call) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	token, _, err := c.means(named)
	if err != nil {
		return err
	}
	found, err := c.session(token)
	switch {
	case absent(err):
		return c.answer(wire.AppendValidation(c.buf[:0], wire.Validation{}))
	case err != nil:
		return err
	}
	if c.query == "_action=validate" || c.query.get("refresh") != "false" {
		c.h.cfg.Sessions.Touch(found, c.now)
	}
	v := wire.Validation{Valid: true, UID: found.Principal.Username, Realm: string(found.Principal.Realm)}
	if c.api.major != 1 {
		v.SessionUID = found.Property(session.PropertyContextID)
	}
	return c.answer(wire.AppendValidation(c.buf[:0], v))
}

// answer writes a body that was built in the call's buffer.
func (c *call) answer(body []byte) error {
	c.buf = body
	c.crest(http.StatusOK, body)
	return nil
}

func (c *call) invalid() error { return c.answer(append(c.buf[:0], wire.Invalid...)) }

func sessionInfo(c *call) error { return c.sessionInfo(false) }

func sessionInfoAndTouch(c *call) error { return c.sessionInfo(true) }

func (c *call) sessionInfo(touch bool) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	found, err := c.subject(named)
	switch {
	case errors.Is(err, errOtherGone):
		return c.invalid()
	case err != nil:
		return err
	}
	if touch && !found.ClientSide { // nobody notes its accesses
		found = found.Touched(c.now)
		c.h.cfg.Sessions.Touch(found, c.now)
	}
	info, err := c.describe(found)
	if err != nil {
		return err
	}
	return c.answer(wire.AppendSessionInfo(c.buf[:0], info))
}

// describe shows a session as the version asked for does: with properties from
// 4.0 on, with its handle before.
func (c *call) describe(s session.Session) (wire.SessionInfo, error) {
	info := summary(s)
	if c.api.major < 4 {
		info.Handle = string(s.Handle())
		return info, nil
	}
	var err error
	info.Properties, err = c.listed(s)
	return info, err
}

// summary is what every version shows of a session.
func summary(s session.Session) wire.SessionInfo {
	return wire.SessionInfo{
		Username:                 s.Principal.Username,
		UniversalID:              s.Principal.UniversalID,
		Realm:                    string(s.Principal.Realm),
		LatestAccessTime:         s.LastAccess,
		MaxIdleExpirationTime:    s.IdleExpires(),
		MaxSessionExpirationTime: s.MaxExpires(),
	}
}

// listed are the properties of a session that clients may see, in the order of
// the realm's list.
func (c *call) listed(s session.Session) (wire.Properties, error) {
	names, err := c.readable(s)
	if err != nil {
		return nil, err
	}
	p := make(wire.Properties, len(names))
	for i, name := range names {
		p[i] = wire.Property{Name: name, Value: s.Property(name)}
	}
	return p, nil
}

// readable names the properties that clients may see: the list of the
// session's own realm, none when that realm is gone.
func (c *call) readable(s session.Session) ([]string, error) {
	if s.Principal.Realm == c.realm {
		return c.settings.SessionProperties, nil
	}
	settings, err := c.h.cfg.Realms.Realm(c.r.Context(), s.Principal.Realm)
	switch {
	case errors.Is(err, journey.ErrNoRealm):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return settings.SessionProperties, nil
}

func refresh(c *call) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	found, err := c.subject(named)
	switch {
	case errors.Is(err, errOtherGone), absent(err):
		return c.invalid()
	case err != nil:
		return err
	}
	if found.ClientSide {
		return errNotRefreshed
	}
	found = found.Touched(c.now)
	c.h.cfg.Sessions.Touch(found, c.now)
	return c.answer(wire.AppendRefreshed(c.buf[:0], wire.Refreshed{
		UID:            found.Principal.Username,
		Realm:          string(found.Principal.Realm),
		IdleTime:       seconds(c.now.Sub(found.LastAccess)),
		MaxIdleTime:    minutes(found.Policy.MaxIdle),
		MaxSessionTime: minutes(found.Policy.MaxSession),
		MaxTime:        left(found, c.now),
	}))
}

func seconds(d time.Duration) int64 { return int64(max(d, 0) / time.Second) }

// minutes rounds up, as AM counts whole ones. No limit is AM's largest.
func minutes(d time.Duration) int64 {
	if d == 0 {
		return noLimit
	}
	return int64((d + time.Minute - 1) / time.Minute)
}

// noLimit stands for a limit that does not exist: the largest of AM's integers.
const noLimit = 1<<31 - 1

// left is how many seconds a session can still live.
func left(s session.Session, now time.Time) int64 {
	end := s.MaxExpires()
	if end.IsZero() {
		return noLimit
	}
	return seconds(end.Sub(now))
}

// sameUser compares names as the stores do.
func sameUser(a, b string) bool { return identity.Key(a) == identity.Key(b) }
