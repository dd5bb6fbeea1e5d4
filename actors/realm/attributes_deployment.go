package realm

import "slices"

// platform are the attributes of AM's Platform service.
func platform(d *draft) []attribute {
	return append(ofProcess(
		texts("", "cookieDomains", &d.Deployment.Cookies.Domains, checkToken).
			does("cookies are set for each of these domains; empty: for the host alone"),
	), text("", "locale", &d.Deployment.Locale, "a locale such as `en_US`", checkLocale).
		does("the language that serverinfo names to login pages"))
}

// api are the attributes of AM's REST service.
func api(d *draft) []attribute {
	return []attribute{
		not(flag("", "csrfFilterEnabled", nil), &d.Deployment.NoCSRFFilter).
			does("a request that brings its session in the cookie must have X-Requested-With or Accept-API-Version"),
		choices(
			"", "defaultVersion", &d.Deployment.DefaultVersion,
			choice[DefaultVersion]{"Latest", Latest}, choice[DefaultVersion]{"Oldest", Oldest}, choice[DefaultVersion]{"None", None},
		).does("the resource version of a request that names none; None refuses it"),
		none("", "defaultProtocolVersion", "Latest", "versions of the protocol differ in nothing that is served here"),
		none("", "warningHeader", true, "no warning is sent"),
		none("", "descriptionsState", "STATIC", "no API descriptors are served"),
	}
}

// Groups of the properties of AM's servers.
const (
	groupCookie     = "amconfig.header.cookie"
	groupEncryption = "amconfig.header.encryption"
	groupCRL        = "amconfig.header.crlcache"
	groupThresholds = "amconfig.header.sessionthresholds"
	groupSession    = "amconfig.header.sessionvalidation"
)

// serverSecurity are the security properties of server-default.
func serverSecurity(d *draft) []attribute {
	cookies := &d.Deployment.Cookies
	return append(ofProcess(
		text(groupCookie, "com.iplanet.am.cookie.name", &cookies.Name, "a token of RFC 9110", checkToken).
			does("the name of the session cookie, and of the header that may stand for it"),
		flag(groupCookie, "com.iplanet.am.cookie.secure", &cookies.Secure).
			does("marks cookies Secure"),
	),
		none(groupCookie, "com.iplanet.am.cookie.encode", false, "tokens need no encoding"),
		hidden(groupEncryption, "am.encryption.pwd", "keys are those of the cluster secret"),
		hidden(groupCRL, "com.sun.identity.crl.cache.directory.password", "no certificates of users are checked"),
	)
}

// serverSession are the session properties of server-default.
func serverSession(*draft) []attribute {
	return []attribute{
		none(groupThresholds, "org.forgerock.openam.session.service.access.persistence.caching.maxsize", "5000",
			"how many sessions a member holds in memory is `limits.sessions` of its process: members may differ in memory"),
		none(groupThresholds, "com.iplanet.am.session.invalidsessionmaxtime", "3", "nothing is kept of a session that has ended"),
		none(groupSession, "com.sun.am.session.caseInsensitiveDN", true, "always so: names of users compare without case"),
	}
}

// serverAdvanced are the advanced properties of server-default that concern
// journeys, sessions and the API.
func serverAdvanced(d *draft) []attribute {
	cookies := &d.Deployment.Cookies
	return slices.Concat(ofProcess(
		text("", "com.iplanet.am.lbcookie.name", &cookies.LBName, "a token of RFC 9110", checkToken).
			does("the name of the load balancer cookie. Nothing here needs stickiness; clients expect the cookie"),
		text("", "com.iplanet.am.lbcookie.value", &cookies.LBValue, "a token of RFC 9110", checkToken).
			does("its value, for all members; left alone, each has the one of its process"),
		flag("", "com.sun.identity.cookie.httponly", &cookies.HTTPOnly).
			does("marks cookies HttpOnly"),
		choices(
			"", "com.sun.identity.cookie.samesite", &cookies.SameSite,
			choice[SameSite]{"off", SameSiteOff}, choice[SameSite]{"lax", SameSiteLax}, choice[SameSite]{"strict", SameSiteStrict}, choice[SameSite]{"none", SameSiteNone},
		).does("marks cookies SameSite; `none` needs Secure"),
		flag("", "org.forgerock.http.TrustTransactionHeader", &d.Deployment.TrustsTransactionID).
			does("takes the transaction id of a request from its header X-ForgeRock-TransactionId"),
	), []attribute{
		not(flag("", "openam.auth.destroy_session_after_upgrade", nil), &d.KeepsUpgraded).
			does("a session ends when an upgrade has made a new one"),
		digits(between("", "org.forgerock.openam.redirecturlvalidator.maxUrlLength", &d.Deployment.MaxGoto, 1, MaxURL), &d.Deployment.MaxGoto).
			does("a longer goto is passed over"),
		flag("", "org.forgerock.openam.xui.user.session.validation.enabled", &d.Deployment.ValidatesUsers).
			does("told to login pages by serverinfo"),
		flag("", "org.forgerock.openam.session.stateless.signing.allownone", &d.unsigned).
			does("lets statelessSigningType be NONE"),
		only("org.forgerock.openam.session.stateless.encryption.method", "A128CBC-HS256", "the one method that tokens are encrypted with"),
		only("org.forgerock.openam.session.stateless.rsa.padding", "RSA-OAEP-256", "the one padding of RSA that is used"),

		none("", "com.iplanet.am.cookie.c66Encode", true, "tokens need no encoding"),
		none("", "com.iplanet.am.session.agentSessionIdleTime", "1440", "there are no agents"),
		none("", "com.sun.identity.auth.cookieName", "AMAuthCookie", "a journey needs no cookie"),
		none("", "com.sun.identity.authentication.setCookieToAllDomains", true, "always so"),
		none("", "openam.session.case.sensitive.uuid", false, "names of users compare without case"),
		none("", "openam.auth.session_property_upgrader", "org.forgerock.openam.authentication.service.DefaultSessionPropertyUpgrader",
			"Java classes are not run; an upgrade keeps the properties of the old session"),
		none("", "org.forgerock.openam.session.service.persistence.deleteAsynchronously", true, "never so: a logout returns when no member calls the session valid"),
		none("", "org.forgerock.openam.request.max.bytes.entity.size", "1048576", "`limits.body` and `limits.adminBody` of the process"),
		none("", "org.forgerock.services.cts.store.reaper.enabled", true, "expired tokens are always removed"),
		none("", "com.sun.identity.session.repository.enableEncryption", false, "`encryption.enabled` of the process"),
		none("", "com.sun.identity.session.repository.enableCompression", false, "the store compresses by itself"),
		none("", "com.sun.identity.session.repository.enableAttributeCompression", false, "the store compresses by itself"),
		none("", "org.forgerock.openam.trees.ids.cache.size", "50", "trees are kept ready to run while they do not change"),
		hidden("", "org.forgerock.openam.httpclienthandler.system.proxy.password", "no proxy is used"),
	})
}

// only is an attribute with one value.
func only(name, value, about string) attribute {
	return choices("", name, &value, choice[string]{value, value}).does(about)
}
