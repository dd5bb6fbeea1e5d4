package rest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"sojourn/actors/journey"
	"sojourn/actors/transaction"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// The back channel of transactions (am-contract section 1.8). With AM its caller
// has an OAuth 2.0 token of a certain scope; here, where there is no OAuth 2.0,
// it is an administrator or the operator.

// backChannel serves authenticate/backchannel/initialize and /info.
func (h *Handler) backChannel(c *call) error {
	var run func(*call, []byte) error
	switch name := c.path[len(c.path)-1]; {
	case len(c.path) != 2 || c.path[0] != "backchannel" || h.cfg.Transactions == nil:
		return notFound(c.path[0])
	case name == "initialize":
		run = initiate
	case name == "info":
		run = transactionInfo
	default:
		return notFound(name)
	}
	if err := c.method(http.MethodPost); err != nil {
		return err
	}
	if err := c.admit(guardAdmin); err != nil {
		return err
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	return run(c, body)
}

// subject is a user as the back channel names one.
type subject struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

func badTransaction(format string, args ...any) fault {
	return fault{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// initiate notes a transaction. Beside AM's members the body may have
// "session", the handle of the session that it has to be authorised in.
func initiate(c *call, body []byte) error {
	var in struct {
		Type       string          `json:"type"`
		Value      string          `json:"value"`
		Subject    *subject        `json:"subject"`
		Data       json.RawMessage `json:"data"`
		AllowRetry bool            `json:"allowRetry"`
		TrackingID string          `json:"trackingId"`
		Session    session.Handle  `json:"session"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return errNotJSON
	}
	q := transaction.Request{Tree: in.Value, Session: in.Session, Data: in.Data, Retry: in.AllowRetry, TrackingID: in.TrackingID}
	if in.Type != "service" {
		return badTransaction("type: only service is known")
	}
	if in.Subject != nil {
		if in.Subject.Name == "" || cmp.Or(in.Subject.Type, "user") != "user" {
			return badTransaction("subject: the type user and a name are needed")
		}
		q.Subject = in.Subject.Name
	}
	if err := q.Check(); err != nil {
		return badTransaction("%v", err)
	}
	id, err := c.h.cfg.Transactions.Initiate(c.context(), c.realm, q)
	if err != nil {
		return err
	}
	where, err := url.Parse(cmp.Or(c.settings.LoginPage, c.h.cfg.Path+"/XUI/"))
	if err != nil {
		return fmt.Errorf("the login page of realm %s: %w", c.realm, err)
	}
	asks := where.Query()
	asks.Set("realm", string(c.realm))
	asks.Set("authIndexType", "transaction")
	asks.Set("authIndexValue", id.String())
	where.RawQuery = asks.Encode()
	out := struct {
		Transaction string `json:"transaction"`
		RedirectURI string `json:"redirectUri"`
	}{id.String(), where.String()}
	return c.plainJSON(out)
}

// transactionInfo says how far a transaction is.
func transactionInfo(c *call, body []byte) error {
	text, err := wire.Member(body, "transaction")
	if err != nil {
		return err
	}
	id, err := transaction.ParseID(text)
	if err != nil {
		return err
	}
	found, err := c.h.cfg.Transactions.Transaction(c.context(), c.realm, id)
	if err != nil {
		return err
	}
	out := struct {
		State      transaction.State  `json:"state"`
		Result     transaction.Result `json:"result"`
		Tracking   []string           `json:"auditTrackingIds"`
		Type       string             `json:"type"`
		Value      string             `json:"value"`
		Subject    *subject           `json:"subject,omitempty"`
		Properties map[string]string  `json:"sessionProperties"`
	}{
		State: found.State, Result: found.Result, Tracking: []string{cmp.Or(found.Request.TrackingID, text)},
		Type: "service", Value: found.Request.Tree, Properties: found.Properties,
	}
	if found.Request.Subject != "" {
		out.Subject = &subject{"user", found.Request.Subject}
	}
	if out.Properties == nil {
		out.Properties = map[string]string{}
	}
	return c.plainJSON(out)
}

func (c *call) plainJSON(out any) error {
	body, err := wire.Marshal(out)
	if err != nil {
		return err
	}
	c.plain(http.StatusOK, body)
	return nil
}

// beginTransaction turns what is wanted into the journey that authorises the
// transaction of that id; nil when none is wanted.
func (h *Handler) beginTransaction(c *call, wanted *index, current *session.Session) (*journey.Transaction, error) {
	if wanted.transaction == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	if h.cfg.Transactions == nil {
		return nil, errIndexDenied
	}
	id, err := transaction.ParseID(wanted.transaction)
	if err != nil {
		return nil, err
	}
	tree, t, err := h.cfg.Transactions.Begin(c.context(), c.realm, id, current)
	if err != nil {
		return nil, err
	}
	wanted.tree, wanted.wanted = tree, nil
	return &t, nil
}

// transactionFault is the answer to an attempt to authorise what cannot be.
func transactionFault(err error) (fault, bool) {
	switch {
	case errors.Is(err, transaction.ErrUnknown):
		return badTransaction("%v", transaction.ErrUnknown), true
	case errors.Is(err, transaction.ErrSession):
		return fault{status: http.StatusUnauthorized, message: transaction.ErrSession.Error()}, true
	}
	return fault{}, false
}
