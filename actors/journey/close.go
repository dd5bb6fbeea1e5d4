package journey

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/node"
	"sojourn/cts/session"
)

// AM's texts for a failed journey (am-contract section 1.7).
const (
	textFailure   = "Login failure"
	textLockedOut = "User Locked Out."
	textNoProfile = "User Requires Profile to Login"
	textWarning   = "Warning: You will be locked out after %d more failure(s)."
)

// DefaultURL is where AM sends a user when nothing else is configured.
const DefaultURL = "/am/console"

// Attributes of a user's profile that say where a journey ends.
const (
	attributeSuccessURL = "iplanet-am-user-success-url"
	attributeFailureURL = "iplanet-am-user-failure-url"
)

// stage is how far the end of a journey has come.
type stage int

const (
	profile    stage = iota // success: the user's profile is being looked up
	forgetting              // success: counters of earlier failures are being cleared
	sealing                 // success: persistent cookies are being made
	approving               // success: the transaction is being authorised
	counting                // failure: the refused attempt is being counted
	denied                  // failure: the transaction is being told
)

// closing is the end of a journey in progress. It waits for effects only, so
// it is never encoded.
type closing struct {
	stage   stage
	success bool
	user    identity.Identity
	clear   []identity.Change // what is still to be cleared
	persist []node.Persist    // what is still to be sealed
	failed  Done              // what the client is told once the transaction has been
}

// begin notes that the outermost tree has ended.
func (r *run) begin(success bool) {
	r.s.Traced = true
	r.s.closing = &closing{stage: profile, success: success}
	if !success {
		r.s.closing.stage = counting
	}
}

// close runs the end of a journey (am-contract section 7.3): after success the
// user must have a profile and an account in good standing, and forgets past
// failures; after failure the attempt is counted when the realm locks out.
func (r *run) close() Step {
	switch {
	case r.s.closing.stage == denied:
		return r.s.closing.failed
	case r.s.closing.success:
		return r.succeed()
	}
	return r.fail()
}

// deny has the transaction told, if it is one that the journey is about, before
// the client is told that the journey failed, whatever it failed by. One that would
// not be approved was over before.
func (r *run) deny(done Done) Step {
	t, c := r.s.Transaction, r.s.closing
	if t == nil || done.Success || c != nil && (c.stage == approving || c.stage == denied) {
		return done
	}
	r.s.closing = &closing{stage: denied, failed: done}
	return Do{node.Settle{Transaction: t.Key}}
}

func (r *run) succeed() Step {
	now := *r.s.closing
	c := &now
	r.s.closing = c
	result := r.takeResult()
	found, answered := result.(node.Found)
	switch c.stage {
	case profile:
		user := r.user()
		if !answered && r.s.known != nil && identity.Key(r.s.known.Identity.Name) == identity.Key(user) {
			found, answered = *r.s.known, true // seen a moment ago, in this very request
		}
		switch {
		case user == "":
			return r.refused(errors.New("the tree succeeded without a user"))
		case !answered:
			return Do{node.Lookup{User: user}}
		case !found.OK && r.env.Settings.ProfileRequired:
			return Done{Message: textNoProfile, URL: r.failureURL()}
		case !found.OK:
			return r.approve(user, "")
		case found.Identity.Locked(r.env.Now):
			return Done{Message: textLockedOut, Lockout: true}
		}
		c.user = found.Identity
		r.s.Ending.UniversalID = found.UniversalID
		c.clear = r.toClear(found.Identity)
		c.stage = forgetting
	case forgetting:
		c.clear = c.clear[min(1, len(c.clear)):]
	case sealing:
		if sealed, ok := result.(node.CookieSealed); ok {
			r.setPersistent(c.persist[0], c.user.Name, sealed)
			c.persist = c.persist[1:]
		}
	case approving:
		if settled, _ := result.(node.Settled); !settled.OK {
			return r.refused(errors.New("the transaction was over before"))
		}
		return r.welcome(r.user(), r.s.Ending.UniversalID)
	case counting, denied:
	}
	if len(c.clear) > 0 {
		return Do{node.Update{User: c.user.Name, Change: c.clear[0]}}
	}
	if c.stage != sealing && !r.s.NoSession && !r.plan.NoSession {
		c.stage, c.persist = sealing, r.s.Ending.Persist
	}
	if len(c.persist) > 0 {
		return r.seal(c.persist[0], c.user.Name)
	}
	return r.approve(c.user.Name, r.s.Ending.UniversalID)
}

