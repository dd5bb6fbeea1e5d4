package rest

import (
	"errors"
	"net/http"
	"slices"

	"sojourn/cts/session"
	"sojourn/http/wire"
)

// maxPropertyValue bounds the value of a session property, in bytes.
const maxPropertyValue = 4 << 10

// sessionProperties answers with every property that the realm lists.
func sessionProperties(c *call) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	found, err := c.subjectOfProperties(named)
	if err != nil {
		return err
	}
	return c.answerProperties(found)
}

// subjectOfProperties is subject with the answer that calls on properties give
// about another's dead session.
func (c *call) subjectOfProperties(named session.TokenID) (session.Session, error) {
	found, err := c.subject(named)
	if errors.Is(err, errOtherGone) {
		return found, fault{status: http.StatusBadRequest}
	}
	return found, err
}

// updateSessionProperties changes the properties that the body names and
// answers with all that the realm lists.
func updateSessionProperties(c *call) error {
	found, err := c.changeProperties()
	if err != nil {
		return err
	}
	return c.answerProperties(found)
}

func (c *call) changeProperties() (session.Session, error) {
	body, err := c.readBody()
	if err != nil {
		return session.Session{}, err
	}
	named, properties, err := wire.SessionProperties(body)
	if err != nil {
		return session.Session{}, err
	}
	found, err := c.subjectOfProperties(session.TokenID(named))
	if err != nil {
		return session.Session{}, err
	}
	changes := make(map[string]string, len(properties))
	for _, p := range properties {
		if len(p.Value) > maxPropertyValue {
			return session.Session{}, fault{status: http.StatusBadRequest, message: "The value of " + shorten(p.Name) + " is too long"}
		}
		changes[p.Name] = p.Value
	}
	return c.applyProperties(found, changes)
}

func (c *call) answerProperties(s session.Session) error {
	all, err := c.listed(s)
	if err != nil {
		return err
	}
	return c.answer(wire.AppendProperties(c.buf[:0], all))
}

// applyProperties stores changes to the properties of a session: only those
// that the realm lists, none that the server sets itself.
func (c *call) applyProperties(found session.Session, changes map[string]string) (session.Session, error) {
	if len(changes) == 0 {
		return session.Session{}, fault{status: http.StatusBadRequest, message: "No session properties are given"}
	}
	names, err := c.readable(found)
	if err != nil {
		return session.Session{}, err
	}
	for name := range changes {
		if !slices.Contains(names, name) || session.Protected(name) {
			return session.Session{}, errForbidden
		}
	}
	return c.h.cfg.Resources.Sessions.SetProperties(c.context(), found, changes, c.by)
}

// What follows are the calls of version 1. All that tell a number tell -1 about
// a token that opens nothing.

func (c *call) number(key string, of func(session.Session) int64) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	n := int64(-1)
	found, err := c.subject(named)
	switch {
	case err == nil:
		n = of(found)
	case !absent(err) && !errors.Is(err, errOtherGone):
		return err
	}
	return c.answer(append(wire.AppendValue(append(c.buf[:0], `{"`+key+`":`...), float64(n)), '}'))
}

func idleSeconds(c *call) error {
	return c.number("idletime", func(s session.Session) int64 { return seconds(c.now.Sub(s.LastAccess)) })
}

func maxIdleMinutes(c *call) error {
	return c.number("maxidletime", func(s session.Session) int64 { return minutes(s.Policy.MaxIdle) })
}

func maxSessionMinutes(c *call) error {
	return c.number("maxsessiontime", func(s session.Session) int64 { return minutes(s.Policy.MaxSession) })
}

func secondsLeft(c *call) error {
	return c.number("maxtime", func(s session.Session) int64 { return left(s, c.now) })
}

// isActive reports whether a session lives; refresh=true also resets its idle
// time.
func isActive(c *call) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	found, err := c.subject(named)
	switch {
	case absent(err), errors.Is(err, errOtherGone):
		return c.answer(append(c.buf[:0], `{"active":false}`...))
	case err != nil:
		return err
	}
	if c.query.get("refresh") == "true" {
		c.h.cfg.Sessions.Touch(found, c.now)
	}
	return c.answer(append(c.buf[:0], `{"active":true}`...))
}

// properties answers with the named properties of those that the realm lists;
// with all of them when none is named.
func properties(c *call) error {
	found, names, err := c.namedProperties()
	if err != nil {
		return err
	}
	all, err := c.listed(found)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		all = slices.DeleteFunc(all, func(p wire.Property) bool { return !slices.Contains(names, p.Name) })
	}
	return c.answer(wire.AppendProperties(c.buf[:0], all))
}

func (c *call) namedProperties() (session.Session, []string, error) {
	body, err := c.readBody()
	if err != nil {
		return session.Session{}, nil, err
	}
	named, names, err := wire.PropertyNames(body)
	if err != nil {
		return session.Session{}, nil, err
	}
	found, err := c.subjectOfProperties(session.TokenID(named))
	return found, names, err
}

func setProperties(c *call) error {
	if _, err := c.changeProperties(); err != nil {
		return err
	}
	return c.success()
}

func (c *call) success() error { return c.answer(append(c.buf[:0], `{"success":true}`...)) }

func deleteProperties(c *call) error {
	found, names, err := c.namedProperties()
	if err != nil {
		return err
	}
	changes := make(map[string]string, len(names))
	for _, name := range names {
		changes[name] = ""
	}
	if _, err := c.applyProperties(found, changes); err != nil {
		return err
	}
	return c.success()
}

func propertyNames(c *call) error {
	named, err := c.readNamed()
	if err != nil {
		return err
	}
	found, err := c.subjectOfProperties(named)
	if err != nil {
		return err
	}
	names, err := c.readable(found)
	if err != nil {
		return err
	}
	b := append(c.buf[:0], `{"properties":`...)
	return c.answer(append(wire.AppendValue(b, names), '}'))
}
