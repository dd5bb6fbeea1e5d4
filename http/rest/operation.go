package rest

import (
	"errors"
	"net/http"
	"strings"

	"sojourn/cts/session"
)

// guard says who may use an operation. The zero value lets in nobody but the
// operator, so that what is forgotten is closed.
type guard int

const (
	guardOperator guard = iota // the operator token
	guardAdmin                 // that, or the session of an administrator
	guardCaller                // that, or any valid session, in header or cookie
	guardToken                 // the session token that the request names is its own credential
	guardAnyone                // no credential
)

// operation is one thing that can be done with a resource.
type operation struct {
	method string
	// path below the endpoint's name; a part in braces matches any one part.
	path string
	// action is the _action parameter of a POST.
	action string
	guard  guard
	// stranger is what a request without a valid session is told; nil stands
	// for 401.
	stranger error
	// major, when not zero, is the only major version that has the operation.
	major uint16
	run   func(c *call) error

	parts []string
}

// resource makes an endpoint of operations.
func resource(v versions, body int, operations ...operation) *endpoint {
	for i := range operations {
		if path := operations[i].path; path != "" {
			operations[i].parts = strings.Split(path, "/")
		}
	}
	e := &endpoint{versions: v, body: body, operations: operations}
	e.serve = func(c *call) error { return perform(c, operations) }
	return e
}

// perform finds the operation that a request means, lets its guard judge who
// asks, and runs it.
func perform(c *call, operations []operation) error {
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var action string
	if method == http.MethodPost {
		action = c.query.get("_action")
	}
	known, posts := false, false
	for i := range operations {
		o := &operations[i]
		if !o.matches(c.path) {
			continue
		}
		known = true
		posts = posts || o.method == http.MethodPost
		if o.method != method || o.action != action || (o.major != 0 && o.major != c.api.major) {
			continue
		}
		if err := c.admit(o.guard); err != nil {
			if o.stranger != nil && absent(err) {
				return o.stranger
			}
			return err
		}
		return o.run(c)
	}
	switch {
	case !known:
		return notFound(strings.Join(c.path, "/"))
	case method == http.MethodPost && posts && action == "":
		return fault{status: http.StatusBadRequest, message: "The _action parameter is missing"}
	case method == http.MethodPost && posts:
		return fault{status: http.StatusNotImplemented, message: "Action " + shorten(action) + " not implemented for this resource"}
	}
	return c.method(allowed(operations, c.path))
}

func (o *operation) matches(path []string) bool {
	if len(path) != len(o.parts) {
		return false
	}
	for i, part := range o.parts {
		if part != path[i] && part[0] != '{' {
			return false
		}
	}
	return true
}

// allowed lists the verbs of a path.
func allowed(operations []operation, path []string) string {
	var verbs string
	for i := range operations {
		if o := &operations[i]; o.matches(path) && !strings.Contains(verbs, o.method) {
			verbs += ", " + o.method
		}
	}
	return strings.TrimPrefix(verbs, ", ")
}

// byOperator stands for the bearer of the operator's token where it is noted who
// did something.
const byOperator = "operator"

// admit judges who asks. An unknown or dead session is 401, a session without
// the right 403, and a store that cannot tell is neither.
func (c *call) admit(g guard) error {
	switch g {
	case guardAnyone, guardToken:
		return nil
	case guardOperator, guardAdmin, guardCaller:
	}
	operator, err := c.operator()
	switch {
	case err != nil:
		return err
	case operator:
		c.by = byOperator
		return nil
	}
	caller, err := c.caller()
	if err != nil {
		return err
	}
	if g == guardOperator || (g == guardAdmin && !caller.Admin) {
		return errForbidden
	}
	c.by = caller.Principal.UniversalID
	c.h.cfg.Sessions.Touch(caller, c.now)
	return nil
}

// operator reports whether the request carries the operator token. A bearer
// token that is another is refused, whatever else the request carries.
func (c *call) operator() (bool, error) {
	values := c.r.Header["Authorization"]
	if len(values) == 0 {
		return false, nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false, nil
	}
	if len(values) == 1 && c.h.cfg.Resources.OperatorToken.equal(token) {
		return true, nil
	}
	return false, errUnauthorised
}

// absent reports whether err says for certain that there is no such session.
func absent(err error) bool { return errors.Is(err, session.ErrNotFound) }
