package rest

import (
	"encoding/json"
	"net/http"

	"sojourn/actors/realm"
	"sojourn/actors/tree"
	"sojourn/http/wire"
)

// trees is where AM keeps trees and their nodes.
const trees = "authentication/authenticationtrees/"

// realmConfig is /json/…/realm-config (am-contract section 7.6), for
// administrators alone.
func (h *Handler) realmConfig() *endpoint {
	operations := []operation{
		{method: "GET", path: trees + "trees", run: queryTrees},
		{method: "POST", path: trees + "trees", action: "create", run: createTree},
		{method: "GET", path: trees + "trees/{name}", run: readTree},
		{method: "PUT", path: trees + "trees/{name}", run: putTree},
		{method: "DELETE", path: trees + "trees/{name}", run: deleteTree},

		{method: "POST", path: trees + "nodes", action: "getAllTypes", run: allNodeTypes},
		{method: "POST", path: trees + "nodes", action: "nextdescendents", run: allNodes},
		{method: "GET", path: trees + "nodes/{type}", run: queryNodes},
		{method: "POST", path: trees + "nodes/{type}", action: "create", run: createNode},
		{method: "GET", path: trees + "nodes/{type}/{id}", run: readNode},
		{method: "PUT", path: trees + "nodes/{type}/{id}", run: putNode},
		{method: "DELETE", path: trees + "nodes/{type}/{id}", run: deleteNode},
		{method: "GET", path: trees + "nodes/{type}/{version}/{id}", run: readNode},
		{method: "PUT", path: trees + "nodes/{type}/{version}/{id}", run: putNode},
		{method: "DELETE", path: trees + "nodes/{type}/{version}/{id}", run: deleteNode},

		{method: "GET", path: "emailTemplates", run: queryEmailTemplates},
		{method: "GET", path: "emailTemplates/{name}", run: readEmailTemplate},
		{method: "PUT", path: "emailTemplates/{name}", run: putEmailTemplate},
		{method: "DELETE", path: "emailTemplates/{name}", run: deleteEmailTemplate},

		{method: "GET", path: "webhooks", run: queryWebhooks},
		{method: "GET", path: "webhooks/{name}", run: readWebhook},
		{method: "PUT", path: "webhooks/{name}", run: putWebhook},
		{method: "DELETE", path: "webhooks/{name}", run: deleteWebhook},
	}
	operations = append(operations, settingsOperations(false)...)
	for action, run := range map[string]func(*call) error{
		"schema": nodeSchema, "template": nodeTemplate, "getType": nodeType,
		"listOutcomes": nodeOutcomes, "versionInfo": nodeVersions, "nextdescendents": queryNodes,
	} {
		operations = append(operations,
			operation{method: "POST", path: trees + "nodes/{type}", action: action, run: run},
			operation{method: "POST", path: trees + "nodes/{type}/{version}", action: action, run: run})
	}
	for i := range operations {
		operations[i].guard = guardAdmin
	}
	return resource(newVersions("1.0", "2.0", "3.0"), 0, operations...)
}

// lastPart is the last part of the path: the name of what it is about.
func (c *call) lastPart() string { return c.path[len(c.path)-1] }

// showTree is a stored tree as AM shows it.
func showTree(d realm.Document) (json.RawMessage, error) {
	t, err := tree.DecodeTree(d.ID, d.Body)
	if err != nil {
		return nil, err
	}
	raw, err := t.Encode()
	if err != nil {
		return nil, err
	}
	return withMeta(raw, d.ID, d.Rev, nil)
}

func readTree(c *call) error {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindTree, c.realm, c.lastPart())
	if err != nil {
		return err
	}
	body, err := showTree(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

func queryTrees(c *call) error {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindTree, c.realm)
	if err != nil {
		return err
	}
	bodies := make([][]byte, len(documents))
	for i, d := range documents {
		if bodies[i], err = showTree(d); err != nil {
			return err
		}
	}
	return c.list(bodies)
}

// treeDocument reads a request's body as a tree and makes the document that is
// stored for it.
func (c *call) treeDocument(name string, body []byte) (realm.Document, error) {
	t, err := tree.DecodeTreeStrict(name, body)
	if err != nil {
		return realm.Document{}, definitionFault(err)
	}
	raw, err := t.Encode()
	if err != nil {
		return realm.Document{}, err
	}
	stored, err := withoutMeta(raw, false)
	return realm.Document{Kind: realm.KindTree, Realm: c.realm, ID: name, Body: stored}, err
}

func putTree(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	d, err := c.treeDocument(c.lastPart(), body)
	if err != nil {
		return err
	}
	d, made, err := c.put(d)
	if err != nil {
		return err
	}
	shown, err := showTree(d)
	if err != nil {
		return err
	}
	return c.written(shown, d.Rev, made, "")
}

func createTree(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	name, err := wire.Member(body, "_id")
	if err != nil {
		return err
	}
	if name == "" {
		return fault{status: http.StatusBadRequest, message: "The _id of the new tree is missing"}
	}
	d, err := c.treeDocument(name, body)
	if err != nil {
		return err
	}
	if d, err = c.create(d); err != nil {
		return err
	}
	shown, err := showTree(d)
	if err != nil {
		return err
	}
	return c.written(shown, d.Rev, true, name)
}

func deleteTree(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	d, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), realm.KindTree, c.realm, c.lastPart(), p)
	if err != nil {
		return err
	}
	body, err := showTree(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}
