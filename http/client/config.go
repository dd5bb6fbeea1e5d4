package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"sojourn/http/wire"
)

// Config documents travel as the JSON that AM has for them. Names are escaped
// here. Putting one replaces it; the result tells whether it was new.

const treesPath = "/realm-config/authentication/authenticationtrees/"

// list reads all results of a query.
func (c *Client) list(ctx context.Context, path string) ([]json.RawMessage, error) {
	var page wire.Page
	_, err := c.call(ctx, request{method: http.MethodGet, path: path, query: url.Values{"_queryFilter": {"true"}}, version: "1.0", admin: true}, &page)
	return page.Result, err
}

func (c *Client) read(ctx context.Context, path string) (json.RawMessage, error) {
	var raw json.RawMessage
	_, err := c.call(ctx, request{method: http.MethodGet, path: path, version: "1.0", admin: true}, &raw)
	return raw, err
}

func (c *Client) put(ctx context.Context, path string, body []byte) (made bool, err error) {
	status, err := c.call(ctx, request{method: http.MethodPut, path: path, version: "1.0", admin: true, body: body}, nil)
	return status == http.StatusCreated, err
}

func (c *Client) remove(ctx context.Context, path string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path, version: "1.0", admin: true}, nil)
	return err
}

func treePath(realm, name string) string {
	return realmPath(realm) + treesPath + "trees/" + url.PathEscape(name)
}

// Trees lists the trees of a realm.
func (c *Client) Trees(ctx context.Context, realm string) ([]json.RawMessage, error) {
	return c.list(ctx, realmPath(realm)+treesPath+"trees")
}

// Tree reads a tree.
func (c *Client) Tree(ctx context.Context, realm, name string) (json.RawMessage, error) {
	return c.read(ctx, treePath(realm, name))
}

// PutTree stores a tree.
func (c *Client) PutTree(ctx context.Context, realm, name string, tree []byte) (made bool, err error) {
	return c.put(ctx, treePath(realm, name), tree)
}

// DeleteTree removes a tree; its nodes stay.
func (c *Client) DeleteTree(ctx context.Context, realm, name string) error {
	return c.remove(ctx, treePath(realm, name))
}

func nodePath(realm, kind, id string) string {
	return realmPath(realm) + treesPath + "nodes/" + url.PathEscape(kind) + "/" + url.PathEscape(id)
}

// Nodes lists the nodes of a realm, of every type.
func (c *Client) Nodes(ctx context.Context, realm string) ([]json.RawMessage, error) {
	var page wire.Page
	_, err := c.call(ctx, request{
		method: http.MethodPost, path: realmPath(realm) + treesPath + "nodes", query: url.Values{"_action": {"nextdescendents"}},
		version: "1.0", admin: true, body: []byte("{}"),
	}, &page)
	return page.Result, err
}

// Node reads a node.
func (c *Client) Node(ctx context.Context, realm, kind, id string) (json.RawMessage, error) {
	return c.read(ctx, nodePath(realm, kind, id))
}

// PutNode stores a node.
func (c *Client) PutNode(ctx context.Context, realm, kind, id string, node []byte) (made bool, err error) {
	return c.put(ctx, nodePath(realm, kind, id), node)
}

// DeleteNode removes a node.
func (c *Client) DeleteNode(ctx context.Context, realm, kind, id string) error {
	return c.remove(ctx, nodePath(realm, kind, id))
}

func scriptPath(realm, id string) string {
	return realmPath(realm) + "/scripts/" + url.PathEscape(id)
}

// Scripts lists the scripts of a realm.
func (c *Client) Scripts(ctx context.Context, realm string) ([]json.RawMessage, error) {
	return c.list(ctx, realmPath(realm)+"/scripts")
}

// PutScript stores a script.
func (c *Client) PutScript(ctx context.Context, realm, id string, script []byte) (made bool, err error) {
	return c.put(ctx, scriptPath(realm, id), script)
}

// DeleteScript removes a script that no node names.
func (c *Client) DeleteScript(ctx context.Context, realm, id string) error {
	return c.remove(ctx, scriptPath(realm, id))
}

