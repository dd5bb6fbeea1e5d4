package wire

// ServerInfo answers serverinfo/*. Clients read CookieName first.
type ServerInfo struct {
	ID                      string         `json:"_id"`
	Rev                     string         `json:"_rev,omitempty"`
	Domains                 []string       `json:"domains"`
	ProtectedUserAttributes []string       `json:"protectedUserAttributes"`
	CookieName              string         `json:"cookieName"`
	SecureCookie            bool           `json:"secureCookie"`
	ForgotPassword          string         `json:"forgotPassword"`
	ForgotUsername          string         `json:"forgotUsername"`
	KBAEnabled              string         `json:"kbaEnabled"`
	SelfRegistration        string         `json:"selfRegistration"`
	Lang                    string         `json:"lang"`
	RegistrationDestination string         `json:"successfulUserRegistrationDestination"`
	SocialImplementations   []string       `json:"socialImplementations"`
	ReferralsEnabled        string         `json:"referralsEnabled"`
	ZeroPageLogin           ZeroPagePolicy `json:"zeroPageLogin"`
	Realm                   string         `json:"realm"`
	SessionValidation       bool           `json:"xuiUserSessionValidationEnabled"`
	FileBased               bool           `json:"fileBasedConfiguration"`
	UserIDAttributes        []string       `json:"userIdAttributes"`
}

// ZeroPagePolicy says who may log in with headers alone.
type ZeroPagePolicy struct {
	Enabled               bool     `json:"enabled"`
	RefererWhitelist      []string `json:"refererWhitelist"`
	AllowedWithoutReferer bool     `json:"allowedWithoutReferer"`
}

// ServerVersion answers serverinfo/version. Clients look for the first three
// numbers with dots in Version.
type ServerVersion struct {
	ID          string `json:"_id"`
	Rev         string `json:"_rev,omitempty"`
	Version     string `json:"version"`
	FullVersion string `json:"fullVersion"`
	Revision    string `json:"revision"`
	Date        string `json:"date"`
}

// CookieDomains answers serverinfo/cookieDomains.
type CookieDomains struct {
	ID      string   `json:"_id"`
	Rev     string   `json:"_rev,omitempty"`
	Domains []string `json:"domains"`
}

// SessionUser answers users?_action=idFromSession.
type SessionUser struct {
	ID           string `json:"id"`
	Realm        string `json:"realm"`
	DN           string `json:"dn"`
	SuccessURL   string `json:"successURL"`
	FullLoginURL string `json:"fullLoginURL"`
}
