package session

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Properties that are stored in every session, or in some, by the server.
const (
	PropertyContextID = "AMCtxId"  // AM's audit id of the session
	PropertyNodeType  = "NodeType" // what nodes of the journey added, "Name|Name|"
	PropertyReference = "XUSRef"   // the audit id that a session keeps through upgrades
	// PropertyWebhooks names the logout webhooks that are to hear of the end of
	// the session, "Name|Name|": see AddWebhook.
	PropertyWebhooks = "am.protected.webhooks"
)

// derived are the properties that follow from the session itself and are not
// stored beside it.
func derived() []string {
	return []string{
		"AuthLevel", "authInstant", "CharSet", "clientType", "Organization", "Principal", "Principals",
		"Service", "sun.am.UniversalIdentifier", "UserId", "UserProfile", "UserToken",
	}
}

// Protected reports whether neither a client nor a node may set the property:
// the server alone does (am-contract section 5.5).
func Protected(name string) bool {
	switch name {
	case PropertyContextID, PropertyNodeType, PropertyWebhooks, "amlbcookie", "AuthType", "FullLoginURL", "Host", "HostName", "IndexType",
		"Locale", "loginURL", "successURL", PropertyReference, "OidcSid":
		return true
	}
	return slices.Contains(derived(), name)
}

// AddWebhook adds a webhook's name to a value of PropertyWebhooks, unless it is
// there. A name with "|" cannot be written and is left out.
func AddWebhook(all, name string) string {
	if name == "" || strings.Contains(name, "|") || slices.Contains(strings.Split(all, "|"), name) {
		return all
	}
	return all + name + "|"
}

// Webhooks are the names of the logout webhooks of a session.
func (s Session) Webhooks() []string {
	return strings.FieldsFunc(s.Properties[PropertyWebhooks], func(c rune) bool { return c == '|' })
}

// Property returns a session property, stored or derived; empty when unset.
func (s Session) Property(name string) string {
	if value, ok := s.Properties[name]; ok {
		return value
	}
	switch name {
	case "AuthLevel":
		return strconv.Itoa(s.AuthLevel)
	case "authInstant":
		return s.Created.UTC().Format(time.RFC3339)
	case "CharSet":
		return "UTF-8"
	case "clientType":
		return "genericHTML"
	case "Organization":
		_, dn, _ := strings.Cut(s.Principal.UniversalID, ",ou=user,")
		return dn
	case "Principal", "sun.am.UniversalIdentifier":
		return s.Principal.UniversalID
	case "Principals", "UserId", "UserToken":
		return s.Principal.Username
	case "Service":
		return strings.Join(s.Trees, "|")
	case "UserProfile":
		return "Required"
	}
	return ""
}

// AllProperties returns every property, the derived ones included.
func (s Session) AllProperties() map[string]string {
	all := make(map[string]string, len(s.Properties)+16)
	for _, name := range derived() {
		if value := s.Property(name); value != "" {
			all[name] = value
		}
	}
	maps.Copy(all, s.Properties)
	return all
}
