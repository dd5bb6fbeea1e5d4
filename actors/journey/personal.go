package journey

import (
	"maps"
	"math"
	"strconv"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Names under which AM keeps a user's own limits: the Session service of an
// identity (am-contract section 5.1). What is no whole number from 1 counts as
// absent.
const (
	userMaxSession = "iplanet-am-session-max-session-time" // minutes
	userMaxIdle    = "iplanet-am-session-max-idle-time"    // minutes
	userQuota      = "iplanet-am-session-quota-limit"
)

func userMinutes(who identity.Identity, name string) time.Duration {
	return time.Duration(min(userNumber(who, name), math.MaxInt64/int64(time.Minute))) * time.Minute
}

func userNumber(who identity.Identity, name string) int64 {
	value := attribute(who, name)
	if value == "" { // most have none
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// properties are those of a new session: what the realm copies from the user's
// profile, and over that what nodes have set. Those that are the server's own
// are left alone.
func properties(who identity.Identity, mapping []realm.Mapping, set map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range mapping {
		if value := attribute(who, m.Attribute); value != "" && !session.Protected(m.Property) {
			all[m.Property] = value
		}
	}
	maps.Copy(all, set)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}
