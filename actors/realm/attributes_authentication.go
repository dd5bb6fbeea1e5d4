package realm

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sojourn/actors/internal/amjson"
)

// authentication are the attributes of the document "authentication", bound to
// d (am-contract section 5.1).
func authentication(d *draft) []attribute {
	const journeys, lockout = "trees", "accountlockout"
	return append([]attribute{
		count(journeys, "authenticationSessionsMaxDuration", &d.JourneyMaxDuration, time.Minute, 1).
			does("how long a journey may take, unless its tree or an Update Journey Timeout node says otherwise"),
		choices(
			journeys, "authenticationSessionsStateManagement", &d.JourneyStore,
			choice[JourneyStore]{"In-Memory", InMemory}, choice[JourneyStore]{"CTS", CTS}, choice[JourneyStore]{"JWT", JWT},
		).does("where a journey waits between two requests; those that have begun stay where they are. Default here In-Memory, in new installations of AM JWT"),
		count(journeys, "suspendedAuthenticationTimeout", &d.SuspendDuration, time.Minute, 1).
			does("how long a suspended journey can be resumed, unless its node says otherwise; not longer than a journey may take"),
		flag(journeys, "authenticationSessionsWhitelist", &d.Allowlists).
			does("each step carries AM's allowlist claims, on top of the rule that every step is answered once"),
		flag(journeys, "authenticationTreeCookieHttpOnly", &d.HidesTokenID).
			does("a login that needs no journey, as its session is there, answers an empty tokenId; where cookies are HttpOnly"),

		flag(lockout, "loginFailureLockoutMode", &d.Lockout.Enabled).
			does("counts wrong passwords, and locks the account"),
		whole(lockout, "loginFailureCount", &d.Lockout.Failures, 1).
			does("wrong passwords that lock the account"),
		count(lockout, "loginFailureDuration", &d.Lockout.Window, time.Second, 0).
			does("within which they count together"),
		count(lockout, "lockoutDuration", &d.Lockout.Duration, time.Minute, 0).
			does("how long the account is locked; 0: it is made inactive until an administrator activates it"),
		whole(lockout, "lockoutDurationMultiplier", &d.Lockout.Multiplier, 1).
			does("applied to the duration with each further lock"),
		whole(lockout, "lockoutWarnUserCount", &d.Lockout.WarnAfter, 0).
			does("wrong passwords after which the user is told how many are left; 0: never"),
		none(lockout, "storeInvalidAttemptsInDataStore", true, "they are always kept with the user: attempts that one member alone knew could be made anew at each of the others"),
	}, append(general(d), security(d)...)...)
}

func general(d *draft) []attribute {
	const general, core, after, profiles = "general", "core", "postauthprocess", "userprofile"
	return []attribute{
		whole(general, "defaultAuthLevel", &d.DefaultAuthLevel, 0).
			does("the authentication level that a journey begins with"),
		flag(general, "statelessSessionsEnabled", &d.ClientSideSessions).
			does("sessions are kept by their holders, in a signed and encrypted token; those of administrators never are. In-memory sessions are not supported"),
		text(general, "externalLoginPageUrl", &d.LoginPage, "a URL; empty: this server's own", checkURL).
			does("the page at which a suspended journey is resumed"),
		text(general, "locale", &d.Locale, "a locale such as `en_US`", checkLocale).
			does("the language of a journey whose client asks for none"),
		none(general, "identityType", []string{"agent", "user"}, "only users log in here"),
		none(general, "twoFactorRequired", false, "concerns AM's authentication modules; a tree asks for a second factor by its nodes"),
		none(general, "userStatusCallbackPlugins", []string{}, "Java classes are not run"),

		treeName(core, "orgConfig", &d.DefaultTree).
			does("the tree that is run when a request names none"),
		none(core, "adminAuthModule", "Login", "there is no console with a login of its own"),

		oneURL(after, "loginSuccessUrl", &d.SuccessURL, d.SuccessURL).
			does("where a successful login leads, after goto, the tree's and the user's own"),
		oneURL(after, "loginFailureUrl", &d.FailureURL, "").
			does("where a failed login leads, after gotoOnFail and the tree's"),
		mappings(after, "userAttributeSessionMapping", &d.SessionMapping).
			does("attributes of the user's profile that a new session gets as properties"),
		none(after, "loginPostProcessClass", []string{}, "Java classes are not run"),
		none(after, "usernameGeneratorEnabled", true, "concerns AM's registration module"),
		none(after, "usernameGeneratorClass", "com.sun.identity.authentication.spi.DefaultUserIDGenerator", "concerns AM's registration module"),

		profile(profiles, "dynamicProfileCreation", &d.ProfileRequired).
			does("`false`: a login whose user has no profile is refused; the others let it pass, and none creates a profile"),
		none(profiles, "defaultRole", []string{}, "users have no roles"),
		none(profiles, "aliasAttributeName", []string{"uid"}, "users are found by their name; nodes such as Identify Existing User search by attributes"),
	}
}

func security(d *draft) []attribute {
	const security = "security"
	return []attribute{
		flag(security, "addClearSiteDataHeader", &d.ClearsSiteData).
			does("a logout tells the browser to forget what it keeps of this site"),
		hidden(security, "sharedSecret", "authIds are signed with keys of the cluster: `sojourn keys`"),
		flag(security, "zeroPageLoginEnabled", &d.ZeroPage.Enabled).
			does("told to login pages by serverinfo; the headers X-OpenAM-Username and -Password are taken in either case, as AM takes them"),
		texts(security, "zeroPageLoginReferrerWhiteList", &d.ZeroPage.Referrers, nil).
			does("a request from another page (Referer) gets its X-OpenAM headers ignored; empty: none does. Told to login pages as well"),
		flag(security, "zeroPageLoginAllowedWithoutReferrer", &d.ZeroPage.WithoutReferrer).
			does("a request without Referer may bring X-OpenAM headers. Told to login pages as well"),
		none(security, "moduleBasedAuthEnabled", false, "there are no authentication modules"),
		none(security, "keyAlias", "test", "keys are those of the cluster: `sojourn keys`"),
	}
}

// maxMappings bounds a list of mappings.
const maxMappings = 64

// mappings reads "attribute|property" texts.
func mappings(group, name string, to *[]Mapping) attribute {
	return attribute{
		group: group, name: name, values: "a list of `attribute|property`",
		read: func(raw json.RawMessage) error {
			list, err := amjson.Texts(raw)
			if err != nil {
				return err
			}
			if len(list) > maxMappings {
				return fmt.Errorf("at most %d mappings are possible", maxMappings)
			}
			var all []Mapping
			for _, text := range list {
				attribute, property, ok := strings.Cut(text, "|")
				if !ok || attribute == "" || property == "" {
					return fmt.Errorf("%.80q is not of the form attribute|property", text)
				}
				all = append(all, Mapping{attribute, property})
			}
			*to = all
			return nil
		},
		show: func() any {
			list := []string{}
			for _, m := range *to {
				list = append(list, m.Attribute+"|"+m.Property)
			}
			return list
		},
	}
}
