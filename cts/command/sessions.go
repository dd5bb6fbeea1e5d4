package command

import (
	"slices"
	"time"

	"sojourn/actors/identity"
	"sojourn/cts/session"
)

const (
	// sweepSlack is added to an idle session's end before it is deleted: its
	// latest accesses may still be on their way to the log from other members.
	// Reads do not wait for it.
	sweepSlack = 30 * time.Second
	// remembered is how long the journey of a session without a longest life is
	// known after the session has ended.
	remembered = 24 * time.Hour
)

// sweepAt is when a session can be deleted for having ended, zero for never.
func sweepAt(s session.Session) time.Time {
	longest, idle := s.MaxExpires(), s.IdleExpires()
	if !idle.IsZero() {
		idle = idle.Add(s.Policy.TouchInterval + sweepSlack)
	}
	if longest.IsZero() || (!idle.IsZero() && idle.Before(longest)) {
		return idle
	}
	return longest
}

// dueMinute is the minute under which a session is filed when it is created,
// zero when it never ends by itself.
func dueMinute(s session.Session) uint64 {
	end := sweepAt(s)
	if end.IsZero() {
		return 0
	}
	return Minute(end) + 1
}

func (c PutSession) apply(a *applier) Result {
	s := c.Session
	fromJourney := s.Journey != [16]byte{}
	if fromJourney {
		if value, ok := a.Get(JourneyKey(s.Journey)); ok {
			o, err := decodeOrigin(value)
			if a.check(err) {
				return Result{}
			}
			return a.existing(o.session, o.index)
		}
	}
	key := SessionKey(s.ID)
	if _, ok := a.Get(key); ok {
		return a.existing(s.ID, 0)
	}
	record := sessionRecord(a.index, s)
	a.Insert(key, record)
	a.Insert(userKey(s), []byte{present})
	if minute := dueMinute(s); minute != 0 {
		a.Insert(dueKey(Due{Minute: minute, Kind: DueSession, ID: s.ID}), []byte{present})
	}
	if fromJourney {
		a.Insert(JourneyKey(s.Journey), origin{session: s.ID, index: a.index}.record())
	}
	a.report(SessionStored{Session: s, Encoded: record[sessionHead:], New: true, Index: a.index})
	if c.Replaces != nil && *c.Replaces != s.ID {
		a.deleteSession(*c.Replaces, session.Upgraded, s.Created)
	}
	return Result{Session: s, Index: a.index}
}

// existing is the result for a session that was created before.
func (a *applier) existing(id session.ID, index uint64) Result {
	was, ok := a.stored(id)
	if !ok {
		return Result{Index: index, Existed: true, Err: ErrGone}
	}
	return Result{Session: was.session, Index: was.index, Existed: true}
}

// stored is a session with all that is kept about it.
type stored struct {
	session session.Session // with its latest access
	index   uint64
	record  []byte
	access  []byte // nil without one
	minute  uint64
}

func (a *applier) stored(id session.ID) (stored, bool) {
	record, ok := a.Get(SessionKey(id))
	if !ok {
		return stored{}, false
	}
	s, index, err := DecodeSession(record)
	if a.check(err) {
		return stored{}, false
	}
	was := stored{session: s, index: index, record: record, minute: dueMinute(s)}
	if value, ok := a.Get(AccessKey(id)); ok {
		latest, err := decodeAccess(value)
		if a.check(err) {
			return stored{}, false
		}
		was.session = s.Touched(latest.at)
		was.access, was.minute = value, latest.minute
	}
	return was, true
}

func (a *applier) setAccess(was stored, latest access) {
	if was.access == nil {
		a.Insert(AccessKey(was.session.ID), latest.record())
		return
	}
	a.Replace(AccessKey(was.session.ID), was.access, latest.record())
}

// deleteSession ends a session and reports whether there was one. Its journey
// stays known until the session would have ended at the latest.
func (a *applier) deleteSession(id session.ID, reason session.Reason, now time.Time) bool {
	was, ok := a.stored(id)
	if !ok {
		return false
	}
	s := was.session
	a.Remove(SessionKey(id), was.record)
	a.Remove(userKey(s), []byte{present})
	if was.minute != 0 {
		a.Remove(dueKey(Due{Minute: was.minute, Kind: DueSession, ID: id}), []byte{present})
	}
	if was.access != nil {
		a.Remove(AccessKey(id), was.access)
	}
	a.forgetJourney(s, now)
	a.report(SessionGone{Session: s, Reason: reason, At: now, Index: a.index})
	return true
}

