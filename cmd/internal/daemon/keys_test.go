package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cmd/internal/secret"
	"sojourn/cts/clientside"
	"sojourn/cts/ctstest"
	"sojourn/cts/keyring"
	"sojourn/cts/session"
	"sojourn/http/rest"
	"sojourn/http/wire"
)

// lagging is a store of which each member knows a part: a write that returns has
// reached all of them, and one that fails may have reached some, later or never.
type lagging struct {
	log     []realm.Document
	applied []int
	keepers []*keeper
	// outcome says how the next write goes; nil: well.
	outcome func() outcome
}

type outcome int

const (
	done outcome = iota
	lost         // it never was
	late         // it is in the log, and nobody has waited for the others
)

var errLost = &session.UnavailableError{Reason: "the leader has changed"}

func (l *lagging) last(id string, applied int) (realm.Document, error) {
	for _, d := range slices.Backward(l.log[:applied]) {
		if d.ID == id {
			return d, nil
		}
	}
	return realm.Document{}, realm.ErrNoDocument
}

func (l *lagging) put(d realm.Document, p realm.Precondition) (realm.Document, bool, error) {
	how := done
	if l.outcome != nil {
		how = l.outcome()
	}
	if how == lost {
		return realm.Document{}, false, errLost
	}
	was, err := l.last(d.ID, len(l.log))
	if p.IfNoneMatch && err == nil || p.IfMatch != "" && was.Rev != p.IfMatch {
		return realm.Document{}, false, realm.ErrConflict
	}
	d.Rev = strconv.Itoa(len(l.log) + 1)
	l.log = append(l.log, d)
	if how == late {
		return realm.Document{}, false, errLost
	}
	for member := range l.applied {
		l.apply(member, len(l.log))
	}
	return d, was.Rev == "", nil
}

func (l *lagging) apply(member, to int) {
	if l.applied[member] < to {
		l.applied[member] = to
		l.keepers[member].noticed(realm.KindKeys)
	}
}

// part is the store as one member knows it.
type part struct {
	*lagging
	member int
}

func (p part) Document(_ context.Context, _ realm.DocumentKind, _ realm.Name, id string) (realm.Document, error) {
	return p.last(id, p.applied[p.member])
}

func (p part) Documents(_ context.Context, kind realm.DocumentKind, _ realm.Name) (all []realm.Document, err error) {
	for _, purpose := range keyring.Purposes() {
		if d, err := p.last(string(purpose), p.applied[p.member]); err == nil && kind == realm.KindKeys {
			all = append(all, d)
		}
	}
	return all, nil
}

func (p part) PutDocument(_ context.Context, d realm.Document, c realm.Precondition) (realm.Document, bool, error) {
	return p.put(d, c)
}

func (p part) DeleteDocument(context.Context, realm.DocumentKind, realm.Name, string, realm.Precondition) (realm.Document, error) {
	return realm.Document{}, errors.New("nobody deletes keys")
}

// oneRealm has settings for the root realm.
type oneRealm struct{ settings realm.Settings }

func (o *oneRealm) Realm(_ context.Context, r realm.Name) (*realm.Settings, error) {
	if r != realm.Root {
		return nil, journey.ErrNoRealm
	}
	return &o.settings, nil
}

