package rest

import (
	"errors"
	"net/http"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// Limits of the authenticate endpoint.
const (
	// maxIndexValue bounds authIndexValue in bytes. It travels inside authId.
	maxIndexValue = 1 << 10
)

// suspendedGone is AM's answer to an id of a suspended journey that is unknown,
// used or expired: clients look for the class name.
const suspendedGone = "org.forgerock.openam.auth.nodes.framework.token.SuspendedAuthSessionException: " +
	"Token not found. It may have expired."

// authenticate starts a journey, or goes on with the one that the body's
// authId names (am-contract section 1).
func (h *Handler) authenticate(c *call) error {
	if len(c.path) > 0 {
		return h.backChannel(c)
	}
	if err := c.method(http.MethodPost); err != nil {
		return err
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	in, err := wire.DecodeContinuation(body)
	if err != nil {
		return fault{status: 400, message: err.Error()}
	}
	if !c.settings.Enabled {
		return journey.ErrNoRealm
	}
	if !in.Empty {
		return h.resume(c, in)
	}
	// Anybody can make up the id of a suspended journey, and what opens nothing costs
	// a fresh read of the store: it has no better claim to a place than a start.
	if !h.cfg.Begins(c.context()) {
		return errBusy
	}
	if id := c.query.get("suspendedId"); id != "" {
		return h.resumeSuspended(c, journey.SuspendedID(id))
	}
	return h.start(c)
}

func (h *Handler) start(c *call) error {
	wanted, err := c.index()
	if err != nil {
		return err
	}
	if wanted.realm != "" && wanted.realm != c.realm {
		if err := h.move(c, wanted.realm); err != nil {
			return err
		}
	}
	current, token, err := c.currentSession()
	if err != nil {
		return err
	}
	authorises, err := h.beginTransaction(c, &wanted, current)
	if err != nil {
		return err
	}
	username, password, err := zeroPage(c.r.Header)
	if err != nil {
		return err
	}
	if !c.settings.ZeroPage.Allows(c.r.Header.Get("Referer")) {
		username, password = nil, nil // the login page asks for them
	}
	reply, err := h.cfg.Journeys.Start(c.context(), journey.StartRequest{
		Realm:       c.realm,
		Tree:        wanted.tree,
		Wanted:      wanted.wanted,
		Transaction: authorises,
		IndexType:   wanted.kind,
		IndexValue:  wanted.value,
		Request:     c.nodeRequest(current),
		Session:     current,
		NoSession:   c.query.get("noSession") == "true",
		ForceAuth:   wanted.force || c.query.get("ForceAuth") == "true",
		Username:    username,
		Password:    password,
	})
	if err != nil {
		return err
	}
	return h.answer(c, reply, token)
}

// resumeSuspended goes on with a suspended journey. What else the link names, the
// journey knows.
func (h *Handler) resumeSuspended(c *call, id journey.SuspendedID) error {
	current, token, err := c.currentSession()
	if err != nil {
		return err
	}
	reply, err := h.cfg.Journeys.ResumeSuspended(c.context(), journey.ResumeSuspendedRequest{
		Realm: c.realm, ID: id, Request: c.nodeRequest(current), Session: current,
	})
	if err != nil {
		return err
	}
	return h.answer(c, reply, token)
}

// move takes the request into another realm, as an advice may demand.
func (h *Handler) move(c *call, to realm.Name) error {
	settings, err := h.cfg.Realms.Realm(c.r.Context(), to)
	if errors.Is(err, journey.ErrNoRealm) {
		return invalidRealm(string(to))
	}
	if err != nil {
		return err
	}
	if !settings.Enabled {
		return journey.ErrNoRealm
	}
	c.realm, c.settings = to, settings
	return nil
}

func (h *Handler) resume(c *call, in wire.Continuation) error {
	if in.AuthID == "" {
		return fault{status: 400, message: wire.ErrNotJWT.Error() + ", the body has no authId"}
	}
	id, err := c.verify(in.AuthID)
	if err != nil {
		return err
	}
	if in := realm.Name(id.Realm); in != c.realm {
		// AM signs with a key of each realm: another realm's authId is forged, unless
		// the advice that moved the start is still in the URL.
		wanted, err := c.index()
		if err != nil || wanted.realm != in {
			return wire.ErrSignature
		}
		if err := h.move(c, in); err != nil {
			return err
		}
	}
	ref, err := c.reference(id)
	if err != nil {
		return err
	}
	current, token, err := c.currentSession()
	if err != nil {
		return err
	}
	reply, err := h.cfg.Journeys.Resume(c.context(), journey.ResumeRequest{
		Ref:     ref,
		Answers: in.Answers,
		Request: c.nodeRequest(current),
		Session: current,
	})
	if err != nil {
		return err
	}
	return h.answer(c, reply, token)
}

// verify reads an authId. A member that is cut off from the others may not know
// of the key that signed it, and says so instead of calling it forged.
func (c *call) verify(text wire.SignedAuthID) (wire.AuthID, error) {
	signer := c.signer()
	id, err := signer.Verify(text, c.now)
	if !errors.Is(err, wire.ErrSignature) {
		return id, err
	}
	if err := c.h.cfg.Current(c.context()); err != nil {
		return wire.AuthID{}, err
	}
	if renewed := c.signer(); renewed != signer {
		return renewed.Verify(text, c.now)
	}
	return wire.AuthID{}, err
}

// currentSession returns the valid session that the request carries and its
// token, nil when it carries none: a dead cookie is no obstacle to a login. A
// session of another realm says nothing about this one and counts as none. An
// upgrade token, which old clients send as a parameter, must be valid.
func (c *call) currentSession() (*session.Session, session.TokenID, error) {
	token, _ := c.token()
	upgrade := session.TokenID(c.query.get("sessionUpgradeSSOTokenId"))
	if upgrade != "" {
		token = upgrade
	}
	if token == "" {
		return nil, "", nil
	}
	found, err := c.session(token)
	switch {
	case errors.Is(err, session.ErrNotFound) && upgrade != "":
		return nil, "", fault{status: 400, message: "The session to upgrade is not valid"}
	case errors.Is(err, session.ErrNotFound):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	case found.Principal.Realm != c.realm:
		return nil, "", nil
	}
	return &found, token, nil
}

// nodeRequest is what nodes may know of the request.
func (c *call) nodeRequest(current *session.Session) node.Request {
	r := node.Request{
		Locales:    c.locales(),
		Parameters: c.parameters(),
		Headers:    c.r.Header,
		ClientIP:   c.h.cfg.ClientIP(c.r),
	}
	if current != nil {
		r.Session = current.Properties
		if r.Session == nil {
			r.Session = map[string]string{}
		}
	}
	return r
}

// parameters are the query parameters that nodes see: those that the protocol
// does not use up, and goto and gotoOnFail if they may be followed. One that
// may not is dropped in silence, as AM does.
func (c *call) parameters() map[string][]string {
	all := c.query.all(usedUp)
	for _, name := range [...]string{"goto", "gotoOnFail"} {
		values, ok := all[name]
		if !ok {
			continue
		}
		if values[0] != "" && c.h.cfg.GotoAllowed(values[0], c.settings) {
			all[name] = values[:1]
		} else {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// usedUp says which parameters nodes never see.
func usedUp(name string) bool {
	switch name {
	case "authIndexType", "authIndexValue", "realm", "noSession", "ForceAuth",
		"locale", "suspendedId", "sessionUpgradeSSOTokenId":
		return true
	}
	return false
}

// refOf and authIDOf turn what actors call a journey's Ref into what travels,
// and back. Times travel as whole seconds.
func refOf(a wire.AuthID) journey.Ref {
	return journey.Ref{
		Journey:    a.Journey,
		Step:       a.Step,
		Realm:      realm.Name(a.Realm),
		IndexType:  a.IndexType,
		IndexValue: a.IndexValue,
		Started:    a.Issued,
		Expires:    a.Expires,
		Trace:      a.Trace,
		Store:      a.Store,
		Index:      a.Index,
		Allowlist:  a.Allowlist,
	}
}

func authIDOf(r journey.Ref) wire.AuthID {
	return wire.AuthID{
		Journey:    r.Journey,
		Step:       r.Step,
		Realm:      string(r.Realm),
		IndexType:  r.IndexType,
		IndexValue: r.IndexValue,
		Issued:     r.Started,
		Expires:    r.Expires,
		Trace:      r.Trace,
		Store:      r.Store,
		Index:      r.Index,
		Allowlist:  r.Allowlist,
	}
}
