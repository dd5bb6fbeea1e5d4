package rest

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// Limits on users.
const (
	maxUserLine   = 256 << 10 // bytes of one user in an import
	maxUserPage   = 500       // users in one page
	maxAttributes = 200
)

// usersEndpoint is /json/…/users (am-contract section 4.2): what a session says
// about its user, and users for administrators.
func (h *Handler) usersEndpoint() *endpoint {
	operations := []operation{
		{method: "POST", action: "idFromSession", guard: guardCaller, run: idFromSession},
		{method: "POST", action: "validateGoto", guard: guardCaller, run: validateGoto},
	}
	if h.cfg.Resources.Identities != nil {
		operations = append(operations,
			operation{method: "GET", guard: guardAdmin, run: queryUsers},
			operation{method: "POST", action: "create", guard: guardAdmin, run: createUser},
			operation{method: "POST", action: "import", guard: guardAdmin, run: importUsers},
			operation{method: "GET", path: "{id}", guard: guardAdmin, run: readUser},
			operation{method: "PUT", path: "{id}", guard: guardAdmin, run: putUser},
			operation{method: "DELETE", path: "{id}", guard: guardAdmin, run: deleteUser})
	}
	return resource(newVersions("1.2", "2.1", "3.0", "4.0"), h.cfg.MaxBody, operations...)
}

func idFromSession(c *call) error {
	s, err := c.caller()
	if err != nil {
		return err
	}
	user := wire.SessionUser{
		ID:           s.Principal.Username,
		Realm:        string(s.Principal.Realm),
		DN:           s.Principal.UniversalID,
		SuccessURL:   s.Property("successURL"),
		FullLoginURL: s.Property("FullLoginURL"),
	}
	if user.SuccessURL == "" {
		settings, err := c.h.cfg.Realms.Realm(c.context(), s.Principal.Realm)
		if err != nil {
			return err
		}
		user.SuccessURL = settings.SuccessURL
	}
	if user.FullLoginURL == "" {
		user.FullLoginURL = c.h.cfg.Path + "/XUI/?realm=" + url.QueryEscape(user.Realm)
	}
	return c.answerJSON(user)
}

// validateGoto answers where a goto parameter leads: to itself when the realm
// allows it, else to the default.
func validateGoto(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	target, err := wire.Member(body, "goto")
	if err != nil {
		return err
	}
	if target == "" || !c.h.cfg.GotoAllowed(target, c.settings) {
		target = cmp.Or(c.settings.SuccessURL, journey.DefaultURL)
	}
	return c.answer(append(wire.AppendString(append(c.buf[:0], `{"successURL":`...), target), '}'))
}

// showUser is a user as the API shows it: never its hash.
func (c *call) showUser(i identity.Identity) wire.User {
	u := wire.User{Name: i.Name, Realm: string(i.Realm), Attributes: i.Attributes, Status: string(i.Status), Admin: &i.Admin}
	if u.Status == "" {
		u.Status = string(identity.Active)
	}
	if c.now.Before(i.Failures.Until) {
		u.LockedUntil = i.Failures.Until.UTC().Format("2006-01-02T15:04:05Z")
	}
	u.Rev = wire.Rev(wire.AppendUser(nil, u))
	return u
}

func (c *call) answerUser(i identity.Identity, made bool, id string) error {
	u := c.showUser(i)
	return c.written(wire.AppendUser(nil, u), u.Rev, made, id)
}

func readUser(c *call) error {
	found, err := c.h.cfg.Resources.Identities.Identity(c.context(), c.realm, c.lastPart())
	if err != nil {
		return err
	}
	return c.answerUser(found, false, "")
}

// queryUsers lists users in order of their names, a page at a time.
func queryUsers(c *call) error {
	terms, err := c.filter()
	if err != nil {
		return err
	}
	size, after, err := c.page()
	if err != nil {
		return err
	}
	var found []identity.Identity
	cookie := ""
	for len(found) < size {
		some, err := c.h.cfg.Resources.Identities.Identities(c.context(), c.realm, after, size)
		if err != nil {
			return err
		}
		for _, i := range some {
			after = i.Name
			if fits(terms, func(field string) []string { return userField(i, field) }) {
				found = append(found, i)
			}
			if len(found) == size {
				cookie = base64.RawURLEncoding.EncodeToString([]byte(after))
				break
			}
		}
		if len(some) < size {
			break
		}
	}
	return c.answer(wire.AppendPage(c.buf[:0], len(found), cookie, func(b []byte, i int) []byte {
		return wire.AppendUser(b, c.showUser(found[i]))
	}))
}

func userField(i identity.Identity, field string) []string {
	switch field {
	case "_id", "username", "uid":
		return []string{i.Name}
	case "inetUserStatus":
		if i.Status == "" {
			return []string{string(identity.Active)}
		}
		return []string{string(i.Status)}
	}
	return i.Attributes[field]
}

// page reads _pageSize and _pagedResultsCookie.
func (c *call) page() (size int, after string, err error) {
	size = maxUserPage
	if text := c.query.get("_pageSize"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 {
			return 0, "", fault{status: http.StatusBadRequest, message: "The _pageSize is not a number of results"}
		}
		size = min(size, maxUserPage)
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.query.get("_pagedResultsCookie"))
	if err != nil {
		return 0, "", fault{status: http.StatusBadRequest, message: "The _pagedResultsCookie is not one of ours"}
	}
	return size, string(raw), nil
}

func (c *call) readUserBody() (wire.User, error) {
	body, err := c.readBody()
	if err != nil {
		return wire.User{}, err
	}
	var u wire.User
	if err := u.UnmarshalJSON(body); err != nil {
		return u, err
	}
	return u, c.checkUser(u)
}

