package realm

import "time"

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
	// HidesTokenID makes the existing-session short-cut answer an empty
	// tokenId (trees.authenticationTreeCookieHttpOnly).
	HidesTokenID bool

	// MaxSession, MaxIdle and MaxCaching bound an authenticated session
	// (dynamic.maxSessionTime, maxIdleTime, maxCachingTime).
	MaxSession, MaxIdle, MaxCaching time.Duration
	// TouchInterval is how often at most a session's latest access is written
	// (general.latestAccessTimeUpdateFrequency).
	TouchInterval time.Duration
	// SessionProperties names the properties that a client may read and write
	// (sessionPropertyWhitelist).
	SessionProperties []string

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

	Lockout Lockout
}

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
		HidesTokenID:       true,
		MaxSession:         120 * time.Minute,
		MaxIdle:            30 * time.Minute,
		MaxCaching:         3 * time.Minute,
		TouchInterval:      time.Minute,
		SessionProperties:  []string{"AMCtxId"},
		ClearsSiteData:     true,
		SuccessURL:         "/am/console",
		ProfileRequired:    true,
		Lockout: Lockout{
			Failures:   5,
			Window:     5 * time.Minute,
			Multiplier: 1,
		},
	}
}