func testSecret(t *testing.T) secret.Secret {
	t.Helper()
	text, err := secret.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := secret.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testKeeper(t *testing.T, d documents, s secret.Secret, log *slog.Logger) *keeper {
	t.Helper()
	k, err := newKeys(d, func(context.Context) error { return nil }, s, log)
	if err != nil {
		t.Fatal(err)
	}
	return newKeeper(k, &oneRealm{realm.DefaultSettings()}, func() placement.View { return placement.View{} })
}

func newLagging(t *testing.T, members int) *lagging {
	t.Helper()
	l, s := &lagging{applied: make([]int, members)}, testSecret(t)
	for member := range members {
		l.keepers = append(l.keepers, testKeeper(t, part{l, member}, s, slog.New(slog.DiscardHandler)))
	}
	return l
}

// Whatever happens to a rotation, and whoever takes it up again: no member ever
// uses a generation that another does not accept.
func TestNobodyMeetsAKeyThatItDoesNotHave(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const members = 3
		l := newLagging(t, members)
		l.outcome = func() outcome { return outcome(rapid.IntRange(int(done), int(late)).Draw(rt, "outcome")) }
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			who := rapid.IntRange(0, members-1).Draw(rt, "who")
			if rapid.Bool().Draw(rt, "rotates") {
				_, err := l.keepers[who].Rotate(t.Context(), []string{string(keyring.AuthID)}, nil)
				var refused *rest.KeyRefusedError
				if err != nil && !errors.Is(err, errLost) && !errors.As(err, &refused) {
					rt.Fatal(err)
				}
			} else if l.applied[who] < len(l.log) {
				l.apply(who, l.applied[who]+1)
			}
			for _, a := range l.keepers {
				for _, b := range l.keepers {
					if active := a.AuthIDs().Active; !accepts(b.AuthIDs(), active) {
						rt.Fatalf("a member uses a key that another does not accept; they know %v of %d writes", l.applied, len(l.log))
					}
				}
			}
		}
	})
}

func accepts(k *wire.AuthIDKeys, key []byte) bool {
	return bytes.Equal(k.Active, key) || slices.ContainsFunc(k.Older, func(other []byte) bool { return bytes.Equal(other, key) })
}

// A rotation that nobody disturbs ends at the generation it began, also when the
// one before it was left half done.
func TestHalfARotationIsFinished(t *testing.T) {
	l := newLagging(t, 3)
	fate := []outcome{done, lost} // announced, and then the operator's member loses the leader
	l.outcome = func() outcome {
		if len(fate) == 0 {
			return done
		}
		now := fate[0]
		fate = fate[1:]
		return now
	}
	rotate := func(member int) (rest.KeyRing, error) {
		all, err := l.keepers[member].Rotate(t.Context(), []string{string(keyring.AuthID)}, nil)
		if err != nil {
			return rest.KeyRing{}, err
		}
		return all[0], nil
	}
	if _, err := rotate(0); !errors.Is(err, errLost) {
		t.Fatalf("the first rotation: %v", err)
	}
	first := l.keepers[2].AuthIDs().Active
	r, err := rotate(1)
	if err != nil || len(r.Generations) != 2 || r.Generations[1].State != rest.KeyActive || r.Generations[0].State != rest.KeyAccepted {
		t.Fatalf("the second: %+v, %v", r, err)
	}
	if len(l.log) != 3 {
		t.Errorf("%d writes: the generation must be announced once more, and used", len(l.log))
	}
	for member, k := range l.keepers {
		if bytes.Equal(k.AuthIDs().Active, first) || !accepts(k.AuthIDs(), first) {
			t.Errorf("member %d still uses the first generation, or accepts it no more", member)
		}
	}
}

// Two operators at once make one new generation.
func TestTwoRotationsAtOnce(t *testing.T) {
	var keepers []*keeper
	store := ctstest.New(ctstest.Options{OnDocument: func(kind realm.DocumentKind, _ realm.Name) {
		for _, k := range keepers {
			k.noticed(kind)
		}
	}})
	s := testSecret(t)
	for range 2 {
		keepers = append(keepers, testKeeper(t, store, s, slog.New(slog.DiscardHandler)))
	}
	var both sync.WaitGroup
	for _, k := range keepers {
		both.Go(func() {
			r, err := k.Rotate(t.Context(), nil, nil)
			if err != nil || len(r) != len(keyring.Purposes()) {
				t.Errorf("rotated %d rings, %v", len(r), err)
			}
		})
	}
	both.Wait()
	all, err := keepers[0].Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		// The second may have come when the first was through with a ring.
		if n := len(r.Generations); n < 2 || n > 3 || r.Generations[n-1].State != rest.KeyActive {
			t.Errorf("%+v", r)
		}
	}
}