// forgetJourney files the journey of a session that has ended for deletion.
func (a *applier) forgetJourney(s session.Session, now time.Time) {
	value, ok := a.Get(JourneyKey(s.Journey))
	if !ok {
		return
	}
	o, err := decodeOrigin(value)
	if a.check(err) || o.session != s.ID {
		return
	}
	end := s.MaxExpires()
	if end.IsZero() {
		end = now.Add(remembered)
	}
	o.minute = until(end, now)
	a.Replace(JourneyKey(s.Journey), value, o.record())
	a.Insert(dueKey(Due{Minute: o.minute, Kind: DueJourney, ID: s.Journey}), []byte{present})
}

func (c CreateSession) apply(a *applier) Result {
	result := c.Put.apply(a)
	if result.Existed {
		return result
	}
	result.Found = make([]bool, len(c.Ends))
	for i, e := range c.Ends {
		result.Found[i] = e.ID != c.Put.Session.ID && a.deleteSession(e.ID, e.Reason, c.Put.Session.Created)
	}
	return result
}

func (c DeleteSessions) apply(a *applier) Result {
	found := make([]bool, len(c.IDs))
	for i, id := range c.IDs {
		found[i] = a.deleteSession(id, c.Reason, c.At)
	}
	return Result{Found: found}
}

func (c Touch) apply(a *applier) Result {
	for _, latest := range c.Accesses {
		was, ok := a.stored(latest.ID)
		if !ok || !latest.At.After(was.session.LastAccess) {
			continue
		}
		a.setAccess(was, access{at: latest.At, minute: was.minute})
		a.report(SessionTouched{Access: latest})
	}
	return Result{}
}

func (c Expire) apply(a *applier) Result {
	for _, d := range c.Dues {
		switch d.Kind {
		case DueSession:
			a.expireSession(d, c.At)
		case DueJourney:
			a.expireJourney(d)
		case DueChange:
			if value, ok := a.Get(dueKey(d)); ok {
				a.Remove(dueKey(d), value)
			}
		case DueDenial:
			a.expireDenial(d)
		case DueUserDenial:
			a.expireUserDenial(d)
		default:
			if d.Kind > dueTokens && d.Kind <= dueTokens+maxKind {
				a.expireToken(d, c.At)
			}
		}
	}
	return Result{}
}

func (a *applier) expireSession(d Due, now time.Time) {
	was, ok := a.stored(d.ID)
	if !ok || was.minute != d.Minute {
		return // deleted, or filed elsewhere, since the entry was read
	}
	end := sweepAt(was.session)
	if !now.Before(end) {
		reason := session.IdleTimeout
		if longest := was.session.MaxExpires(); !longest.IsZero() && !now.Before(longest) {
			reason = session.MaxTimeout
		}
		a.deleteSession(d.ID, reason, now)
		return
	}
	later := until(end, now)
	if later == d.Minute {
		return
	}
	a.Remove(dueKey(d), []byte{present})
	d.Minute = later
	a.Insert(dueKey(d), []byte{present})
	a.setAccess(was, access{at: was.session.LastAccess, minute: later})
}

func (a *applier) expireJourney(d Due) {
	value, ok := a.Get(JourneyKey(d.ID))
	if !ok {
		return
	}
	o, err := decodeOrigin(value)
	if a.check(err) || o.minute != d.Minute {
		return
	}
	a.Remove(JourneyKey(d.ID), value)
	a.Remove(dueKey(d), []byte{present})
}

func (c SetProperties) apply(a *applier) Result {
	was, ok := a.stored(c.ID)
	if !ok {
		return Result{Err: ErrNoSession}
	}
	created, _, err := DecodeSession(was.record)
	if a.check(err) {
		return Result{}
	}
	created.Properties = c.Properties
	record := sessionRecord(was.index, created)
	a.Replace(SessionKey(c.ID), was.record, record)
	s := was.session
	s.Properties = c.Properties
	a.report(SessionStored{Session: s, Encoded: record[sessionHead:], Changed: changed(was.session.Properties, s.Properties), Index: a.index})
	return Result{Session: s, Index: was.index}
}

// changed names the properties that differ, in order.
func changed(before, after map[string]string) (names []string) {
	for name, value := range after {
		if was, ok := before[name]; !ok || was != value {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// attributeKeys are the index keys of an identity, each once.
func attributeKeys(i identity.Identity) map[string][]byte {
	keys := map[string][]byte{}
	for name, values := range i.Attributes {
		if !Indexed(name) {
			continue
		}
		for _, value := range values {
			key := append(AttributePrefix(i.Realm, name, value), identity.Key(i.Name)...)
			keys[string(key)] = key
		}
	}
	return keys
}
