package rest

// endpoint is one resource of the API, named by the first path part after the
// realm.
type endpoint struct {
	// versions of the resource that exist; none means that the endpoint
	// negotiates itself with call.negotiate.
	versions versions
	// body bounds the request's body in bytes; zero is maxBody.
	body int
	// legacy errors take AM's old shape when version 1 is asked for.
	legacyErrors bool
	// anyRealm endpoints are not below a realm and pass over ?realm=.
	anyRealm bool
	serve    func(c *call) error
}

// table is the one list of what the API serves.
func (h *Handler) table() map[string]*endpoint {
	return map[string]*endpoint{}
}
