package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"sojourn/actors/realm"
	"sojourn/actors/tree"
	"sojourn/http/wire"
)

// nodeTypeOf is the type that the path names: the part after "nodes".
func (c *call) nodeTypeOf() string { return c.path[3] }

// showNode is a stored node as AM shows it, its outcomes included. Those of a
// page are those of its last child, which is looked up.
func (c *call) showNode(d realm.Document) (json.RawMessage, error) {
	n, err := tree.DecodeNode(d.Body)
	if err != nil {
		return nil, err
	}
	n.ID = tree.NodeID(d.ID)
	description, err := c.describeNode(n)
	if err != nil {
		return nil, err
	}
	raw, err := tree.EncodeNode(n, description.Title, description.Outcomes)
	if err != nil {
		return nil, err
	}
	return withMeta(raw, d.ID, d.Rev, nil)
}

func (c *call) describeNode(n tree.Config) (tree.Description, error) {
	set := tree.Set{Realm: c.realm, Nodes: map[tree.NodeID]tree.Config{}}
	if tree.Base(n.Type) == tree.PageType {
		if children, err := tree.Children(n); err == nil && len(children) > 0 {
			last := children[len(children)-1].ID
			child, err := c.storedNode(string(last))
			if err != nil && !errors.Is(err, realm.ErrNoDocument) {
				return tree.Description{}, err
			}
			if err == nil {
				set.Nodes[last] = child
			}
		}
	}
	description, _ := set.Describe(n, c.h.cfg.Resources.NodeTypes)
	return description, nil
}

func (c *call) storedNode(id string) (tree.Config, error) {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindNode, c.realm, id)
	if err != nil {
		return tree.Config{}, err
	}
	n, err := tree.DecodeNode(d.Body)
	n.ID = tree.NodeID(id)
	return n, err
}

// nodeDocument finds the node that the path names, of the type that it names.
func (c *call) nodeDocument() (realm.Document, error) {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindNode, c.realm, c.lastPart())
	if err == nil && typeOfNode(d) != tree.Base(c.nodeTypeOf()) {
		err = realm.ErrNoDocument
	}
	if errors.Is(err, realm.ErrNoDocument) {
		if _, known := c.h.cfg.Resources.NodeTypes.Type(c.nodeTypeOf()); !known {
			return d, c.noNodeType()
		}
	}
	return d, err
}

func (c *call) noNodeType() error { return notFound(strings.Join(c.path[3:], "/")) }

func typeOfNode(d realm.Document) string {
	n, err := tree.DecodeNode(d.Body)
	if err != nil {
		return ""
	}
	return tree.Base(n.Type)
}

func readNode(c *call) error {
	d, err := c.nodeDocument()
	if err != nil {
		return err
	}
	body, err := c.showNode(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

// queryNodes lists the nodes of a type, allNodes those of every type.
func queryNodes(c *call) error {
	if _, known := c.h.cfg.Resources.NodeTypes.Type(c.nodeTypeOf()); !known {
		return c.noNodeType()
	}
	return c.listNodes(tree.Base(c.nodeTypeOf()))
}

func allNodes(c *call) error { return c.listNodes("") }

func (c *call) listNodes(kind string) error {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindNode, c.realm)
	if err != nil {
		return err
	}
	var bodies [][]byte
	for _, d := range documents {
		if kind != "" && typeOfNode(d) != kind {
			continue
		}
		body, err := c.showNode(d)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	if c.r.Method == http.MethodPost {
		return c.results(bodies)
	}
	return c.list(bodies)
}

// results answers an action that lists: the list, without a page around it.
func (c *call) results(bodies [][]byte) error {
	b := append(c.buf[:0], `{"result":[`...)
	for i, body := range bodies {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, body...)
	}
	return c.answer(append(b, `]}`...))
}

// newNode reads a request's body as a node of the path's type and makes the
// document that is stored for it. Attributes that the type does not have are
// kept; what it has must be sound.
func (c *call) newNode(id string) (realm.Document, error) {
	body, err := c.readBody()
	if err != nil {
		return realm.Document{}, err
	}
	kind := c.nodeTypeOf()
	known, ok := c.h.cfg.Resources.NodeTypes.Type(kind)
	if !ok {
		return realm.Document{}, c.noNodeType()
	}
	n, err := tree.DecodeNode(body)
	if err != nil {
		return realm.Document{}, definitionFault(err)
	}
	switch {
	case id != "":
	case n.ID != "":
		id = string(n.ID)
	default:
		id = newUUID()
	}
	if !tree.IsUUID(tree.NodeID(id)) {
		return realm.Document{}, fault{status: http.StatusBadRequest, message: "The node's id must be a UUID"}
	}
	if len(c.path) == 6 {
		n.Version = c.path[4]
	}
	n.ID, n.Type = tree.NodeID(id), kind
	if d, _ := c.h.cfg.Resources.NodeTypes.Describe(n); len(d.Faults) > 0 {
		attribute, detail, _ := strings.Cut(d.Faults[0], ": ")
		return realm.Document{}, invalidAttribute(attribute, detail)
	}
	raw, err := tree.EncodeNode(n, known.Title, nil)
	if err != nil {
		return realm.Document{}, err
	}
	stored, err := withoutMeta(raw, true)
	return realm.Document{Kind: realm.KindNode, Realm: c.realm, ID: id, Body: stored}, err
}

func putNode(c *call) error {
	d, err := c.newNode(c.lastPart())
	if err != nil {
		return err
	}
	d, made, err := c.put(d)
	if err != nil {
		return err
	}
	shown, err := c.showNode(d)
	if err != nil {
		return err
	}
	return c.written(shown, d.Rev, made, "")
}

func createNode(c *call) error {
	d, err := c.newNode("")
	if err != nil {
		return err
	}
	if d, err = c.create(d); err != nil {
		return err
	}
	shown, err := c.showNode(d)
	if err != nil {
		return err
	}
	return c.written(shown, d.Rev, true, d.ID)
}

func deleteNode(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	if _, err := c.nodeDocument(); err != nil {
		return err
	}
	d, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), realm.KindNode, c.realm, c.lastPart(), p)
	if err != nil {
		return err
	}
	body, err := c.showNode(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

// nodeOutcomes tells the outcomes that a configuration would have.
func nodeOutcomes(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	n, err := tree.DecodeNode(body)
	if err != nil {
		return definitionFault(err)
	}
	if _, known := c.h.cfg.Resources.NodeTypes.Type(c.nodeTypeOf()); !known {
		return c.noNodeType()
	}
	n.Type = c.nodeTypeOf()
	description, err := c.describeNode(n)
	if err != nil {
		return err
	}
	raw, err := tree.EncodeNode(n, description.Title, description.Outcomes)
	if err != nil {
		return err
	}
	var shown struct {
		Outcomes json.RawMessage `json:"_outcomes"`
	}
	if err := json.Unmarshal(raw, &shown); err != nil {
		return err
	}
	return c.answer(append(c.buf[:0], shown.Outcomes...))
}

// nodeVersions tells the versions that a type has: one, so far.
func nodeVersions(c *call) error {
	if _, known := c.h.cfg.Resources.NodeTypes.Type(c.nodeTypeOf()); !known {
		return c.noNodeType()
	}
	return c.answer(append(c.buf[:0], `[{"version":"1.0","changelog":""}]`...))
}

// answerJSON answers with a value.
func (c *call) answerJSON(v any) error {
	body, err := wire.Marshal(v)
	if err != nil {
		return err
	}
	return c.answer(append(c.buf[:0], body...))
}
