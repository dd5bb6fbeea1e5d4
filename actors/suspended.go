package actors

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// suspended is what the store has of a suspended journey, under a hash of the
// id that opens it, and sealed under that id: who has the store alone cannot go
// on with it, or read what it says. It is never changed. What came of it stands
// in the journey's own token, which follows Seq: whoever writes that has gone on
// with the journey, and nobody else can any more.
type suspended struct {
	Journey    journey.ID `json:"journey"`
	Realm      realm.Name `json:"realm"`
	IndexType  string     `json:"indexType,omitempty"`
	IndexValue string     `json:"indexValue,omitempty"`
	Started    time.Time  `json:"started"`
	Expires    time.Time  `json:"expires"` // the journey
	Until      time.Time  `json:"until"`   // what can be resumed
	// Seq and Index are of the journey's token as it was written when the journey
	// was suspended; zero when it waited elsewhere.
	Seq   uint64 `json:"seq,omitempty"`
	Index uint64 `json:"index,omitempty"`
	// Bound says that the cookie is needed which was set then.
	Bound bool `json:"bound,omitempty"`
	// Allowlisted says that its steps carry AM's whitelist-state.
	Allowlisted bool `json:"allowlisted,omitempty"`
	// State is as journey.State.Encode wrote it.
	State []byte `json:"state"`
}

// suspending makes ids of suspended journeys, which nobody can make who does not
// have the cluster's key.
type suspending struct{ key []byte }

func newSuspending(secret []byte) (suspending, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "sojourn: ids of suspended journeys", sha256.Size)
	return suspending{key}, err
}

// suspendedLen is how many bytes an id has: as many as make 27 characters.
const suspendedLen = 20

func (s suspending) mark(about string, parts ...[]byte) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(about + "\x00"))
	for _, part := range parts {
		mac.Write(part)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:suspendedLen])
}

// Suspend implements journey.Suspending. The id is made, not drawn: a step that
// is run again, here or elsewhere, is suspended under the id that the first run
// has mailed.
func (j *Journeys) Suspend(id journey.ID, step uint32, answers [16]byte) journey.SuspendedID {
	return journey.SuspendedID(j.suspending.mark("id", id[:], binary.BigEndian.AppendUint32(nil, step), answers[:]))
}

// tokenOf names the token of an id.
func tokenOf(id journey.SuspendedID) token.ID {
	sum := sha256.Sum256([]byte(id))
	return token.ID(sum[:16])
}

// proof is the cookie by which a browser shows that a journey was suspended in it.
func (s suspending) proof(id journey.SuspendedID) node.Cookie {
	at := tokenOf(id)
	return node.Cookie{
		Name: "sojourn-resume-" + hex.EncodeToString(at[:4]), Value: s.mark("cookie", []byte(id)),
		SameSite: "lax", HTTPOnly: true,
	}
}

// suspendingEnv completes the environment of a step with what a suspension needs.
func (j *Journeys) suspendingEnv(env *journey.Env, id journey.ID, answers digest) {
	env.Suspending, env.Journey, env.Answers, env.LoginPage = j, id, answers, j.config.LoginPage
	if !j.config.View().Speaks(placement.StoresProtocol) {
		env.NotSuspending = errOlderMembers
	}
}

// errOlderMembers is while there are members that would not know what a suspended
// journey is.
var errOlderMembers = &session.UnavailableError{Reason: "nothing can be suspended before all members are of this release", RetryAfter: 5 * time.Second}

// suspends makes what came of a step a suspension: the client is shown what the
// node says, with the cookie that the realm may want.
func (j *Journeys) suspends(s *stepping, at journey.Suspended) {
	if s.settings.ResumesHere {
		cookie := j.suspending.proof(j.Suspend(s.id, s.step, s.digest))
		cookie.Secure = s.settings.Deployment.Cookies.Secure
		cookie.MaxAge = max(time.Second, at.Until.Sub(s.env.Now)).Truncate(time.Second)
		at.Cookies = append(slices.Clip(at.Cookies), cookie)
		s.state.Asked.Cookies = at.Cookies
	}
	s.ask = &at.Ask
}

// shelve stores a journey that its record says is suspended. It is done before
// anybody is told, and again by whoever tells it again: it makes no difference.
func (j *Journeys) shelve(ctx context.Context, s *stepping, b *body) error {
	if j.config.Stored == nil {
		return errNoStore
	}
	state, err := b.waiting()
	if err != nil {
		return err
	}
	if state.Suspended == nil || !j.config.Now().Before(state.Suspended.Until) {
		return nil // nobody could resume it
	}
	id := j.Suspend(s.id, b.step-1, b.digest)
	kept := suspended{
		Journey: s.id, Realm: s.ref.Realm, IndexType: s.ref.IndexType, IndexValue: s.ref.IndexValue,
		Started: state.Started, Expires: b.expires, Until: state.Suspended.Until, Index: s.kept.index(),
		Bound: s.settings.ResumesHere, Allowlisted: listed(&s.ref), State: b.state,
	}
	if s.kept != nil {
		kept.Seq = s.kept.Seq
	}
	plain, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode a suspended journey: %w", err)
	}
	p := token.Put{Kind: token.Suspended, ID: tokenOf(id), Expires: kept.Until.Add(slotGrace)}
	own, err := j.sealer.under(string(id))
	if err == nil {
		p.Body, err = own.seal(p.Kind, p.ID, plain)
	}
	if err != nil {
		return err
	}
	if len(p.Body) > token.MaxBody {
		return fmt.Errorf("a suspended journey of %d bytes is too large for the store", len(p.Body))
	}
	if !j.ledger.add(p.Expires) {
		return errManyIn
	}
	_, won, err := j.config.Stored.PutToken(ctx, p)
	j.ledger.settle(p, won, err)
	switch {
	case err != nil:
		return unavailable(err)
	case won:
		j.counts.suspended.Add(1)
		j.logger.Debug("journey suspended", "realm", s.ref.Realm, "journey", s.id, "until", kept.Until)
	}
	return nil
}