// approve has the transaction told, if it is one that the journey is about: the
// first of several journeys for it decides.
func (r *run) approve(user, universalID string) Step {
	t := r.s.Transaction
	switch {
	case t == nil:
		return r.welcome(user, universalID)
	case t.User != "" && identity.Key(user) != identity.Key(t.User):
		return r.refused(errors.New("the transaction is for another user"))
	}
	r.s.closing.stage = approving
	return Do{node.Settle{Transaction: t.Key, Approved: true, Properties: r.s.Ending.Properties}}
}

// seal wants a persistent cookie made for the user, who must have a profile: the
// next journey looks for it.
func (r *run) seal(p node.Persist, user string) Step {
	var effect node.SealCookie
	if _, err := io.ReadFull(r.env.Rand, effect.ID[:]); err != nil {
		return r.refused(fmt.Errorf("draw the id of a persistent cookie: %w", err))
	}
	effect.Cookie, _ = p.At(r.env.Now, user, r.plan.Realm, r.request.ClientIP)
	return Do{effect}
}

func (r *run) setPersistent(p node.Persist, user string, sealed node.CookieSealed) {
	_, kept := p.At(r.env.Now, user, r.plan.Realm, r.request.ClientIP)
	r.s.Ending.SetCookie(node.Cookie{
		Name: p.Name, Value: string(sealed.Text), MaxAge: kept, Secure: p.Secure, HTTPOnly: p.HTTPOnly,
	})
}

// toClear lists the counters that this success resets.
func (r *run) toClear(who identity.Identity) []identity.Change {
	var changes []identity.Change
	if who.Failures != (identity.Failures{}) {
		changes = append(changes, identity.ClearFailures{})
	}
	for _, id := range r.s.Ending.ClearRetries {
		if who.Retries[id] > 0 {
			changes = append(changes, identity.SetRetries{Node: id})
		}
	}
	return changes
}

// user is whom the journey speaks of: the identified user, else the name that
// was collected.
func (r *run) user() string {
	if r.s.Ending.User != "" {
		return r.s.Ending.User
	}
	return r.s.Values.Text(node.KeyUsername)
}

func (r *run) welcome(user, universalID string) Step {
	who := r.s.closing.user
	policy := session.Policy{
		MaxSession:    first(userMinutes(who, userMaxSession), r.s.Ending.MaxSession, r.plan.maxSession, r.env.Settings.MaxSession),
		MaxIdle:       first(userMinutes(who, userMaxIdle), r.s.Ending.MaxIdle, r.plan.maxIdle, r.env.Settings.MaxIdle),
		TouchInterval: r.env.Settings.TouchInterval,
	}
	contextID, err := r.contextID()
	if err != nil {
		return r.refused(err)
	}
	x := session.New(policy, session.Principal{
		Realm:       r.plan.Realm,
		Username:    user,
		UniversalID: universalID,
	}, r.env.Now)
	x.AuthLevel = int(r.s.Values.Number(node.KeyAuthLevel))
	x.Trees = []string{r.plan.Name}
	x.Admin = r.s.closing.user.Admin
	x.Properties = properties(who, r.env.Settings.SessionMapping, r.s.Ending.Properties)
	x.Properties[session.PropertyContextID] = contextID
	if types := r.s.Ending.NodeTypes; len(types) > 0 {
		x.Properties[session.PropertyNodeType] = strings.Join(types, "|") + "|"
	}
	return Done{
		Success:         true,
		URL:             r.successURL(),
		Session:         x,
		NoSession:       r.s.NoSession || r.plan.NoSession,
		Quota:           int(userNumber(who, userQuota)),
		Details:         r.s.Ending.SuccessDetails,
		PropertyDetails: r.s.Ending.SuccessProperties,
		Cookies:         r.s.Ending.Cookies,
		Transaction:     r.s.Transaction != nil,
	}
}

