package realm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sojourn/actors/internal/amjson"
)

// attribute is one value of a settings document: where it stands, and how it
// is read into Settings and shown.
type attribute struct {
	group, name string // group is empty for an attribute at the top
	read        func(json.RawMessage) error
	show        func() any
	// secret attributes are stored, but shown as null.
	secret bool
}

func (a attribute) path() string {
	if a.group == "" {
		return a.name
	}
	return a.group + "." + a.name
}

// authentication are the attributes of the document "authentication", bound to
// s (am-contract section 5.1).
func authentication(s *Settings) []attribute {
	return []attribute{
		count("trees", "authenticationSessionsMaxDuration", &s.JourneyMaxDuration, time.Minute, 1),
		flag("trees", "authenticationTreeCookieHttpOnly", &s.HidesTokenID),
		stored("trees", "authenticationSessionsStateManagement", "In-Memory"),
		stored("trees", "suspendedAuthenticationTimeout", 5),
		stored("trees", "authenticationSessionsWhitelist", false),

		flag("accountlockout", "loginFailureLockoutMode", &s.Lockout.Enabled),
		whole("accountlockout", "loginFailureCount", &s.Lockout.Failures, 1),
		count("accountlockout", "loginFailureDuration", &s.Lockout.Window, time.Second, 0),
		count("accountlockout", "lockoutDuration", &s.Lockout.Duration, time.Minute, 0),
		whole("accountlockout", "lockoutDurationMultiplier", &s.Lockout.Multiplier, 1),
		whole("accountlockout", "lockoutWarnUserCount", &s.Lockout.WarnAfter, 0),
		stored("accountlockout", "storeInvalidAttemptsInDataStore", true),

		whole("general", "defaultAuthLevel", &s.DefaultAuthLevel, 0),
		stored("general", "statelessSessionsEnabled", false),
		stored("general", "locale", "en_US"),
		stored("general", "identityType", []string{"agent", "user"}),
		stored("general", "twoFactorRequired", false),
		stored("general", "userStatusCallbackPlugins", []string{}),

		treeName("core", "orgConfig", &s.DefaultTree),
		stored("core", "adminAuthModule", "Login"),

		flag("security", "addClearSiteDataHeader", &s.ClearsSiteData),
		secret("security", "sharedSecret"),
		stored("security", "zeroPageLoginEnabled", false),
		stored("security", "zeroPageLoginReferrerWhiteList", []string{}),
		stored("security", "zeroPageLoginAllowedWithoutReferrer", true),
		stored("security", "moduleBasedAuthEnabled", false),
		stored("security", "keyAlias", "test"),

		oneURL("postauthprocess", "loginSuccessUrl", &s.SuccessURL, s.SuccessURL),
		oneURL("postauthprocess", "loginFailureUrl", &s.FailureURL, ""),
		stored("postauthprocess", "userAttributeSessionMapping", []string{}),
		stored("postauthprocess", "loginPostProcessClass", []string{}),
		stored("postauthprocess", "usernameGeneratorEnabled", true),

		profile("userprofile", "dynamicProfileCreation", &s.ProfileRequired),
		stored("userprofile", "defaultRole", []string{}),
		stored("userprofile", "aliasAttributeName", []string{"uid"}),
	}
}

// session are the attributes of the document "session": AM's Session service
// and Session Property Whitelist service in one.
func session(s *Settings) []attribute {
	return []attribute{
		count("dynamic", "maxSessionTime", &s.MaxSession, time.Minute, 1),
		count("dynamic", "maxIdleTime", &s.MaxIdle, time.Minute, 1),
		count("dynamic", "maxCachingTime", &s.MaxCaching, time.Minute, 0),
		stored("dynamic", "quotaLimit", 5),
		count("general", "latestAccessTimeUpdateFrequency", &s.TouchInterval, time.Second, 0),
		stored("general", "dnRestrictionOnly", false),
		stored("general", "timeoutHandlers", []string{}),
		stored("general", "crossUpgradeReferenceFlag", false),
		texts("", "sessionPropertyWhitelist", &s.SessionProperties, nil),
		stored("", "whitelistedQueryProperties", []string{}),
	}
}