func templatePath(realm, name string) string {
	return realmPath(realm) + "/realm-config/emailTemplates/" + url.PathEscape(name)
}

// EmailTemplates lists the templates of a realm's mails.
func (c *Client) EmailTemplates(ctx context.Context, realm string) ([]json.RawMessage, error) {
	return c.list(ctx, realmPath(realm)+"/realm-config/emailTemplates")
}

// PutEmailTemplate stores a template.
func (c *Client) PutEmailTemplate(ctx context.Context, realm, name string, template []byte) (made bool, err error) {
	return c.put(ctx, templatePath(realm, name), template)
}

// PutWebhook stores a logout webhook.
func (c *Client) PutWebhook(ctx context.Context, realm, name string, webhook []byte) error {
	_, err := c.put(ctx, realmPath(realm)+"/realm-config/webhooks/"+url.PathEscape(name), webhook)
	return err
}

const realmsPath = "/json/global-config/realms"

// Realms lists the slash paths of all realms, the top level first.
func (c *Client) Realms(ctx context.Context) ([]string, error) {
	results, err := c.list(ctx, realmsPath)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(results))
	for i, raw := range results {
		var r struct {
			Parent string `json:"parentPath"`
			Name   string `json:"name"`
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("client: a realm in the list: %w", err)
		}
		switch r.Parent {
		case "":
			paths[i] = r.Name
		case "/":
			paths[i] = "/" + r.Name
		default:
			paths[i] = r.Parent + "/" + r.Name
		}
	}
	return paths, nil
}

// CreateRealm makes a realm below another; "/" is the top level.
func (c *Client) CreateRealm(ctx context.Context, parent, name string) error {
	body, err := wire.Marshal(map[string]any{"name": name, "parentPath": parent, "active": true, "aliases": []string{}})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{
		method: http.MethodPost, path: realmsPath, query: url.Values{"_action": {"create"}},
		version: "1.0", admin: true, body: body,
	}, nil)
	return err
}

// DeleteRealm removes a realm with all that is in it.
func (c *Client) DeleteRealm(ctx context.Context, realm string) error {
	return c.remove(ctx, realmsPath+"/"+base64.RawURLEncoding.EncodeToString([]byte(realm)))
}

const backupPath = "/json/global-config/sojourn/backup"

// Backup writes the whole token store to w. What was written before an error
// is no backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	q, err := c.build(ctx, request{method: http.MethodGet, path: backupPath, version: "1.0", admin: true})
	if err != nil {
		return err
	}
	resp, err := c.http.Do(q)
	if err != nil {
		return fmt.Errorf("client: backup: %w", plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("client: backup: %w", err)
		}
		return refusal(answer{resp.StatusCode, resp.Header, body})
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("client: backup: %w", err)
	}
	return nil
}

// Restore replaces the whole token store by a backup.
func (c *Client) Restore(ctx context.Context, from io.Reader) error {
	_, err := c.call(ctx, request{
		method: http.MethodPost, path: backupPath, version: "1.0", admin: true,
		stream: from, contentType: "application/octet-stream",
	}, nil)
	return err
}

// ServerInfo reads what a server tells everybody about a realm.
func (c *Client) ServerInfo(ctx context.Context, realm string) (wire.ServerInfo, error) {
	var info wire.ServerInfo
	_, err := c.call(ctx, request{method: http.MethodGet, path: realmPath(realm) + "/serverinfo/*", version: "1.1"}, &info)
	return info, err
}

// Version reads the server's version.
func (c *Client) Version(ctx context.Context) (wire.ServerVersion, error) {
	var v wire.ServerVersion
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/json/serverinfo/version", version: "1.0", admin: true}, &v)
	return v, err
}

// Live and Ready ask how the server is; an *Error of status 503 says not well.
func (c *Client) Live(ctx context.Context) error {
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/json/health/live", version: "1.0"}, nil)
	return err
}

// Ready is described at Live.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/json/health/ready", version: "1.0"}, nil)
	return err
}
