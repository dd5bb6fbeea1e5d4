package rest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Every route with its guard. A route that is not in this list fails the test:
// who may use it has to be decided here, where it is read.
const guards = `
anyone	* authenticate
anyone	GET health/live
anyone	GET health/ready
anyone	GET serverinfo/*
anyone	GET serverinfo/cookieDomains
caller	GET serverinfo/version
admin	GET global-config/authentication/authenticationtrees
admin	GET global-config/realms
admin	POST global-config/realms?create
admin	GET global-config/realms/{id}
admin	PUT global-config/realms/{id}
admin	DELETE global-config/realms/{id}
operator	GET global-config/sojourn/backup
operator	POST global-config/sojourn/backup
operator	GET global-config/sojourn/keys
operator	POST global-config/sojourn/keys?rotate
operator	GET global-config/sojourn/members
operator	POST global-config/sojourn/members/{id}?promote
operator	POST global-config/sojourn/members/{id}?remove
admin	GET realm-config/authentication
admin	PUT realm-config/authentication
admin	DELETE realm-config/authentication
admin	POST realm-config/services?nextdescendents
admin	GET realm-config/services/session
admin	PUT realm-config/services/session
admin	DELETE realm-config/services/session
admin	POST realm-config/services/session?nextdescendents
admin	GET realm-config/services/amSessionPropertyWhitelist
admin	PUT realm-config/services/amSessionPropertyWhitelist
admin	DELETE realm-config/services/amSessionPropertyWhitelist
admin	POST realm-config/services/amSessionPropertyWhitelist?nextdescendents
admin	GET realm-config/services/validation
admin	PUT realm-config/services/validation
admin	DELETE realm-config/services/validation
admin	POST realm-config/services/validation?nextdescendents
admin	GET realm-config/services/sojourn
admin	PUT realm-config/services/sojourn
admin	DELETE realm-config/services/sojourn
admin	POST realm-config/services/sojourn?nextdescendents
admin	GET realm-config/sojourn/settings
admin	GET global-config/authentication
admin	PUT global-config/authentication
admin	DELETE global-config/authentication
admin	POST global-config/services?nextdescendents
admin	GET global-config/services/session
admin	PUT global-config/services/session
admin	DELETE global-config/services/session
admin	POST global-config/services/session?nextdescendents
admin	GET global-config/services/amSessionPropertyWhitelist
admin	PUT global-config/services/amSessionPropertyWhitelist
admin	DELETE global-config/services/amSessionPropertyWhitelist
admin	POST global-config/services/amSessionPropertyWhitelist?nextdescendents
admin	GET global-config/services/validation
admin	PUT global-config/services/validation
admin	DELETE global-config/services/validation
admin	POST global-config/services/validation?nextdescendents
admin	GET global-config/services/sojourn
admin	PUT global-config/services/sojourn
admin	DELETE global-config/services/sojourn
admin	POST global-config/services/sojourn?nextdescendents
admin	GET global-config/services/platform
admin	PUT global-config/services/platform
admin	DELETE global-config/services/platform
admin	POST global-config/services/platform?nextdescendents
admin	GET global-config/services/rest
admin	PUT global-config/services/rest
admin	DELETE global-config/services/rest
admin	POST global-config/services/rest?nextdescendents
admin	GET global-config/servers/server-default/properties/session
admin	PUT global-config/servers/server-default/properties/session
admin	DELETE global-config/servers/server-default/properties/session
admin	GET global-config/servers/server-default/properties/security
admin	PUT global-config/servers/server-default/properties/security
admin	DELETE global-config/servers/server-default/properties/security
admin	GET global-config/servers/server-default/properties/advanced
admin	PUT global-config/servers/server-default/properties/advanced
admin	DELETE global-config/servers/server-default/properties/advanced
admin	GET realm-config/authentication/authenticationtrees/trees
admin	POST realm-config/authentication/authenticationtrees/trees?create
admin	GET realm-config/authentication/authenticationtrees/trees/{name}
admin	PUT realm-config/authentication/authenticationtrees/trees/{name}
admin	DELETE realm-config/authentication/authenticationtrees/trees/{name}
admin	POST realm-config/authentication/authenticationtrees/nodes?getAllTypes
admin	POST realm-config/authentication/authenticationtrees/nodes?nextdescendents
admin	GET realm-config/authentication/authenticationtrees/nodes/{type}
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?create
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?getType
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?listOutcomes
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?nextdescendents
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?schema
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?template
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}?versionInfo
admin	GET realm-config/authentication/authenticationtrees/nodes/{type}/{id}
admin	PUT realm-config/authentication/authenticationtrees/nodes/{type}/{id}
admin	DELETE realm-config/authentication/authenticationtrees/nodes/{type}/{id}
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}/{version}?getType
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}/{version}?listOutcomes
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}/{version}?nextdescendents
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}/{version}?schema
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}/{version}?template
admin	POST realm-config/authentication/authenticationtrees/nodes/{type}/{version}?versionInfo
admin	GET realm-config/authentication/authenticationtrees/nodes/{type}/{version}/{id}
admin	PUT realm-config/authentication/authenticationtrees/nodes/{type}/{version}/{id}
admin	DELETE realm-config/authentication/authenticationtrees/nodes/{type}/{version}/{id}
admin	GET realm-config/emailTemplates
admin	GET realm-config/emailTemplates/{name}
admin	PUT realm-config/emailTemplates/{name}
admin	DELETE realm-config/emailTemplates/{name}
admin	GET realm-config/webhooks
admin	GET realm-config/webhooks/{name}
admin	PUT realm-config/webhooks/{name}
admin	DELETE realm-config/webhooks/{name}
admin	GET scripts
admin	POST scripts?create
admin	GET scripts/{id}
admin	PUT scripts/{id}
admin	DELETE scripts/{id}
admin	GET sessions
caller	GET sessions/notifications
admin	POST sessions?logoutByHandle
caller	POST sessions?logoutByUser
token	POST sessions?deleteProperty
token	POST sessions?getIdle
token	POST sessions?getMaxIdle
token	POST sessions?getMaxSessionTime
token	POST sessions?getMaxTime
token	POST sessions?getProperty
token	POST sessions?getPropertyNames
token	POST sessions?getSessionInfo
token	POST sessions?getSessionInfoAndResetIdleTime
token	POST sessions?getSessionProperties
token	POST sessions?getTimeLeft
token	POST sessions?isActive
token	POST sessions?logout
token	POST sessions?refresh
token	POST sessions?setProperty
token	POST sessions?updateSessionProperties
token	POST sessions?validate
token	POST sessions/{tokenId}?deleteProperty
token	POST sessions/{tokenId}?getIdle
token	POST sessions/{tokenId}?getMaxIdle
token	POST sessions/{tokenId}?getMaxSessionTime
token	POST sessions/{tokenId}?getMaxTime
token	POST sessions/{tokenId}?getProperty
token	POST sessions/{tokenId}?getPropertyNames
token	POST sessions/{tokenId}?getSessionInfo
token	POST sessions/{tokenId}?getSessionInfoAndResetIdleTime
token	POST sessions/{tokenId}?getSessionProperties
token	POST sessions/{tokenId}?getTimeLeft
token	POST sessions/{tokenId}?isActive
token	POST sessions/{tokenId}?logout
token	POST sessions/{tokenId}?refresh
token	POST sessions/{tokenId}?setProperty
token	POST sessions/{tokenId}?updateSessionProperties
token	POST sessions/{tokenId}?validate
admin	GET users
admin	POST users?create
admin	POST users?import
caller	POST users?idFromSession
caller	POST users?validateGoto
admin	GET users/{id}
admin	PUT users/{id}
admin	DELETE users/{id}
`

