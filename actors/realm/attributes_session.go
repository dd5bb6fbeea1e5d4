package realm

import (
	"slices"
	"time"
)

// quotaClass is where AM keeps the classes of its quota actions.
const quotaClass = "org.forgerock.openam.session.service."

// session are the attributes of the document "session", AM's Session service,
// bound to d. Those outside "dynamic" are the whole deployment's in AM.
func session(d *draft) []attribute {
	const limits = "dynamic"
	return slices.Concat([]attribute{
		count(limits, "maxSessionTime", &d.MaxSession, time.Minute, 1).
			does("how long a session lives at most, unless its user, its tree or a node says otherwise"),
		count(limits, "maxIdleTime", &d.MaxIdle, time.Minute, 1).
			does("how long a stored session lives unused, unless its user, its tree or a node says otherwise"),
		count(limits, "maxCachingTime", &d.MaxCaching, time.Minute, 0).
			idle("advice to AM's agents on how long to keep an answer; there are none, and every answer here is current"),
		whole(limits, "quotaLimit", &d.quotaLimit, 1).
			does("how many stored sessions a user may have, while quotas are on and the user has no limit of their own"),
	}, wide(slices.Concat(sessionRules(d), quotas(d), stateless(d))...))
}

func sessionRules(d *draft) []attribute {
	const general, search, notices = "general", "search", "notifications"
	return []attribute{
		count(general, "latestAccessTimeUpdateFrequency", &d.TouchInterval, time.Second, 0).
			does("how often at most a session's latest access is written"),
		flag(general, "crossUpgradeReferenceFlag", &d.UpgradeReference).
			does("a session keeps the property XUSRef through all its upgrades"),
		none(general, "dnRestrictionOnly", false, "there are no agents, whose tokens are restricted to an address"),
		none(general, "timeoutHandlers", []string{}, "Java classes are not run; a logout webhook is told of time-outs"),

		whole(search, "maxSessionListSize", &d.MaxSessionList, 1).
			does("how many sessions one answer lists"),
		count(search, "sessionListRetrievalTimeout", &d.SessionListTime, time.Second, 1).
			does("how long sessions are looked for before the list is answered 503"),

		choices(notices, "propertyChangeNotifications", &d.NotifiesProperties, choice[bool]{"OFF", false}, choice[bool]{"ON", true}).
			does("listeners are told of changed session properties"),
		texts(notices, "notificationPropertyList", &d.NotifiedProperties, nil).
			does("of these; empty: of all"),
	}
}

func quotas(d *draft) []attribute {
	const quotas = "quotas"
	return []attribute{
		choices(quotas, "iplanet-am-session-enable-session-constraint", &d.quotas, choice[bool]{"OFF", false}, choice[bool]{"ON", true}).
			does("limits how many stored sessions a user has; sessions that their holders keep are not counted"),
		choices(
			quotas, "behaviourWhenQuotaExhausted", &d.Quota.Action,
			choice[QuotaAction]{quotaClass + "DestroyNextExpiringAction", DestroyNextExpiring},
			choice[QuotaAction]{quotaClass + "DestroyOldestAction", DestroyOldest},
			choice[QuotaAction]{quotaClass + "DestroyAllAction", DestroyAllOld},
			choice[QuotaAction]{quotaClass + "DenyAccessAction", DenyAccess},
		).does("which sessions end for a new one, or that there is none"),
		none(quotas, "quotaConstraintMaxWaitTime", 6000, "sessions are counted in the instant in which one is made; there is nothing to wait for"),
		none(quotas, "denyLoginWhenRepoDown", "NO", "always denied, with 503: without the store no session can be made"),
	}
}

func stateless(d *draft) []attribute {
	const keys = "stateless"
	signing := []choice[Signing]{}
	for _, s := range []Signing{SigningNone, HS256, HS384, HS512, RS256, ES256, ES384, ES512} {
		signing = append(signing, choice[Signing]{string(s), s})
	}
	encryption := []choice[Encryption]{}
	for _, e := range []Encryption{EncryptionNone, Direct, AESKeyWrap, RSAEncryption} {
		encryption = append(encryption, choice[Encryption]{string(e), e})
	}
	return []attribute{
		choices(keys, "statelessSigningType", &d.ClientSide.Signing, signing...).
			does("how sessions and journeys that their holders keep are signed; the keys are the cluster's"),
		choices(keys, "statelessEncryptionType", &d.ClientSide.Encryption, encryption...).
			does("how they are encrypted; not NONE without a signature"),
		choices(keys, "statelessCompressionType", &d.ClientSide.Compression, choice[bool]{"NONE", false}, choice[bool]{"DEF", true}).
			does("whether they are deflated first"),
		flag(keys, "openam-session-stateless-enable-session-blacklisting", &d.ClientSide.Denylists).
			does("a logout ends such a session for good; without it, its token stays good until its end. Default here true, in AM false"),
		flag(keys, "statelessLogoutByUser", &d.ClientSide.LogoutByUser).
			does("logoutByUser ends such sessions as well"),
		none(keys, "openam-session-stateless-blacklist-cache-size", 10000, "every member knows the whole list"),
		none(keys, "openam-session-stateless-blacklist-poll-interval", 60, "a logout returns when every member knows of it"),
		none(keys, "openam-session-stateless-blacklist-purge-delay", 1, "an entry lives as long as any member could take its session for valid"),
		none(keys, "openam-session-stateless-logout-poll-interval", 60, "a logout returns when every member knows of it"),
		hidden(keys, "statelessSigningHmacSecret", "keys are made by the cluster and changed by `sojourn keys rotate`"),
		none(keys, "statelessSigningRsaKeyAlias", "test", "keys are made by the cluster and changed by `sojourn keys rotate`"),
		none(keys, "statelessEncryptionRsaKeyAlias", "test", "keys are made by the cluster and changed by `sojourn keys rotate`"),
		hidden(keys, "statelessEncryptionAesKey", "keys are made by the cluster and changed by `sojourn keys rotate`"),
	}
}

// propertyList are the attributes of the document "amSessionPropertyWhitelist".
func propertyList(d *draft) []attribute {
	return []attribute{
		texts("", "sessionPropertyWhitelist", &d.SessionProperties, nil).
			does("the session properties that clients may read and write"),
		none("", "whitelistedQueryProperties", []string{}, "sessions are looked up by user, realm and handle"),
	}
}

// validation are the attributes of the document "validation": AM's Validation
// service.
func validation(d *draft) []attribute {
	return []attribute{
		texts("", "validGotoDestinations", &d.GotoPatterns, CheckGotoPattern).
			does("where goto and gotoOnFail may lead; empty: nowhere but within this site"),
	}
}

// own are the attributes of the document "sojourn".
func own(d *draft) []attribute {
	return []attribute{
		not(flag("journeys", "resumeElsewhere", nil), &d.ResumesHere).
			does("a suspended journey can be resumed in any browser and on any device; if not, the browser in which it was suspended must bring a cookie"),
		replicas("journeys", "replicas", &d.JourneyReplicas).
			does("how many members hold a journey in memory: 1 loses it with its member, as AM does, 3 outlive one, 5 two"),
	}
}