// ResumeSuspended goes on with a suspended journey, from any member and browser
// that the realm allows, once. It is journey.ErrSuspended for an id that is not
// known, was used or has expired; after a *session.UnavailableError the id may
// still be good. Other errors are those of Resume.
func (j *Journeys) ResumeSuspended(ctx context.Context, r journey.ResumeSuspendedRequest) (journey.Reply, error) {
	if !j.enter() {
		return journey.Reply{}, errClosing
	}
	defer j.serving.Done()
	kept, err := j.shelved(ctx, r)
	if errors.Is(err, journey.ErrSuspended) {
		j.counts.notResumed.Add(1)
	}
	if err != nil {
		return journey.Reply{}, err
	}
	m := &resume{errand: j.errand(ctx), back: kept, request: journey.ResumeRequest{
		Ref: journey.Ref{
			Journey: kept.Journey, Step: kept.state.Step, Realm: kept.Realm, IndexType: kept.IndexType, IndexValue: kept.IndexValue,
			Started: kept.Started, Expires: kept.Expires, Store: realm.CTS, Index: kept.Index,
		},
		Request: r.Request, Session: r.Session,
	}}
	if kept.Allowlisted {
		j.list(&m.request.Ref)
	}
	m.digest = j.digester.sum([]byte(r.ID)) // of every try: effects are done once
	reply, err := j.here(ctx, kept.Journey, m, &m.offer)
	switch {
	case errors.Is(err, journey.ErrSuspended):
		j.counts.notResumed.Add(1)
	case err == nil:
		j.counts.resumed.Add(1)
		j.logger.Debug("journey resumed", "realm", kept.Realm, "journey", kept.Journey)
		j.clear(r.ID, kept) //nolint:contextcheck // goes on after the request
	}
	return reply, err
}

// back is a suspended journey that somebody comes back to.
type back struct {
	suspended
	state  journey.State
	stored token.Token
}

// shelved reads a suspended journey, if the one who asks for it may have it.
func (j *Journeys) shelved(ctx context.Context, r journey.ResumeSuspendedRequest) (*back, error) {
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(string(r.ID)); err != nil || len(raw) != suspendedLen {
		return nil, journey.ErrSuspended
	}
	if j.config.Stored == nil {
		return nil, errNoStore
	}
	t, err := j.config.Stored.Token(ctx, token.Suspended, tokenOf(r.ID), 0)
	switch {
	case errors.Is(err, token.ErrNotFound):
		return nil, journey.ErrSuspended
	case err != nil:
		return nil, unavailable(err)
	case len(t.Body) == 0: // used
		return nil, journey.ErrSuspended
	}
	kept, err := j.unseal(r.ID, t)
	if err != nil {
		return nil, fmt.Errorf("a suspended journey cannot be read: %w", err)
	}
	proof := j.suspending.proof(r.ID)
	shown := kept.Bound && hmac.Equal([]byte(r.Request.Cookie(proof.Name)), []byte(proof.Value))
	if kept.Realm != r.Realm || !j.config.Now().Before(kept.Until) || kept.Bound && !shown {
		return nil, journey.ErrSuspended
	}
	return kept, nil
}

func (j *Journeys) unseal(id journey.SuspendedID, t token.Token) (*back, error) {
	own, err := j.sealer.under(string(id))
	if err != nil {
		return nil, err
	}
	plain, err := own.open(t)
	if err != nil {
		return nil, err
	}
	kept := &back{stored: t}
	if err := json.Unmarshal(plain, &kept.suspended); err != nil {
		return nil, err
	}
	kept.state, err = journey.Decode(kept.State)
	return kept, err
}

// comeBack takes a suspended journey to where its node is called again, unless
// somebody has come back to it before.
func (j *Journeys) comeBack(s *stepping) error {
	kept := s.m.back
	if s.kept.Seq != kept.Seq {
		return journey.ErrSuspended
	}
	s.body = body{kind: waits, step: s.step, expires: s.ref.Expires, replicas: s.replicas}
	s.state = kept.state
	return j.prepare(s)
}

// clear takes the state of a journey that was resumed from the store. If it
// fails the state stays until it expires, of no use to anybody.
func (j *Journeys) clear(id journey.SuspendedID, kept *back) {
	p := token.Put{Kind: token.Suspended, ID: tokenOf(id), Seq: kept.stored.Seq, Expires: kept.stored.Expires}
	j.aside(func() {
		if _, _, err := j.config.Stored.PutToken(j.deadlines.at(time.Now().Add(stragglers)), p); err != nil {
			j.logger.Debug("what was suspended is still stored", "journey", kept.Journey, "err", err)
		}
	})
}

// comes reports whether a step is somebody's who comes back to a suspended journey.
func (s *stepping) comes() bool { return s.m != nil && s.m.back != nil }
