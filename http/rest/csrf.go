package rest

import "net/http"

// checkCSRF is AM's CSRF filter (am-contract section 1.3): a request that may
// change something and carries its session token in the cookie, which browsers
// send by themselves, must have a header that other sites' forms cannot send.
func (h *Handler) checkCSRF(c *call) error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if len(c.r.Header["X-Requested-With"]) > 0 || len(c.r.Header["Accept-Api-Version"]) > 0 {
		return nil
	}
	if len(c.r.Header["Cookie"]) == 0 || c.shared().NoCSRFFilter || cookie(c.r.Header, c.cookies().name) == "" {
		return nil
	}
	if _, from := c.token(); from == inHeader {
		return nil
	}
	return errForbidden
}
