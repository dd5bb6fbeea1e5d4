package realm

import (
	"slices"
	"time"
)

// Settings are the values that an operator may set per realm, with AM's
// meaning and AM's defaults (am-contract section 5.1). The JSON form is AM's
// and belongs to the admin API; here each value has its natural Go type.
type Settings struct {
	// Enabled is false for a realm that answers no login.
	Enabled bool
	// DefaultTree is run when a request names none (core.orgConfig).
	DefaultTree string

	// JourneyMaxDuration bounds a journey from its start to its end
	// (trees.authenticationSessionsMaxDuration).
	JourneyMaxDuration time.Duration
	// JourneyReplicas is how many members hold a journey in memory, one of
	// ReplicaCounts; zero leaves it to the process (journeys.replicas of the
	// document "sojourn": AM has no such setting).
	JourneyReplicas int
	// JourneyStore says where a journey waits between two requests
	// (trees.authenticationSessionsStateManagement). A journey stays where it
	// began when this changes.
	JourneyStore JourneyStore
	// Allowlists makes each step carry AM's allowlist claims
	// (trees.authenticationSessionsWhitelist), on top of the rule that every
	// step is answered once.
	Allowlists bool
	// SuspendDuration is how long a suspended journey can be resumed, unless its
	// node says so (trees.suspendedAuthenticationTimeout).
	SuspendDuration time.Duration
	// ResumesHere lets a suspended journey be resumed only by the browser in which
	// it was suspended (journeys.resumeElsewhere=false of the document "sojourn":
	// with AM the link is enough, which may be opened on another device).
	ResumesHere bool
	// LoginPage is the page that suspended journeys are resumed at, a URL;
	// empty for the server's own (general.externalLoginPageUrl).
	LoginPage string
	// HidesTokenID makes the existing-session short-cut answer an empty
	// tokenId (trees.authenticationTreeCookieHttpOnly).
	HidesTokenID bool

	// MaxSession, MaxIdle and MaxCaching bound an authenticated session
	// (dynamic.maxSessionTime, maxIdleTime, maxCachingTime).
	MaxSession, MaxIdle, MaxCaching time.Duration
	// TouchInterval is how often at most a session's latest access is written
	// (general.latestAccessTimeUpdateFrequency).
	TouchInterval time.Duration
	// ClientSideSessions makes the sessions of everybody but administrators ones
	// that their holders keep (general.statelessSessionsEnabled); ClientSide
	// says how. The latter is global in AM, and a realm's here.
	ClientSideSessions bool
	ClientSide         ClientSide
	// Quota bounds the live sessions of one user; its Limit is zero while
	// quotas are off (quotas.*, dynamic.quotaLimit).
	Quota Quota
	// KeepsUpgraded leaves the old session alive when an upgrade has made a new
	// one (openam.auth.destroy_session_after_upgrade=false).
	KeepsUpgraded bool
	// UpgradeReference keeps one XUSRef property through all upgrades of a
	// session (general.crossUpgradeReferenceFlag).
	UpgradeReference bool
	// SessionProperties names the properties that a client may read and write
	// (sessionPropertyWhitelist).
	SessionProperties []string
	// SessionMapping copies attributes of a user's profile into the properties of
	// a new session (postauthprocess.userAttributeSessionMapping).
	SessionMapping []Mapping
	// MaxSessionList is how many sessions one answer lists, SessionListTime how
	// long they may be looked for (search.maxSessionListSize,
	// sessionListRetrievalTimeout).
	MaxSessionList  int
	SessionListTime time.Duration
	// NotifiesProperties tells listeners that one of NotifiedProperties has
	// changed in a session (notifications.*); none named means any.
	NotifiesProperties bool
	NotifiedProperties []string

	// ClearsSiteData makes a logout tell the browser to forget what it keeps of
	// this site (security.addClearSiteDataHeader).
	ClearsSiteData bool

	// SuccessURL and FailureURL are the defaults after a journey
	// (postauthprocess.loginSuccessUrl, loginFailureUrl). An empty FailureURL
	// means that a failure carries none.
	SuccessURL, FailureURL string
	// GotoPatterns lists where a goto parameter may lead (the Validation
	// Service's validGotoDestinations). Empty: only relative URLs.
	GotoPatterns []string

	// ProfileRequired refuses a login whose user has no profile
	// (userprofile.dynamicProfileCreation "false"; "ignore" clears it).
	ProfileRequired bool
	// DefaultAuthLevel is the level a journey starts with
	// (general.defaultAuthLevel).
	DefaultAuthLevel int
	// Locale is the language of a journey whose client asks for none
	// (general.locale).
	Locale string
	// ZeroPage says from which pages a login may bring its credentials along.
	ZeroPage ZeroPage

	Lockout Lockout

	// Deployment is what all realms share.
	Deployment Deployment
}

