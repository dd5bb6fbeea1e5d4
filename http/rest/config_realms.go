package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// globalConfig is /json/global-config: the list of realms, and what belongs to
// the whole cluster.
func (h *Handler) globalConfig() *endpoint {
	var operations []operation
	if h.cfg.Resources.Documents != nil {
		operations = append(operations,
			operation{method: "GET", path: "authentication/authenticationtrees", guard: guardAdmin, run: treeDefaults},
			operation{method: "GET", path: "realms", guard: guardAdmin, run: queryRealms},
			operation{method: "POST", path: "realms", action: "create", guard: guardAdmin, run: createRealm},
			operation{method: "GET", path: "realms/{id}", guard: guardAdmin, run: readRealm},
			operation{method: "PUT", path: "realms/{id}", guard: guardAdmin, run: putRealm},
			operation{method: "DELETE", path: "realms/{id}", guard: guardAdmin, run: deleteRealm})
		for _, o := range settingsOperations(true) {
			o.guard = guardAdmin
			operations = append(operations, o)
		}
	}
	if h.cfg.Resources.Backups != nil {
		operations = append(operations,
			operation{method: "GET", path: "sojourn/backup", guard: guardOperator, run: takeBackup},
			operation{method: "POST", path: "sojourn/backup", guard: guardOperator, run: restoreBackup})
	}
	if h.cfg.Resources.Members != nil {
		operations = append(operations, memberOperations()...)
	}
	if h.cfg.Resources.Keys != nil {
		operations = append(operations, keyOperations()...)
	}
	e := resource(newVersions("1.0", "2.0"), 0, operations...)
	e.anyRealm, e.shares = true, true
	return e
}

func treeDefaults(c *call) error {
	kind := amType{ID: "EMPTY", Name: "Authentication Trees Configuration"}
	body, err := withMeta(json.RawMessage("{}"), "", wire.Rev(nil), kind)
	if err != nil {
		return err
	}
	return c.document(body, wire.Rev(nil))
}

// realmBody is a realm as AM's API has it. ParentPath is nil for the top level.
type realmBody struct {
	ParentPath *string  `json:"parentPath"`
	Active     *bool    `json:"active"`
	Name       string   `json:"name"`
	Aliases    []string `json:"aliases"`
}

// realmID is AM's id of a realm: its path in base64.
func realmID(n realm.Name) string { return base64.RawURLEncoding.EncodeToString([]byte(n)) }

func (c *call) realmOfPath() (realm.Name, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(c.lastPart(), "="))
	if err != nil {
		return "", realm.ErrNoDocument
	}
	name, err := realm.Parse(string(raw))
	if err != nil || string(name) != string(raw) {
		return "", realm.ErrNoDocument
	}
	return name, nil
}

// rootDocument stands for the top level, which is stored nowhere.
func rootDocument() realm.Document {
	body := json.RawMessage(`{"active":true,"aliases":[],"name":"/","parentPath":null}`)
	return realm.Document{Kind: realm.KindRealm, Realm: realm.Root, ID: string(realm.Root), Body: body, Rev: wire.Rev(body)}
}

func showRealm(d realm.Document) (json.RawMessage, error) {
	return withMeta(d.Body, realmID(realm.Name(d.ID)), d.Rev, nil)
}

func (c *call) realmDocument() (realm.Document, error) {
	name, err := c.realmOfPath()
	switch {
	case err != nil:
		return realm.Document{}, err
	case name == realm.Root:
		return rootDocument(), nil
	}
	return c.h.cfg.Resources.Documents.Document(c.context(), realm.KindRealm, realm.Root, string(name))
}

