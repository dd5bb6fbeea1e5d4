package rest

import (
	"encoding/json"
	"net/http"
	"strings"

	"sojourn/actors/realm"
	"sojourn/actors/tree"
	"sojourn/http/wire"
)

// scripts is /json/…/scripts, for administrators alone.
func (h *Handler) scripts() *endpoint {
	return resource(newVersions("1.1", "2.0"), 0,
		operation{method: "GET", guard: guardAdmin, run: queryScripts},
		operation{method: "POST", action: "create", guard: guardAdmin, run: createScript},
		operation{method: "GET", path: "{id}", guard: guardAdmin, run: readScript},
		operation{method: "PUT", path: "{id}", guard: guardAdmin, run: putScript},
		operation{method: "DELETE", path: "{id}", guard: guardAdmin, run: deleteScript},
	)
}

func showScript(d realm.Document) (json.RawMessage, error) {
	s, err := tree.DecodeScript(d.Body)
	if err != nil {
		return nil, err
	}
	s.ID = d.ID
	raw, err := tree.EncodeScript(s)
	if err != nil {
		return nil, err
	}
	return withMeta(raw, d.ID, d.Rev, nil)
}

func readScript(c *call) error {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindScript, c.realm, c.lastPart())
	if err != nil {
		return err
	}
	body, err := showScript(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

func queryScripts(c *call) error {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindScript, c.realm)
	if err != nil {
		return err
	}
	bodies := make([][]byte, len(documents))
	for i, d := range documents {
		if bodies[i], err = showScript(d); err != nil {
			return err
		}
	}
	return c.list(bodies)
}

// newScript reads a request's body as a script and makes the document that is
// stored for it. Two scripts of a realm have two names.
func (c *call) newScript(id string) (realm.Document, error) {
	body, err := c.readBody()
	if err != nil {
		return realm.Document{}, err
	}
	s, err := tree.DecodeScript(body)
	if err != nil {
		return realm.Document{}, definitionFault(err)
	}
	if id == "" {
		if id = s.ID; id == "" {
			id = newUUID()
		}
	}
	switch {
	case !tree.IsUUID(tree.NodeID(id)):
		return realm.Document{}, fault{status: http.StatusBadRequest, message: "The script's id must be a UUID"}
	case s.Text == "":
		return realm.Document{}, invalidAttribute("script", "")
	case s.Name == "":
		return realm.Document{}, invalidAttribute("name", "")
	}
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindScript, c.realm)
	if err != nil {
		return realm.Document{}, err
	}
	var earlier tree.Script
	for _, d := range documents {
		other, err := tree.DecodeScript(d.Body)
		switch {
		case err != nil:
		case d.ID == id:
			earlier = other
		case other.Name == s.Name:
			return realm.Document{}, fault{status: http.StatusConflict, message: "Script with name " + shorten(s.Name) + " already exist in the realm"}
		}
	}
	c.stamp(&s, earlier)
	s.ID = id
	raw, err := tree.EncodeScript(s)
	if err != nil {
		return realm.Document{}, err
	}
	stored, err := withoutMeta(raw, false)
	return realm.Document{Kind: realm.KindScript, Realm: c.realm, ID: id, Body: stored}, err
}

// stamp notes who wrote a script and when, in AM's names. What a client says
// about that is written over.
func (c *call) stamp(s *tree.Script, earlier tree.Script) {
	by := json.RawMessage(wire.AppendString(nil, c.by))
	at := json.RawMessage(wire.AppendValue(nil, float64(c.now.UnixMilli())))
	s.Attributes["createdBy"], s.Attributes["creationDate"] = by, at
	s.Attributes["lastModifiedBy"], s.Attributes["lastModifiedDate"] = by, at
	for _, name := range [...]string{"createdBy", "creationDate"} {
		if value, ok := earlier.Attributes[name]; ok {
			s.Attributes[name] = value
		}
	}
}

func putScript(c *call) error {
	d, err := c.newScript(c.lastPart())
	if err != nil {
		return err
	}
	d, made, err := c.put(d)
	if err != nil {
		return err
	}
	body, err := showScript(d)
	if err != nil {
		return err
	}
	return c.written(body, d.Rev, made, "")
}

func createScript(c *call) error {
	d, err := c.newScript("")
	if err != nil {
		return err
	}
	if d, err = c.create(d); err != nil {
		return err
	}
	body, err := showScript(d)
	if err != nil {
		return err
	}
	return c.written(body, d.Rev, true, d.ID)
}

// deleteScript answers with the id alone, as AM does. A script that nodes name
// stays.
func deleteScript(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	id := c.lastPart()
	nodes, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindNode, c.realm)
	if err != nil {
		return err
	}
	for _, d := range nodes {
		n, err := tree.DecodeNode(d.Body)
		if err != nil {
			continue
		}
		if namesScript(n, id) {
			return fault{status: http.StatusConflict, message: "The script is used by node " + d.ID}
		}
	}
	if _, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), realm.KindScript, c.realm, id, p); err != nil {
		return err
	}
	return c.answer(append(wire.AppendString(append(c.buf[:0], `{"_id":`...), id), '}'))
}

func namesScript(n tree.Config, id string) bool {
	var named string
	return json.Unmarshal(n.Attributes["script"], &named) == nil && strings.EqualFold(named, id)
}