// Mapping copies a profile attribute into a session property.
type Mapping struct{ Attribute, Property string }

// ZeroPage says who may send credentials with the first request of a journey
// (security.zeroPageLogin*). A request that comes from no page, as those of
// programs do, has no Referer.
type ZeroPage struct {
	// Enabled is told to login pages, which then take credentials from their own
	// address.
	Enabled bool
	// Referrers are the pages that credentials are taken from; empty: from all.
	Referrers []string
	// WithoutReferrer takes them from requests without a Referer.
	WithoutReferrer bool
}

// Allows reports whether credentials are taken from a request with this Referer,
// empty for none.
func (z ZeroPage) Allows(referrer string) bool {
	if referrer == "" {
		return z.WithoutReferrer
	}
	return len(z.Referrers) == 0 || slices.Contains(z.Referrers, referrer)
}

// JourneyStore is where journeys wait between two requests.
type JourneyStore byte

// The stores, AM's three.
const (
	InMemory JourneyStore = iota // in the memory of a set of members
	CTS                          // in the replicated token store
	JWT                          // with the client, inside authId
)

// String is AM's name for the store.
func (s JourneyStore) String() string {
	switch s {
	case CTS:
		return "CTS"
	case JWT:
		return "JWT"
	case InMemory:
	}
	return "In-Memory"
}

// ClientSide is how client-side sessions and journeys are signed, encrypted and
// ended (stateless.*).
type ClientSide struct {
	Signing     Signing
	Encryption  Encryption
	Compression bool
	// Denylists makes the logout of such a session final: without it its token
	// stays good until its end, as with AM
	// (openam-session-stateless-enable-session-blacklisting).
	Denylists bool
	// LogoutByUser lets all such sessions of a user be ended
	// (statelessLogoutByUser).
	LogoutByUser bool
}

// Signing is the algorithm that client-side tokens are signed with, by its JOSE
// name.
type Signing string

// Encryption is how the key of a client-side token's encryption is managed, by
// AM's name for it.
type Encryption string

// What AM offers (am-contract section 5.1).
const (
	SigningNone Signing = "NONE"
	HS256       Signing = "HS256"
	HS384       Signing = "HS384"
	HS512       Signing = "HS512"
	RS256       Signing = "RS256"
	ES256       Signing = "ES256"
	ES384       Signing = "ES384"
	ES512       Signing = "ES512"

	EncryptionNone Encryption = "NONE"
	Direct         Encryption = "DIRECT"
	AESKeyWrap     Encryption = "AES_KEYWRAP"
	RSAEncryption  Encryption = "RSA"
)

// ReplicaCounts are how many members may hold a journey. Even numbers outlive no
// more losses than the number below.
func ReplicaCounts() []int { return []int{1, 3, 5} }

// Lockout is AM's account lockout (accountlockout.*).
type Lockout struct {
	// Enabled turns counting on (loginFailureLockoutMode).
	Enabled bool
	// Failures within Window lock the account (loginFailureCount,
	// loginFailureDuration).
	Failures int
	Window   time.Duration
	// Duration of the lock; zero makes the account inactive until an
	// administrator activates it (lockoutDuration).
	Duration time.Duration
	// Multiplier is applied to Duration for each repeated lock
	// (lockoutDurationMultiplier). 1 keeps it.
	Multiplier int
	// WarnAfter failures a refused login says how many are left; zero never
	// warns (lockoutWarnUserCount).
	WarnAfter int
}

// DefaultSettings are AM's defaults.
func DefaultSettings() Settings {
	return Settings{
		Enabled:            true,
		DefaultTree:        "Login",
		JourneyMaxDuration: 5 * time.Minute,
		SuspendDuration:    5 * time.Minute,
		HidesTokenID:       true,
		ClientSide:         ClientSide{Signing: HS256, Encryption: Direct, Denylists: true},
		MaxSession:         120 * time.Minute,
		MaxIdle:            30 * time.Minute,
		MaxCaching:         3 * time.Minute,
		TouchInterval:      time.Minute,
		SessionProperties:  []string{"AMCtxId"},
		ClearsSiteData:     true,
		MaxSessionList:     120,
		SessionListTime:    5 * time.Second,
		SuccessURL:         "/am/console",
		ProfileRequired:    true,
		Locale:             "en_US",
		ZeroPage:           ZeroPage{WithoutReferrer: true},
		Lockout: Lockout{
			Failures:   5,
			Window:     5 * time.Minute,
			Multiplier: 1,
		},
		Deployment: DefaultDeployment(),
	}
}