func (g guard) String() string {
	return map[guard]string{
		guardOperator: "operator", guardAdmin: "admin", guardCaller: "caller", guardToken: "token", guardAnyone: "anyone",
	}[g]
}

func route(name string, o operation) string {
	path := strings.TrimSuffix(name+"/"+o.path, "/")
	if o.action != "" {
		path += "?" + o.action
	}
	return o.method + " " + path
}

func TestEveryRouteHasItsGuard(t *testing.T) {
	decided := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(guards), "\n") {
		who, what, _ := strings.Cut(line, "\t")
		decided[what] = who
	}
	served := map[string]bool{}
	for name, e := range newRig(t).h.endpoints {
		if e.operations == nil {
			served["* "+name] = true
			continue
		}
		for _, o := range e.operations {
			what := route(name, o)
			served[what] = true
			if decided[what] != o.guard.String() {
				t.Errorf("%s is open to %s; decided is %q", what, o.guard, decided[what])
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(decided)) {
		if !served[what] {
			t.Errorf("%s is not served", what)
		}
	}
	var zero operation
	if zero.guard != guardOperator {
		t.Error("an operation without a guard is open")
	}
}

// The guards do what they are called: each route is tried by a stranger, a
// user, an administrator and a wrong operator.
func TestGuardsHold(t *testing.T) {
	r := newRig(t)
	for name, e := range r.h.endpoints {
		for _, o := range e.operations {
			if o.guard == guardAnyone || o.guard == guardToken {
				continue
			}
			t.Run(route(name, o), func(t *testing.T) {
				r.t = t
				user, _ := r.login("/alpha", "user")
				admin, _ := r.login("/", "admin", asAdmin)
				a := asked{method: o.method, path: "/" + strings.TrimSuffix(name+"/"+strings.NewReplacer("{", "", "}", "").Replace(o.path), "/")}
				if o.action != "" {
					a.path += "?_action=" + o.action
				}
				status := func(edit func(*asked)) int {
					b := a
					edit(&b)
					return r.ask(b).Code
				}
				if got := status(func(*asked) {}); got != 401 && (o.stranger == nil || got != 403) {
					t.Errorf("a stranger: %d", got)
				}
				if got := status(func(a *asked) { a.cookie, a.header = admin, bearer("wrong") }); got != 401 {
					t.Errorf("a wrong bearer: %d", got)
				}
				if got := status(func(a *asked) { a.cookie = user }); o.guard != guardCaller && got != 403 {
					t.Errorf("a user: %d", got)
				}
				if got := status(func(a *asked) { a.cookie = admin }); (got == 403 || got == 401) != (o.guard == guardOperator) {
					t.Errorf("an administrator: %d", got)
				}
			})
		}
	}
}

// An empty operator token is not one that an empty bearer matches.
func TestNoOperatorToken(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Resources.OperatorToken = "" })
	for _, header := range []string{"Bearer ", "Bearer", "Bearer x"} {
		if w := r.ask(asked{method: "GET", path: "/users?_queryFilter=true", header: map[string]string{"Authorization": header}}); w.Code != 401 {
			t.Errorf("%q: %d", header, w.Code)
		}
	}
}
