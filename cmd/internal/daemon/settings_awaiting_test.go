package daemon

// awaiting are the settings whose mechanism is being built, with what is missing.
// A test of the effect that is there already waits with them.
var awaiting = map[string]string{
	"session notifications.propertyChangeNotifications":   "events of the store",
	"session notifications.notificationPropertyList":      "events of the store",
	"authentication trees.suspendedAuthenticationTimeout": "suspended journeys",
	"authentication general.externalLoginPageUrl":         "suspended journeys",
	"sojourn journeys.resumeElsewhere":                    "a node that suspends",
}
