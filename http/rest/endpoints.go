package rest

// endpoint is one resource of the API, named by the first path part after the
// realm.
type endpoint struct {
	// versions of the resource that exist; none means that the endpoint
	// negotiates itself with call.negotiate.
	versions versions
	// body bounds the request's body in bytes; zero is Config.MaxAdminBody.
	body int
	// legacyErrors take AM's old shape when version 1 is asked for, and the
	// plain headers of the authenticate endpoint.
	legacyErrors bool
	// anyRealm endpoints are not below a realm and pass over ?realm=.
	anyRealm bool
	// shares is set for those of anyRealm that go by the settings that all realms
	// share.
	shares bool
	// plain answers go without the headers that only concern documents.
	plain bool
	// operations are what the endpoint offers, when it is a resource.
	operations []operation
	serve      func(c *call) error
}

// table is the one list of what the API serves.
func (h *Handler) table() map[string]*endpoint {
	t := map[string]*endpoint{
		"authenticate": {
			versions:     newVersions("1.2", "2.1"),
			body:         h.cfg.MaxBody,
			legacyErrors: true,
			serve:        h.authenticate,
		},
	}
	h.addResources(t)
	return t
}
