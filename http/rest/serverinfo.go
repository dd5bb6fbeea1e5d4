package rest

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"sojourn/cts/session"
	"sojourn/http/wire"
)

// compatible is the AM version that clients are told. From 8.1.0 on they ask
// for nodes by version, with paths that AM 8.0 does not have.
const compatible = "8.0.1"

// serverInfo is /json/serverinfo/… (am-contract section 4.2).
func (h *Handler) serverInfo() *endpoint {
	return resource(newVersions("1.1"), 0,
		operation{method: "GET", path: "*", guard: guardAnyone, run: serverSettings},
		operation{method: "GET", path: "cookieDomains", guard: guardAnyone, run: cookieDomains},
		operation{method: "GET", path: "version", guard: guardCaller, stranger: errNoSession, run: serverVersion},
	)
}

func serverSettings(c *call) error {
	page := c.settings.ZeroPage
	info := wire.ServerInfo{
		ID:                      "*",
		Domains:                 c.cookieDomains(),
		ProtectedUserAttributes: []string{},
		CookieName:              c.cookies().name,
		SecureCookie:            c.shared().Cookies.Secure,
		ForgotPassword:          "false",
		ForgotUsername:          "false",
		KBAEnabled:              "false",
		SelfRegistration:        "false",
		Lang:                    strings.ReplaceAll(c.shared().Locale, "_", "-"),
		RegistrationDestination: "default",
		SocialImplementations:   []string{},
		ReferralsEnabled:        "false",
		ZeroPageLogin: wire.ZeroPagePolicy{
			Enabled: page.Enabled, RefererWhitelist: append([]string{}, page.Referrers...), AllowedWithoutReferer: page.WithoutReferrer,
		},
		Realm:             string(c.realm),
		SessionValidation: c.shared().ValidatesUsers,
		UserIDAttributes:  []string{},
	}
	return c.answerRevised(info, func(rev string) any { info.Rev = rev; return info })
}

// answerRevised answers with a value under a revision that is made of it.
func (c *call) answerRevised(plain any, with func(rev string) any) error {
	body, err := wire.Marshal(plain)
	if err != nil {
		return err
	}
	rev := wire.Rev(body)
	if body, err = wire.Marshal(with(rev)); err != nil {
		return err
	}
	c.etag(rev)
	return c.answer(append(c.buf[:0], body...))
}

func (c *call) etag(rev string) { c.w.Header()["Etag"] = []string{`"` + rev + `"`} }

// cookieDomains are those of the session cookie, none for a host-only one.
func (c *call) cookieDomains() []string {
	return append([]string{}, c.shared().Cookies.Domains...)
}

func cookieDomains(c *call) error {
	d := wire.CookieDomains{ID: "cookieDomains", Domains: c.cookieDomains()}
	return c.answerRevised(d, func(rev string) any { d.Rev = rev; return d })
}

// errNoSession is AM's answer to strangers who ask for the version.
var errNoSession = fault{status: http.StatusForbidden, message: "No session for request."}

func serverVersion(c *call) error {
	build := c.h.cfg.Resources.Build
	v := wire.ServerVersion{
		ID:          "version",
		Version:     compatible,
		FullVersion: build.full(),
		Revision:    build.Revision,
		Date:        build.Date,
	}
	return c.answerRevised(v, func(rev string) any { v.Rev = rev; return v })
}

// full names the program as AM's fullVersion names AM: with what is known.
func (b Build) full() string {
	full := "Sojourn " + b.Version + " (PingAM " + compatible + " compatible)"
	if b.Revision != "" {
		full += " Build " + b.Revision
	}
	if b.Date != "" {
		full += " (" + b.Date + ")"
	}
	return full
}

// health is /json/health/… (am-contract section 4.2): a status and no body,
// but a member that is not ready says why.
func (h *Handler) health() *endpoint {
	health := h.cfg.Resources.Health
	e := resource(newVersions("1.0"), 0,
		operation{method: "GET", path: "live", guard: guardAnyone, run: func(c *call) error {
			if health.Live() != nil {
				return c.bare(http.StatusServiceUnavailable)
			}
			return c.bare(http.StatusOK)
		}},
		operation{method: "GET", path: "ready", guard: guardAnyone, run: func(c *call) error {
			err := health.Ready()
			if err == nil {
				return c.bare(http.StatusOK)
			}
			// What an outage's reason says is for everybody. Why a store has
			// failed names its files: that is for the log.
			var unavailable *session.UnavailableError
			if health.Live() != nil || !errors.As(err, &unavailable) {
				return c.bare(http.StatusServiceUnavailable)
			}
			c.w.Header()["Cache-Control"] = cacheNoStore
			return fault{
				status:     http.StatusServiceUnavailable,
				message:    unavailable.Reason,
				retryAfter: max(unavailable.RetryAfter, retryAfter),
			}
		}},
	)
	e.anyRealm = true
	return e
}

// bare answers with a status alone.
func (c *call) bare(status int) error {
	header := c.w.Header()
	header["Content-Api-Version"] = c.api.header
	header["Cache-Control"] = cacheNoStore
	header["Content-Length"] = []string{"0"}
	c.w.WriteHeader(status)
	return nil
}

// IsAlive is AM's old health page, /isAlive.jsp below the context path.
func (h *Handler) IsAlive(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html;charset=UTF-8")
	header.Set("Cache-Control", "no-store")
	if health := h.cfg.Resources.Health; health != nil && health.Live() != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<h1>Server is DOWN</h1>\n")
		return
	}
	_, _ = io.WriteString(w, "<h1>Server is ALIVE: </h1>\n")
}