// What was made before a rotation is good until its generation ends, and no
// longer; and what a member without the store makes it make with keys it has.
func TestKeysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLagging(t, 2)
		k := l.keepers[0]
		codec := clientside.New(k.Tokens, rand.Reader)
		how := realm.DefaultSettings().ClientSide
		token, err := codec.Seal(clientside.Session, how, clientside.Content{Subject: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		journeyID := [16]byte{1}
		marked, id := k.Marks().Mint(journeyID, 7, "01"), k.Marks().SessionID(journeyID)
		keep := time.Hour
		if _, err := k.Rotate(t.Context(), nil, &keep); err != nil {
			t.Fatal(err)
		}
		good := func() bool {
			_, err := codec.Open(clientside.Session, token)
			got, _, marking := l.keepers[1].Marks().Parse(marked)
			if (err == nil) != (marking == nil) || marking == nil && got != id {
				t.Errorf("opened: %v, parsed: %x %v", err, got, marking)
			}
			return err == nil
		}
		if !good() {
			t.Error("what was made before the rotation is worth nothing after it")
		}
		if again := k.Marks().Mint(journeyID, 7, "01"); again == marked || k.Marks().SessionID(journeyID) != id {
			t.Error("the mark has not changed, or the session's id has")
		}
		time.Sleep(time.Hour - time.Second)
		if !good() {
			t.Error("a generation ends too early")
		}
		time.Sleep(time.Second)
		if good() {
			t.Error("a generation does not end")
		}
		fresh, err := codec.Seal(clientside.Session, how, clientside.Content{Subject: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := clientside.New(l.keepers[1].Tokens, rand.Reader).Open(clientside.Session, fresh); err != nil {
			t.Errorf("what the new generation has made: %v", err)
		}
	})
}

// The generation before is accepted for as long as any realm lets a journey or a
// session live.
func TestKeepIsLongEnough(t *testing.T) {
	l := newLagging(t, 1)
	k := l.keepers[0]
	k.realms.(*oneRealm).settings.MaxSession = 90 * 24 * time.Hour
	for p, want := range map[keyring.Purpose]time.Duration{keyring.AuthID: 24 * time.Hour, keyring.TokenMark: 90 * 24 * time.Hour} {
		before := time.Now()
		all, err := k.Rotate(t.Context(), []string{string(p)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if until := all[0].Generations[0].Until; until.Before(before.Add(want)) || until.After(time.Now().Add(want)) {
			t.Errorf("%s: accepted for %s, want %s", p, until.Sub(before), want)
		}
	}
}

// Settings that want a private key get it, once, sealed, and for what they want.
func TestPrivateKeysAreMade(t *testing.T) {
	var log bytes.Buffer
	l, s := &lagging{applied: make([]int, 1)}, testSecret(t)
	k := testKeeper(t, part{l, 0}, s, slog.New(slog.NewTextHandler(&log, nil)))
	l.keepers = []*keeper{k}
	settings := &k.realms.(*oneRealm).settings
	settings.ClientSideSessions = true
	settings.ClientSide.Signing = realm.ES384
	codec := clientside.New(k.Tokens, rand.Reader)
	var missing *clientside.MissingKeyError
	if _, err := codec.Seal(clientside.Session, settings.ClientSide, clientside.Content{}); !errors.As(err, &missing) {
		t.Fatalf("sealed without a key: %v", err)
	}
	for range 2 {
		if err := k.make(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.log) != 2 {
		t.Errorf("%d writes for one key", len(l.log))
	}
	if _, err := codec.Seal(clientside.Session, settings.ClientSide, clientside.Content{}); err != nil {
		t.Error(err)
	}
	if _, err := codec.Seal(clientside.Journey, settings.ClientSide, clientside.Content{}); !errors.As(err, &missing) {
		t.Errorf("journeys have a key that no realm asks for: %v", err)
	}
	if _, err := k.Rotate(t.Context(), []string{string(keyring.SessionSigning)}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := codec.Seal(clientside.Session, settings.ClientSide, clientside.Content{}); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	all, err := k.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(r rest.KeyRing) bool {
		return r.Purpose == string(keyring.SessionSigning) && slices.Equal(r.Private, []string{"ES384"})
	}) {
		t.Errorf("listed %+v", all)
	}
	for _, d := range l.log {
		if bytes.Contains(d.Body, []byte("PRIVATE")) {
			t.Errorf("stored %s", d.Body)
		}
	}
	if !strings.Contains(log.String(), "keys rotated") || strings.Contains(log.String(), "AQ") && strings.Contains(log.String(), "==") {
		t.Errorf("logged %s", log.String())
	}
}

// A text of a newer key than any here is not judged while this member is cut
// off, read once it has learned of the key, and a forgery when it has them all.
func TestNewerKeys(t *testing.T) {
	l := newLagging(t, 2)
	ahead, behind := l.keepers[0], l.keepers[1]
	how := realm.DefaultSettings().ClientSide
	l.log = append(l.log, realm.Document{ID: string(keyring.CookieEncryption), Rev: "1", Body: []byte(
		`{"version":1,"active":2,"generations":[{"number":1,"until":"2999-01-01T00:00:00Z"},{"number":2}]}`)})
	l.apply(0, 1)
	how.Signing = realm.SigningNone
	text, err := ahead.tokens.Seal(clientside.PersistentCookie, how, clientside.Content{Subject: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	var newer *clientside.NewerKeyError
	behind.reached = func(context.Context) error { return errLost }
	if _, err := behind.tokens.Open(clientside.PersistentCookie, text); !errors.As(err, &newer) {
		t.Errorf("while cut off: %v", err)
	}
	behind.reached = func(context.Context) error { return nil }
	if _, err := behind.tokens.Open(clientside.PersistentCookie, text); !errors.Is(err, clientside.ErrToken) {
		t.Errorf("with all keys that there are: %v", err)
	}
	behind.reached = func(context.Context) error { l.apply(1, 1); return nil }
	if c, err := behind.tokens.Open(clientside.PersistentCookie, text); err != nil || c.Subject != "demo" {
		t.Errorf("once the key has come: %+v, %v", c, err)
	}
}

func TestRotateRefuses(t *testing.T) {
	l := newLagging(t, 1)
	k := l.keepers[0]
	var refused *rest.KeyRefusedError
	if _, err := k.Rotate(t.Context(), []string{"frob"}, nil); !errors.As(err, &refused) {
		t.Errorf("a purpose that is none: %v", err)
	}
	for range keyring.MaxGenerations - 1 {
		if _, err := k.Rotate(t.Context(), []string{string(keyring.AuthID)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Rotate(t.Context(), []string{string(keyring.AuthID)}, nil); !errors.As(err, &refused) {
		t.Errorf("one generation too many: %v", err)
	}
	none := time.Duration(0)
	old := placement.NewView(1, placement.Member{ID: "old", Protocol: placement.StoresProtocol - 1})
	k.view = func() placement.View { return old }
	var unavailable *session.UnavailableError
	if _, err := k.Rotate(t.Context(), nil, &none); !errors.As(err, &unavailable) {
		t.Errorf("beside a member that knows of no generations: %v", err)
	}
	k.reached = func(context.Context) error { return errLost }
	if _, err := k.Keys(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("listed while cut off: %v", err)
	}
}

// The first generation is what members derived before there were any others.
func TestFirstGenerationIsOfBefore(t *testing.T) {
	l, s := &lagging{applied: make([]int, 1)}, testSecret(t)
	k := testKeeper(t, part{l, 0}, s, slog.New(slog.DiscardHandler))
	if !bytes.Equal(k.AuthIDs().Active, s.Derive(secret.AuthID)) {
		t.Error("authIds have another key")
	}
	if m := k.Marks(); !bytes.Equal(m.Mark, s.Derive(secret.TokenMark)) || !bytes.Equal(m.Secret, s.Derive(secret.TokenSecret)) {
		t.Error("tokens have other keys")
	}
}
