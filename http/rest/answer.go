package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

var errEmptyReply = errors.New("a journey's reply has neither Ask nor Done")

// answer writes what a journey replied. presented is the token of the session
// that the request carried.
func (h *Handler) answer(c *call, reply journey.Reply, presented session.TokenID) error {
	switch {
	case reply.Ask != nil:
		return h.askAnswer(c, reply)
	case reply.Done == nil:
		return errEmptyReply
	case reply.Done.Success:
		h.success(c, reply, presented)
		return nil
	}
	return failure(reply.Done)
}

func (h *Handler) askAnswer(c *call, reply journey.Reply) error {
	signed, err := c.sign(reply.Ref)
	if err != nil {
		return fmt.Errorf("sign authId: %w", err)
	}
	c.buf = wire.AppendStep(c.buf[:0], wire.Step{
		AuthID:      signed,
		Callbacks:   reply.Ask.Callbacks,
		Stage:       reply.Ask.Stage,
		Header:      reply.Ask.Header,
		Description: reply.Ask.Description,
	})
	c.w.Header()["Set-Cookie"] = c.andOfTrees(c.cookies().lb, reply.Ask.Cookies)
	c.plain(http.StatusOK, c.buf)
	return nil
}

func (h *Handler) success(c *call, reply journey.Reply, presented session.TokenID) {
	done := reply.Done
	out := wire.Success{
		TokenID:    wire.TokenID(reply.Token),
		NoSession:  done.NoSession,
		SuccessURL: done.URL,
		Realm:      string(reply.Realm),
		Details:    details(done),
	}
	set := c.cookies().lb
	switch {
	case reply.Existing:
		// Nothing was run: the caller goes on with the token it has.
		out.TokenID = wire.TokenID(presented)
		if c.settings.HidesTokenID && c.shared().Cookies.HTTPOnly {
			out.TokenID = ""
		}
		h.cfg.Sessions.Touch(done.Session, c.now)
	case done.Transaction && presented != "":
		// The session stays as it is, and so does its token.
		out.TokenID, out.NoSession = wire.TokenID(presented), false
	case !done.NoSession:
		set = c.cookies().set(reply.Token)
	}
	c.w.Header()["Set-Cookie"] = c.andOfTrees(set, done.Cookies)
	c.buf = wire.AppendSuccess(c.buf[:0], out)
	c.plain(http.StatusOK, c.buf)
}

// details are the configured members of an answer, by name. A property that
// the session lacks is left out.
func details(done *journey.Done) []callback.Entry {
	if len(done.Details) == 0 && len(done.PropertyDetails) == 0 {
		return nil
	}
	all := make(map[string]string, len(done.Details)+len(done.PropertyDetails))
	maps.Copy(all, done.Details)
	for name, property := range done.PropertyDetails {
		if value, ok := done.Session.Properties[property]; ok {
			all[name] = value
		}
	}
	entries := make([]callback.Entry, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		entries = append(entries, callback.Entry{Name: name, Value: wire.JSONOrText(all[name])})
	}
	return entries
}

// loginFailure is what a client reads of most failed logins; the widget looks
// for exactly this text.
const loginFailure = "Login failure"

// failure is the answer to a journey that ended in Failure. A failed login sets
// no cookie and ends no session.
func failure(done *journey.Done) error {
	f := fault{status: http.StatusUnauthorized, message: done.Message}
	if f.message == "" {
		f.message = loginFailure
	}
	const url = "failureUrl"
	switch {
	case done.Lockout:
		f.detail = append(f.detail, callback.Entry{Name: url, Value: ""})
	case done.URL != "":
		f.detail = append(f.detail, callback.Entry{Name: url, Value: done.URL})
	}
	for _, d := range details(done) {
		if d.Name == url && len(f.detail) > 0 {
			continue
		}
		f.detail = append(f.detail, d)
	}
	return f
}
