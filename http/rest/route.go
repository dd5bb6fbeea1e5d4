package rest

import (
	"errors"
	"net/url"
	"strings"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// route finds the realm and the endpoint that a path means (am-contract
// section 1.1) and fills the call with them:
//
//	/json/{endpoint}/…                                realm of ?realm=, else the top level
//	/json/realms/root/realms/alpha/{endpoint}/…       the realm /alpha; "root" may be left out
//	/json/alpha/{endpoint}/…                          the same, the old short form
//
// A ?realm= that is not empty overrides the realm of the path.
func (h *Handler) route(c *call) (*endpoint, error) {
	path, ok := strings.CutPrefix(c.r.URL.Path, h.prefix)
	if !ok {
		return nil, notFound(c.r.URL.Path)
	}
	// A path with escapes that matter (a slash in a name) is cut before it is
	// decoded.
	escaped := c.r.URL.RawPath != ""
	if escaped {
		if path, ok = strings.CutPrefix(c.r.URL.RawPath, h.prefix); !ok {
			return nil, notFound(c.r.URL.RawPath)
		}
	}
	where, name, tail := h.split(path)
	if escaped && where.realm != realm.Root {
		plain := unescapePath(string(where.realm))
		if strings.Count(plain, "/") != strings.Count(string(where.realm), "/") {
			return nil, invalidRealm(plain)
		}
		where.realm = realm.Name(plain)
	}
	e := h.endpoints[name]
	if e == nil {
		return nil, notFound(name)
	}
	var err error
	if c.path, err = parts(c.parts[:0], tail, escaped); err != nil {
		return nil, err
	}
	if c.query, err = parseQuery(c.r.URL.RawQuery); err != nil {
		return nil, err
	}
	return e, h.enter(c, where, e)
}

// place is the realm part of a path.
type place struct {
	realm realm.Name
	// long is set for the form with "realms"; a short form that names no realm
	// is as likely a mistyped endpoint.
	long bool
}

// split cuts path (without a leading slash) into realm, endpoint name and the
// rest. Without an endpoint, name is the part that should have been one.
func (h *Handler) split(path string) (where place, name, tail string) {
	where.realm = realm.Root
	rest := path
	for first := true; ; first = false {
		word, after, more := strings.Cut(rest, "/")
		if word != "realms" || !more {
			break
		}
		part, beyond, _ := strings.Cut(after, "/")
		if part == "" {
			return where, "", ""
		}
		if !first || part != "root" {
			where.realm = below(where.realm, rest[len("realms"):len("realms/")+len(part)])
		}
		where.long = true
		rest = beyond
	}
	if where.long {
		name, tail, _ = strings.Cut(rest, "/")
		return where, name, tail
	}
	// The short form: parts up to the first that is an endpoint.
	for at := 0; at < len(path); {
		name, tail, _ = strings.Cut(path[at:], "/")
		if name == "" {
			break
		}
		if h.endpoints[name] != nil {
			if at > 0 && path[:at-1] != "root" {
				where.realm = realm.Name("/" + path[:at-1])
			}
			return where, name, tail
		}
		at += len(name) + 1
	}
	name, _, _ = strings.Cut(path, "/")
	return where, name, ""
}

// below appends "/part" to a realm; directly below the root it costs nothing.
func below(parent realm.Name, part string) realm.Name {
	if parent == realm.Root {
		return realm.Name(part)
	}
	return parent + realm.Name(part)
}

// enter decides the realm and loads its settings.
func (h *Handler) enter(c *call, where place, e *endpoint) error {
	if e.anyRealm {
		c.realm = realm.Root
		return nil
	}
	c.realm = where.realm
	override := c.query.get("realm")
	if override != "" {
		name, err := realm.Parse(override)
		if err != nil {
			return invalidRealm(override)
		}
		c.realm = name
	}
	settings, err := h.cfg.Realms.Realm(c.r.Context(), c.realm)
	switch {
	case err == nil:
		c.settings = settings
		return nil
	case !errors.Is(err, journey.ErrNoRealm):
		return err
	case override != "":
		return invalidRealm(override)
	case where.long:
		return invalidRealm(string(c.realm))
	}
	return notFound(strings.TrimPrefix(string(c.realm), "/"))
}

func parts(into []string, tail string, escaped bool) ([]string, error) {
	for tail != "" {
		var part string
		part, tail, _ = strings.Cut(tail, "/")
		if part == "" || len(into) == cap(into) {
			return nil, notFound(shorten(part))
		}
		if escaped {
			part = unescapePath(part)
		}
		into = append(into, part)
	}
	return into, nil
}

// unescapePath decodes a part of a path that net/http has parsed before, so
// that its escapes are known to be well formed.
func unescapePath(part string) string {
	plain, err := url.PathUnescape(part)
	if err != nil {
		return part
	}
	return plain
}

func notFound(name string) error {
	return fault{status: 404, message: "Resource '" + shorten(name) + "' not found"}
}

func invalidRealm(text string) error {
	return fault{status: 400, message: "Invalid realm, " + shorten(text)}
}
