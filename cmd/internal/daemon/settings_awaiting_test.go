package daemon

// awaiting are the settings whose mechanism is being built, with what is missing.
var awaiting = map[string]string{
	"authentication trees.authenticationSessionsStateManagement":             "journeys in the other two stores",
	"authentication trees.suspendedAuthenticationTimeout":                    "suspended journeys",
	"authentication trees.authenticationSessionsWhitelist":                   "allowlist claims",
	"authentication general.statelessSessionsEnabled":                        "client-side sessions",
	"authentication general.externalLoginPageUrl":                            "suspended journeys",
	"session dynamic.maxCachingTime":                                         "client-side sessions",
	"session general.crossUpgradeReferenceFlag":                              "session upgrade",
	"session notifications.propertyChangeNotifications":                      "session notifications",
	"session notifications.notificationPropertyList":                         "session notifications",
	"session stateless.statelessSigningType":                                 "client-side sessions",
	"session stateless.statelessEncryptionType":                              "client-side sessions",
	"session stateless.statelessCompressionType":                             "client-side sessions",
	"session stateless.openam-session-stateless-enable-session-blacklisting": "client-side sessions",
	"session stateless.statelessLogoutByUser":                                "client-side sessions",
}
