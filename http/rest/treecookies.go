package rest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sojourn/actors/node"
	"sojourn/actors/realm"
)

// andOfTrees appends the Set-Cookie headers of what a journey wants its client to
// keep. None can stand for a cookie of the server's own, and what could not
// stand in a header is left out: the operator is told, the client is not.
func (c *call) andOfTrees(set []string, wanted []node.Cookie) []string {
	if len(wanted) == 0 {
		return set
	}
	k := c.cookies()
	set = slices.Clip(set)
	for _, w := range wanted {
		err := w.Check()
		if own := strings.EqualFold(w.Name, k.name) || strings.EqualFold(w.Name, k.of.LBName); err != nil || own {
			c.h.cfg.Log.Warn("a cookie of a tree is not set", "realm", c.realm, "cookie", w.Name, "reserved", own, "err", err)
			continue
		}
		domains := k.of.Domains
		if w.Domain != "" || len(domains) == 0 {
			domains = []string{w.Domain}
		}
		for _, domain := range domains {
			set = append(set, k.line(w, domain))
		}
	}
	return set
}

// line is the header of one cookie in one domain.
func (k *cookies) line(w node.Cookie, domain string) string {
	var b strings.Builder
	b.WriteString(w.Name + "=" + w.Value + "; Path=" + cmp.Or(w.Path, "/"))
	if domain != "" {
		b.WriteString("; Domain=" + domain)
	}
	switch {
	case w.MaxAge < 0:
		b.WriteString("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:10 GMT")
	case w.MaxAge > 0:
		b.WriteString("; Max-Age=" + strconv.FormatInt(int64(max(w.MaxAge, time.Second)/time.Second), 10))
	}
	if w.Secure {
		b.WriteString("; Secure")
	}
	if w.HTTPOnly {
		b.WriteString("; HttpOnly")
	}
	site := w.SameSite
	if site == "" && k.of.SameSite != realm.SameSiteOff {
		site = string(k.of.SameSite)
	}
	if site != "" && (site != "none" || w.Secure) {
		b.WriteString("; SameSite=" + site) // browsers take "none" of secure cookies alone
	}
	return b.String()
}