// checkUser judges everything about a user but its name and password.
func (c *call) checkUser(u wire.User) error {
	switch {
	case u.Password != "" && u.Hash != "":
		return fault{status: http.StatusBadRequest, message: "Either userpassword or _hash, not both"}
	case u.Status != "" && u.Status != string(identity.Active) && u.Status != string(identity.Inactive):
		return invalidAttribute("inetUserStatus", "Active or Inactive")
	case u.Admin != nil && *u.Admin && c.realm != realm.Root:
		return invalidAttribute("_admin", "only users of the top level realm can be administrators")
	case len(u.Attributes) > maxAttributes:
		return fault{status: http.StatusBadRequest, message: "Too many attributes"}
	}
	return nil
}

// hashOf is what is stored for the password or hash that u brings, empty for
// neither.
func (c *call) hashOf(ctx context.Context, u wire.User) (identity.Hash, error) {
	if u.Hash != "" {
		return identity.Hash(u.Hash), identity.Check(identity.Hash(u.Hash))
	}
	if u.Password == "" {
		return "", nil
	}
	return c.h.cfg.Resources.Identities.Hash(ctx, identity.Secret(u.Password))
}

// newIdentity is the identity that u describes.
func (c *call) newIdentity(ctx context.Context, u wire.User) (identity.Identity, error) {
	if err := identity.CheckName(u.Name); err != nil {
		return identity.Identity{}, err
	}
	hash, err := c.hashOf(ctx, u)
	if err != nil {
		return identity.Identity{}, err
	}
	i := identity.Identity{Realm: c.realm, Name: u.Name, Attributes: u.Attributes, Hash: hash, Status: identity.Status(u.Status)}
	if i.Status == "" {
		i.Status = identity.Active
	}
	i.Admin = u.Admin != nil && *u.Admin
	return i, nil
}

func createUser(c *call) error {
	u, err := c.readUserBody()
	if err != nil {
		return err
	}
	i, err := c.newIdentity(c.context(), u)
	if err != nil {
		return err
	}
	created, err := c.h.cfg.Resources.Identities.PutIdentity(c.context(), i, true)
	switch {
	case err != nil:
		return err
	case !created:
		return fault{status: http.StatusConflict, message: "Identity " + u.Name + " already exists"}
	}
	return c.answerUser(i, true, u.Name)
}

// putUser creates a user that is not there, but for a request with If-Match; of
// one that is, it changes what the body names and nothing else.
func putUser(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	u, err := c.readUserBody()
	if err != nil {
		return err
	}
	users := c.h.cfg.Resources.Identities
	found, err := users.Identity(c.context(), c.realm, c.lastPart())
	switch {
	case errors.Is(err, identity.ErrNotFound) && p.IfMatch == "":
		u.Name = c.lastPart()
		i, err := c.newIdentity(c.context(), u)
		if err != nil {
			return err
		}
		created, err := users.PutIdentity(c.context(), i, true)
		if err != nil {
			return err
		}
		if !created {
			return realm.ErrConflict
		}
		return c.answerUser(i, true, "")
	case err != nil:
		return err
	case p.IfNoneMatch, p.IfMatch != "" && p.IfMatch != "*" && p.IfMatch != c.showUser(found).Rev:
		return realm.ErrConflict
	}
	changes, err := c.changesTo(c.context(), found, u)
	if err != nil {
		return err
	}
	for _, change := range changes {
		if found, err = users.UpdateIdentity(c.context(), c.realm, found.Name, change); err != nil {
			return err
		}
	}
	if identity.Status(u.Status) == identity.Inactive {
		if err := c.expel(c.context(), c.realm, found.Name); err != nil {
			return err
		}
	}
	return c.answerUser(found, false, "")
}

// changesTo are the edits that u asks for.
func (c *call) changesTo(ctx context.Context, found identity.Identity, u wire.User) ([]identity.Change, error) {
	if u.Admin != nil && *u.Admin != found.Admin {
		return nil, invalidAttribute("_admin", "it is decided when the user is created")
	}
	hash, err := c.hashOf(ctx, u)
	if err != nil {
		return nil, err
	}
	var changes []identity.Change
	if hash != "" {
		changes = append(changes, identity.SetPassword{Hash: hash})
	}
	if len(u.Attributes) > 0 {
		changes = append(changes, identity.SetAttributes{Attributes: u.Attributes})
	}
	if u.Status != "" {
		changes = append(changes, identity.SetStatus{Status: identity.Status(u.Status)})
	}
	return changes, nil
}

func deleteUser(c *call) error {
	found, err := c.h.cfg.Resources.Identities.Identity(c.context(), c.realm, c.lastPart())
	if err != nil {
		return err
	}
	if err := c.removeUser(c.realm, found.Name); err != nil {
		return err
	}
	answer, err := withMeta(json.RawMessage(`{"success":"true"}`), found.Name, c.showUser(found).Rev, nil)
	if err != nil {
		return err
	}
	return c.answer(append(c.buf[:0], answer...))
}

// removeUser deletes a user, then ends the sessions that it has.
func (c *call) removeUser(r realm.Name, name string) error {
	if err := c.h.cfg.Resources.Identities.DeleteIdentity(c.context(), r, name); err != nil {
		return err
	}
	return c.expel(c.context(), r, name)
}

// expel ends the sessions of a user who may not log in any more. An account that
// failed logins lock keeps them: else whoever guesses could log others out.
func (c *call) expel(ctx context.Context, r realm.Name, name string) error {
	if c.h.cfg.Resources.Sessions == nil {
		return nil
	}
	return c.h.cfg.Resources.Sessions.Expel(ctx, c.cause(session.Destroyed), r, name)
}