// validation are the attributes of the document "validation": AM's Validation
// service.
func validation(s *Settings) []attribute {
	return []attribute{texts("", "validGotoDestinations", &s.GotoPatterns, CheckGotoPattern)}
}

// own are the attributes of the document "sojourn".
func own(s *Settings) []attribute {
	return []attribute{replicas("journeys", "replicas", &s.JourneyReplicas)}
}

// stored is an attribute that is kept and shown, and means nothing here.
func stored(group, name string, preset any) attribute {
	return attribute{
		group: group, name: name,
		read: func(json.RawMessage) error { return nil },
		show: func() any { return preset },
	}
}

// secret is stored, but never shown.
func secret(group, name string) attribute {
	a := stored(group, name, nil)
	a.secret = true
	return a
}

func flag(group, name string, to *bool) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) (err error) { return set(to, raw, amjson.Flag) },
		show: func() any { return *to },
	}
}

func whole(group, name string, to *int, low int64) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			n, err := amjson.Whole(raw, low, math.MaxInt32)
			if err == nil {
				*to = int(n)
			}
			return err
		},
		show: func() any { return *to },
	}
}

// count is a duration as a number of units.
func count(group, name string, to *time.Duration, unit time.Duration, low int64) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			n, err := amjson.Whole(raw, low, amjson.MaxCount)
			if err == nil {
				*to = amjson.Duration(n, unit)
			}
			return err
		},
		show: func() any { return amjson.Count(*to, unit) },
	}
}

func texts(group, name string, to *[]string, check func(string) error) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			list, err := amjson.Texts(raw)
			for _, text := range list {
				if err == nil && check != nil {
					err = check(text)
				}
			}
			if err == nil {
				*to = list
			}
			return err
		},
		show: func() any { return append([]string{}, *to...) },
	}
}

func treeName(group, name string, to *string) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			text, err := amjson.Text(raw)
			if err == nil && text == "" {
				err = errors.New("a tree's name is needed")
			}
			if err == nil {
				*to = text
			}
			return err
		},
		show: func() any { return *to },
	}
}

// oneURL is a list of URLs of which the first counts, as for AM; an empty list
// means the URL given.
func oneURL(group, name string, to *string, empty string) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			list, err := amjson.Texts(raw)
			if err != nil {
				return err
			}
			for _, text := range list {
				if len(text) > MaxURL || !clean(text) {
					return fmt.Errorf("%.200q is not a URL of at most %d bytes", text, MaxURL)
				}
			}
			list = slices.DeleteFunc(list, func(text string) bool { return text == "" })
			if *to = empty; len(list) > 0 {
				*to = list[0]
			}
			return nil
		},
		show: func() any {
			if *to == "" {
				return []string{}
			}
			return []string{*to}
		},
	}
}

// profile is AM's user profile mode: "false" (the profile must be there),
// "ignore", and two modes that create profiles, where none is refused either.
func profile(group, name string, required *bool) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			mode, err := amjson.Text(raw)
			if err == nil && !slices.Contains([]string{"false", "ignore", "true", "createAlias"}, mode) {
				err = fmt.Errorf("%.40q is none of false, ignore, true, createAlias", mode)
			}
			if err == nil {
				*required = mode == "false"
			}
			return err
		},
		show: func() any {
			if *required {
				return "false"
			}
			return "ignore"
		},
	}
}

// replicas is how many members hold a journey; null leaves it to the process.
func replicas(group, name string, to *int) attribute {
	return attribute{
		group: group, name: name,
		read: func(raw json.RawMessage) error {
			n, err := amjson.Whole(raw, math.MinInt32, math.MaxInt32)
			if err == nil && !slices.Contains(ReplicaCounts(), int(n)) {
				err = fmt.Errorf("%d is none of 1, 3, 5", n)
			}
			if err == nil {
				*to = int(n)
			}
			return err
		},
		show: func() any {
			if *to == 0 {
				return nil
			}
			return *to
		},
	}
}

func set[T any](to *T, raw json.RawMessage, read func(json.RawMessage) (T, error)) error {
	value, err := read(raw)
	if err == nil {
		*to = value
	}
	return err
}
