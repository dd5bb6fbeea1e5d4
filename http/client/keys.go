package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"sojourn/http/wire"
)

const keysPath = "/json/global-config/sojourn/keys"

// Keys lists the keys that the cluster signs and encrypts with, by purpose.
func (c *Client) Keys(ctx context.Context) ([]wire.KeyRing, error) {
	results, err := c.list(ctx, keysPath)
	if err != nil {
		return nil, err
	}
	return keyRings(results)
}

// RotateKeys begins new generations and returns the rings of the purposes. An
// *Error of status 409 says why that must not be done.
func (c *Client) RotateKeys(ctx context.Context, in wire.KeyRotation) ([]wire.KeyRing, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	var page wire.Page
	_, err = c.call(ctx, request{
		method: http.MethodPost, path: keysPath, query: url.Values{"_action": {"rotate"}}, version: "1.0", admin: true, body: body,
	}, &page)
	if err != nil {
		return nil, err
	}
	return keyRings(page.Result)
}

func keyRings(results []json.RawMessage) ([]wire.KeyRing, error) {
	all := make([]wire.KeyRing, len(results))
	for i, raw := range results {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			return nil, fmt.Errorf("client: a ring of keys in the list: %w", err)
		}
	}
	return all, nil
}