func readRealm(c *call) error {
	d, err := c.realmDocument()
	if err != nil {
		return err
	}
	body, err := showRealm(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

func queryRealms(c *call) error {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindRealm, realm.Root)
	if err != nil {
		return err
	}
	var bodies [][]byte
	for _, d := range append([]realm.Document{rootDocument()}, documents...) {
		body, err := showRealm(d)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	return c.list(bodies)
}

// errInactive says what an inactive realm would promise.
var errInactive = fault{status: http.StatusBadRequest, message: "Realms cannot be made inactive: delete the realm, or disable its trees"}

// newRealm reads a request's body as a realm and makes the document that is
// stored for it.
func (c *call) newRealm() (realm.Document, error) {
	raw, err := c.readBody()
	if err != nil {
		return realm.Document{}, err
	}
	if err := wire.Members(raw, func(_, _ []byte) error { return nil }); err != nil {
		return realm.Document{}, err
	}
	body := realmBody{Aliases: []string{}}
	if err := json.Unmarshal(raw, &body); err != nil {
		return realm.Document{}, errNotJSON
	}
	if body.Active != nil && !*body.Active {
		return realm.Document{}, errInactive
	}
	parent := realm.Root
	if body.ParentPath != nil {
		if parent, err = realm.Parse(*body.ParentPath); err != nil {
			return realm.Document{}, invalidAttribute("parentPath", "")
		}
	}
	name, err := realm.Parse(strings.TrimSuffix(string(parent), "/") + "/" + body.Name)
	if err != nil || body.Name == "" || strings.Contains(body.Name, "/") || name == realm.Root || len(name.Parts()) != len(parent.Parts())+1 {
		return realm.Document{}, invalidAttribute("name", "")
	}
	active, path := true, string(parent)
	body.Active, body.ParentPath = &active, &path
	if body.Aliases == nil {
		body.Aliases = []string{}
	}
	stored, err := wire.Marshal(body)
	return realm.Document{Kind: realm.KindRealm, Realm: realm.Root, ID: string(name), Body: stored}, err
}

func createRealm(c *call) error {
	d, err := c.newRealm()
	if err != nil {
		return err
	}
	parts := realm.Name(d.ID).Parts()
	if len(parts) > 1 {
		parent := "/" + strings.Join(parts[:len(parts)-1], "/")
		_, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindRealm, realm.Root, parent)
		if errors.Is(err, realm.ErrNoDocument) {
			return invalidAttribute("parentPath", "")
		}
		if err != nil {
			return err
		}
	}
	if d, err = c.create(d); err != nil {
		return err
	}
	body, err := showRealm(d)
	if err != nil {
		return err
	}
	return c.written(body, d.Rev, true, realmID(realm.Name(d.ID)))
}

// putRealm changes the aliases of a realm that exists; a realm keeps its name.
func putRealm(c *call) error {
	old, err := c.realmDocument()
	if err != nil {
		return err
	}
	if old.ID == string(realm.Root) {
		return fault{status: http.StatusForbidden, message: "The top level realm cannot be changed"}
	}
	d, err := c.newRealm()
	if err != nil {
		return err
	}
	if d.ID != old.ID {
		return invalidAttribute("name", "a realm keeps its name")
	}
	d, _, err = c.put(d)
	if err != nil {
		return err
	}
	body, err := showRealm(d)
	if err != nil {
		return err
	}
	return c.written(body, d.Rev, false, "")
}

// deleteRealm removes a realm and all that is in it: a realm that is made again
// under its name must start empty. One with realms below it stays.
func deleteRealm(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	d, err := c.realmDocument()
	if err != nil {
		return err
	}
	if d.ID == string(realm.Root) {
		return fault{status: http.StatusForbidden, message: "The top level realm cannot be deleted"}
	}
	if p.IfMatch != "" && p.IfMatch != "*" && p.IfMatch != d.Rev {
		return realm.ErrConflict
	}
	all, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindRealm, realm.Root)
	if err != nil {
		return err
	}
	for _, other := range all {
		if strings.HasPrefix(other.ID, d.ID+"/") {
			return fault{status: http.StatusConflict, message: "The realm has realms below it"}
		}
	}
	if err := c.empty(realm.Name(d.ID)); err != nil {
		return err
	}
	if _, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), realm.KindRealm, realm.Root, d.ID, p); err != nil {
		return err
	}
	body, err := showRealm(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

// expelAll ends the sessions of users that are not kept here, such as a
// directory's.
func (c *call) expelAll(r realm.Name) error {
	sessions := c.h.cfg.Resources.Sessions
	if sessions == nil {
		return nil
	}
	var last session.ID
	for {
		some, err := sessions.Sessions(c.context(), r, last, maxUserPage)
		if err != nil {
			return err
		}
		for _, x := range some {
			if err := c.expel(c.context(), r, x.Principal.Username); err != nil {
				return err
			}
			last = x.ID
		}
		if len(some) < maxUserPage {
			return nil
		}
	}
}

// empty removes users, with their sessions, and documents of a realm.
func (c *call) empty(r realm.Name) error {
	if users := c.h.cfg.Resources.Identities; users != nil {
		for {
			some, err := users.Identities(c.context(), r, "", maxUserPage)
			if err != nil {
				return err
			}
			for _, u := range some {
				if err := c.removeUser(r, u.Name); err != nil && !errors.Is(err, identity.ErrNotFound) {
					return err
				}
			}
			if len(some) == 0 {
				break
			}
		}
	}
	if err := c.expelAll(r); err != nil {
		return err
	}
	for _, kind := range []realm.DocumentKind{realm.KindTree, realm.KindNode, realm.KindScript, realm.KindWebhook, realm.KindEmailTemplate, realm.KindSettings, realm.KindVersion} {
		documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), kind, r)
		if err != nil {
			return err
		}
		for _, d := range documents {
			_, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), kind, r, d.ID, realm.Precondition{})
			if err != nil && !errors.Is(err, realm.ErrNoDocument) {
				return err
			}
		}
	}
	return nil
}