// contextID is AM's audit id of the session, AMCtxId: a random UUID and a
// serial number within it.
func (r *run) contextID() (string, error) {
	var raw [16]byte
	if _, err := r.env.Rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("draw a session context id: %w", err)
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[0:8], raw[0:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:36], raw[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:]) + "-" + strconv.FormatUint(uint64(r.s.Step), 10), nil
}

func first(limits ...time.Duration) time.Duration {
	for _, d := range limits {
		if d > 0 {
			return d
		}
	}
	return 0
}

func (r *run) fail() Step {
	lockout := r.env.Settings.Lockout
	user := r.user()
	if !lockout.Enabled || user == "" {
		return r.refused(nil)
	}
	found, answered := r.takeResult().(node.Found)
	if !answered {
		return Do{node.Update{User: user, Change: identity.CountFailure{At: r.env.Now, Policy: lockout}}}
	}
	if !found.OK {
		return r.refused(nil)
	}
	c := *r.s.closing
	c.user = found.Identity
	r.s.closing = &c
	if found.Identity.Locked(r.env.Now) {
		return Done{Message: textLockedOut, Lockout: true}
	}
	if n := found.Identity.Failures.Count; lockout.WarnAfter > 0 && n >= lockout.WarnAfter {
		return Done{Message: fmt.Sprintf(textWarning, lockout.Failures-n), Lockout: true}
	}
	return r.refused(nil)
}

// refused is a failed journey with the message that a node left, or AM's own.
// err, when not nil, is for the operator.
func (r *run) refused(err error) Done {
	message := textFailure
	if r.s.Ending.FailureMessage != "" {
		message = r.s.Ending.FailureMessage
	}
	return Done{Message: message, URL: r.failureURL(), Details: r.s.Ending.FailureDetails, Err: err}
}

// failed is a journey that an error ended. The client is told what the node
// says in an ErrorMessage, else what Set Error Details left, else nothing.
func (r *run) failed(err error) Done {
	done := Done{Message: textFailure, URL: r.failureURL(), Details: r.s.Ending.ErrorDetails, Err: err}
	var told *node.ErrorMessage
	switch {
	case errors.As(err, &told):
		done.Message = told.Text
	case r.s.Ending.ErrorMessage != "":
		done.Message = r.s.Ending.ErrorMessage
	}
	return done
}

// successURL takes the highest of goto, the Success URL node, the user's
// profile, the realm (am-contract section 5.6). A goto parameter has been
// validated before it came here.
func (r *run) successURL() string {
	for _, url := range []string{
		parameter(r.request, "goto"),
		r.s.Values.Text(node.KeySuccessURL),
		attribute(r.s.closing.user, attributeSuccessURL),
		r.env.Settings.SuccessURL,
	} {
		if url != "" {
			return url
		}
	}
	return DefaultURL
}

// FailureURL is where a journey leads whose success in s comes to nothing, since no
// session can be made of it.
func FailureURL(p *Plan, s State, env Env) string { return newRun(p, s, nil, env).failureURL() }

// failureURL does so for a failed journey. Nobody looks a user up to tell where
// it may go: its profile counts if the journey has just seen it.
func (r *run) failureURL() string {
	var user identity.Identity
	switch {
	case r.s.closing != nil && r.s.closing.user.Name != "":
		user = r.s.closing.user
	case r.s.known != nil && identity.Key(r.s.known.Identity.Name) == identity.Key(r.user()):
		user = r.s.known.Identity
	}
	for _, url := range []string{
		parameter(r.request, "gotoOnFail"),
		r.s.Values.Text(node.KeyFailureURL),
		attribute(user, attributeFailureURL),
		r.env.Settings.FailureURL,
	} {
		if url != "" {
			return url
		}
	}
	return ""
}

func parameter(request node.Request, name string) string {
	if values := request.Parameters[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func attribute(who identity.Identity, name string) string {
	if values := who.Attributes[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}
