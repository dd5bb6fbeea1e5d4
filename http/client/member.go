package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"sojourn/http/wire"
)

const membersPath = "/json/global-config/sojourn/members"

// Members lists the members of the cluster by name, as the member that is asked
// knows them.
func (c *Client) Members(ctx context.Context) ([]wire.ClusterMember, error) {
	results, err := c.list(ctx, membersPath)
	if err != nil {
		return nil, err
	}
	all := make([]wire.ClusterMember, len(results))
	for i, raw := range results {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			return nil, fmt.Errorf("client: a member in the list: %w", err)
		}
	}
	return all, nil
}

// RemoveMember takes a member out of the cluster for good. An *Error of status
// 404 says that none has this id, one of 409 why it must not be done.
func (c *Client) RemoveMember(ctx context.Context, id string) error {
	return c.memberAction(ctx, id, "remove")
}

// PromoteMember gives a member a vote; its errors are those of RemoveMember.
func (c *Client) PromoteMember(ctx context.Context, id string) error {
	return c.memberAction(ctx, id, "promote")
}

func (c *Client) memberAction(ctx context.Context, id, action string) error {
	_, err := c.call(ctx, request{
		method: http.MethodPost, path: membersPath + "/" + url.PathEscape(id), query: url.Values{"_action": {action}},
		version: "1.0", admin: true, body: []byte("{}"),
	}, nil)
	return err
}
