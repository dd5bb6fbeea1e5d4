package node

import (
	"errors"
	"strings"

	"sojourn/cts/session"
)

// registerLogoutWebhook has the session that a success makes name a webhook to
// call when it ends. Whether there is such a webhook is seen then, as with AM.
type registerLogoutWebhook struct{ name string }

func registerLogoutWebhookType() Type {
	return Type{
		Name:       "RegisterLogoutWebhookNode",
		Title:      "Register Logout Webhook",
		Pure:       true,
		Properties: []Property{{Name: "webhookName", Title: "Webhook Name", Kind: Text, Required: true}},
		New: func(c Config) (Node, error) {
			name := c.Text("webhookName")
			if strings.Contains(name, "|") {
				return nil, errors.New("webhookName: it cannot hold a vertical bar")
			}
			return registerLogoutWebhook{name}, nil
		},
	}
}

func (n registerLogoutWebhook) Process(c *Context) (Action, error) {
	c.Ending.SetProperty(session.PropertyWebhooks, session.AddWebhook(c.Ending.Properties[session.PropertyWebhooks], n.name))
	return Goto{Next}, nil
}
