package actors

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// memoryDocuments is a Documents of the root realm.
type memoryDocuments struct {
	mu     sync.Mutex
	docs   []realm.Document
	writes int // through PutDocument
	fault  atomic.Pointer[error]
}

func (m *memoryDocuments) put(kind realm.DocumentKind, id, body string) {
	if !json.Valid([]byte(body)) {
		panic("not JSON: " + body)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.docs = slices.DeleteFunc(m.docs, func(d realm.Document) bool { return d.Kind == kind && d.ID == id })
	m.docs = append(m.docs, realm.Document{Kind: kind, Realm: realm.Root, ID: id, Body: []byte(body)})
}

func (m *memoryDocuments) Documents(_ context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []realm.Document
	for _, d := range m.docs {
		if d.Kind == kind && d.Realm == r {
			out = append(out, d)
		}
	}
	return out, nil
}

func (m *memoryDocuments) Document(_ context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error) {
	all, _ := m.Documents(context.Background(), kind, r)
	for _, d := range all {
		if d.ID == id {
			return d, nil
		}
	}
	return realm.Document{}, realm.ErrNoDocument
}

// testUsers knows everybody, by one password. A gate makes each check wait
// for a token.
type testUsers struct {
	password identity.Secret
	checks   atomic.Int32
	err      atomic.Pointer[error]
	panics   atomic.Bool
	gate     chan struct{}
	entered  chan struct{} // told of each check that waits, when not nil
	rank     atomic.Int32  // of the last check
}

func (u *testUsers) identity(r realm.Name, name string) (identity.Identity, error) {
	if err := u.err.Load(); err != nil {
		return identity.Identity{}, *err
	}
	return identity.Identity{Realm: r, Name: name}, nil
}

func (u *testUsers) Lookup(_ context.Context, r realm.Name, name string) (identity.Identity, error) {
	return u.identity(r, name)
}

func (u *testUsers) Search(_ context.Context, r realm.Name, _, value string) (identity.Identity, error) {
	return u.identity(r, value)
}

func (u *testUsers) Authenticate(ctx context.Context, r realm.Name, name string, password identity.Secret, _ identity.Guess) (identity.Verdict, identity.Identity, error) {
	u.checks.Add(1)
	u.rank.Store(int32(rankOf(ctx))) //nolint:gosec // 0 or 1
	if u.panics.Load() {
		panic("a store that breaks")
	}
	if u.entered != nil {
		u.entered <- struct{}{}
	}
	if u.gate != nil {
		select {
		case <-u.gate:
		case <-ctx.Done():
			return 0, identity.Identity{}, context.Cause(ctx)
		}
	}
	who, err := u.identity(r, name)
	if password == u.password {
		return identity.Match, who, err
	}
	return identity.Mismatch, who, err
}

func (u *testUsers) ChangePassword(_ context.Context, r realm.Name, name string, _, _ identity.Secret, _ identity.Guess) (identity.Verdict, identity.Identity, error) {
	who, err := u.identity(r, name)
	return identity.Match, who, err
}

func (u *testUsers) Update(_ context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	who, err := u.identity(r, name)
	return identity.Apply(who, c), err
}

func testKeys() session.Keys {
	return session.Keys{Secret: make([]byte, 32), Mark: make([]byte, 32)}
}

// memorySessions keeps one session for each journey, as the token store does.
type memorySessions struct {
	mu        sync.Mutex
	byJourney map[[16]byte]session.Session
	calls     atomic.Int32
	err       atomic.Pointer[session.UnavailableError]
	replaced  atomic.Pointer[session.ID]
	ended     atomic.Bool // the journey's session was there and is gone
	refuse    atomic.Pointer[error]
	made      atomic.Int32 // how many tokens of sessions that their holders keep
	held      atomic.Bool  // there ought to be some
	stuck     atomic.Bool  // nothing can be ended
	full      atomic.Int32 // which of the next ones is denied by a quota
	over      []session.Handle
}

// End notes what has ended.
func (s *memorySessions) End(ctx context.Context, why session.Cause, all ...session.Session) ([]bool, error) {
	handles := make([]session.Handle, len(all))
	for i := range all {
		handles[i] = all[i].Handle()
	}
	return s.EndByHandle(ctx, why, handles...)
}

func (s *memorySessions) EndByHandle(_ context.Context, why session.Cause, handles ...session.Handle) ([]bool, error) {
	if s.stuck.Load() {
		return nil, &session.UnavailableError{Reason: "stuck"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch why.Reason {
	case session.Destroyed: // a journey's own
		for _, x := range s.byJourney {
			if slices.Contains(handles, x.Handle()) {
				delete(s.byJourney, x.Journey)
			}
		}
		return make([]bool, len(handles)), nil
	case session.Upgraded:
	default:
		panic("a session ends for " + why.Reason.String())
	}
	s.over = append(s.over, handles...)
	return make([]bool, len(handles)), nil
}

func (s *memorySessions) gone() []session.Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.over)
}

func (s *memorySessions) Create(_ context.Context, c session.Creation) (session.Created, error) {
	if err := s.err.Load(); err != nil {
		return session.Created{}, err
	}
	if s.ended.Load() {
		return session.Created{}, session.ErrNotFound
	}
	if err := s.refuse.Load(); err != nil {
		return session.Created{}, *err
	}
	if s.full.Add(-1) == 0 {
		return session.Created{}, session.ErrQuota
	}
	s.calls.Add(1)
	x := c.Session
	if c.ClientSide {
		// Each token of one session is another.
		token := fmt.Sprintf("%s %d for %s", x.ID, s.made.Add(1), x.Principal.Username)
		return session.Created{Session: x.KeptByHolder(), Token: session.TokenID(token)}, nil
	}
	s.replaced.Store(nil)
	if c.Replaces != nil {
		s.replaced.Store(&c.Replaces.ID)
	}
	token := testKeys().Mint(x.Journey, 1, "01")
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.byJourney[x.Journey]; ok {
		return session.Created{Session: first, Token: token, Existed: true}, nil
	}
	s.byJourney[x.Journey] = x
	return session.Created{Session: x, Token: token}, nil
}
