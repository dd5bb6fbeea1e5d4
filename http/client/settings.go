package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"sojourn/http/wire"
)

// Global stands for the settings of all realms, where a realm is asked for.
const Global = "*"

// settingsPath is where a settings document is: "authentication", a service such
// as "session", or the properties of server-default, such as "server-security".
func settingsPath(realm, id string) string {
	root := realmPath(realm) + "/realm-config/"
	if realm == Global {
		root = "/json/global-config/"
	}
	server, properties := strings.CutPrefix(id, "server-")
	switch {
	case properties:
		return root + "servers/server-default/properties/" + url.PathEscape(server)
	case id == "authentication":
		return root + id
	}
	return root + "services/" + url.PathEscape(id)
}

// Settings reads a settings document of a realm, or of all with Global, with every
// value as it is in force.
func (c *Client) Settings(ctx context.Context, realm, id string) (json.RawMessage, error) {
	return c.read(ctx, settingsPath(realm, id))
}

// PutSettings replaces a settings document.
func (c *Client) PutSettings(ctx context.Context, realm, id string, settings []byte) error {
	_, err := c.put(ctx, settingsPath(realm, id), settings)
	return err
}

// ResetSettings removes a settings document: what is weaker holds again. One that
// is not there is an Error with status 404.
func (c *Client) ResetSettings(ctx context.Context, realm, id string) error {
	return c.remove(ctx, settingsPath(realm, id))
}

// SettingsInForce lists the settings of a realm as they are now.
func (c *Client) SettingsInForce(ctx context.Context, realm string) ([]wire.SettingInForce, error) {
	results, err := c.list(ctx, realmPath(realm)+"/realm-config/sojourn/settings")
	if err != nil {
		return nil, err
	}
	all := make([]wire.SettingInForce, len(results))
	for i, raw := range results {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			return nil, plain(err)
		}
	}
	return all, nil
}
