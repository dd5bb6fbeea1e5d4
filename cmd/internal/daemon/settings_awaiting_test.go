package daemon

// awaiting are the settings whose mechanism is being built, with what is missing.
// A test of the effect that is there already waits with them.
var awaiting = map[string]string{
	"authentication trees.suspendedAuthenticationTimeout": "a node that suspends",
	"authentication general.externalLoginPageUrl":         "a node that suspends",
	"sojourn journeys.resumeElsewhere":                    "a node that suspends",
}
