package actors

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// set changes the realm's settings.
func (m *testMember) set(settings string) {
	m.docs.put(realm.KindSettings, "authentication", settings)
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
}

const heldSessions = `{"general":{"statelessSessionsEnabled":true}}`

// speaking is a view of one member of a protocol.
func speaking(protocol int) func(*Config) {
	return func(c *Config) {
		c.View = func() placement.View { return placement.NewView(1, placement.Member{ID: "one", Protocol: protocol}) }
	}
}

func newHolders(t *testing.T, protocol int) *testMember {
	t.Helper()
	m := newMember(t, time.Now)
	m.Close()
	m.open(t, time.Now, speaking(protocol))
	m.set(heldSessions)
	return m
}

func TestHolderSession(t *testing.T) {
	m := newHolders(t, placement.Protocol)
	first := m.start(t, "Login")
	done, err := m.answer(t, first.Ref, "demo", "secret")
	if err != nil || !done.Done.Success || !done.Done.Session.ClientSide || done.Token == "" {
		t.Fatalf("%+v %v", done, err)
	}
	again, err := m.answer(t, first.Ref, "demo", "secret")
	if err != nil || again.Token != done.Token {
		t.Errorf("asked again: %q, %v; want the same token", again.Token, err)
	}
	if _, err := m.answer(t, first.Ref, "else", "secret"); !errors.Is(err, journey.ErrGone) {
		t.Errorf("other answers to the last step: %v", err)
	}
	if n := m.sessions.made.Load(); n != 1 || len(m.sessions.byJourney) != 0 {
		t.Errorf("%d tokens were made, %d sessions stored", n, len(m.sessions.byJourney))
	}
}

// A member of an older release would not know what such a session is.
func TestNoHolderSessionForOlderMembers(t *testing.T) {
	m := newHolders(t, placement.StoresProtocol-1)
	done, err := m.answer(t, m.start(t, "Login").Ref, "demo", "secret")
	if err != nil || done.Done.Session.ClientSide {
		t.Errorf("%+v %v", done, err)
	}
}

func TestAdministratorsSessionIsStored(t *testing.T) {
	m := newHolders(t, placement.Protocol)
	settings := realm.DefaultSettings()
	settings.ClientSideSessions = true
	if !m.holds(&settings, session.Session{}) || m.holds(&settings, session.Session{Admin: true}) {
		t.Error("an administrator's session is kept by its holder, or nobody's is")
	}
}

// upgrade goes through a journey that carries a session.
func (m *testMember) upgrade(t *testing.T, old *session.Session) (journey.ResumeRequest, journey.Reply, error) {
	t.Helper()
	reply, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login", Session: old, ForceAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	r := resumeWith(reply.Ref, "demo", "secret")
	r.Session = old
	reply, err = m.Resume(t.Context(), r)
	return r, reply, err
}

// The old session ends when the new one is there for good, also when that has to
// be asked for twice; it stays while it is not.
func TestUpgradeToHolderSession(t *testing.T) {
	for name, oldSide := range map[string]bool{"of a stored session": false, "of a client-side session": true} {
		t.Run(name, func(t *testing.T) {
			m := newHolders(t, placement.Protocol)
			old := session.Session{ID: session.ID{7}, ClientSide: oldSide, AuthLevel: 9, Trees: []string{"Other"}, Properties: map[string]string{"a": "1"}}
			old.Principal = session.Principal{Realm: realm.Root, Username: "demo", UniversalID: realm.Root.UniversalID("demo", "ou=am-config")}

			m.sessions.stuck.Store(true)
			request, reply, err := m.upgrade(t, &old)
			if _, away := errors.AsType[*session.UnavailableError](err); !away {
				t.Fatalf("while the old one cannot be ended: %+v %v", reply, err)
			}
			m.sessions.stuck.Store(false)
			reply, err = m.Resume(t.Context(), request)
			if err != nil || reply.Token == "" {
				t.Fatalf("asked again: %+v %v", reply, err)
			}
			if !slices.Equal(m.sessions.gone(), []session.Handle{old.Handle()}) {
				t.Errorf("ended %v", m.sessions.gone())
			}
			if n := m.sessions.made.Load(); n != 1 {
				t.Errorf("%d tokens were made", n)
			}

			_, reply, err = m.upgrade(t, &old)
			if err != nil {
				t.Fatal(err)
			}
			x := reply.Done.Session
			if x.AuthLevel != 9 || !slices.Equal(x.Trees, []string{"Other", "Login"}) || x.Properties["a"] != "1" || len(m.sessions.gone()) != 2 {
				t.Errorf("the new session is %+v", x)
			}
		})
	}
}

// A session has the reference of the first of those that were upgraded to it.
func TestUpgradeReference(t *testing.T) {
	m := newMember(t, time.Now)
	_, reply, err := m.upgrade(t, nil)
	if err != nil || reply.Done.Session.Properties["XUSRef"] != "" {
		t.Fatalf("a reference that nobody wants: %+v %v", reply, err)
	}
	m.docs.put(realm.KindSettings, "session", `{"general":{"crossUpgradeReferenceFlag":true}}`)
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
	var last *session.Session
	var refs, ids []string
	for range 3 {
		_, reply, err = m.upgrade(t, last)
		if err != nil {
			t.Fatal(err)
		}
		x := reply.Done.Session
		refs, ids, last = append(refs, x.Properties["XUSRef"]), append(ids, x.Properties["AMCtxId"]), &x
	}
	if refs[0] == "" || refs[1] != refs[0] || refs[2] != refs[0] || ids[0] == ids[1] || ids[1] == ids[2] {
		t.Errorf("references %v of sessions %v", refs, ids)
	}
}

func TestUpgradeThatKeeps(t *testing.T) {
	m := newHolders(t, placement.Protocol)
	old := session.Session{ID: session.ID{7}, ClientSide: true}
	old.Principal = session.Principal{Realm: realm.Root, Username: "demo", UniversalID: realm.Root.UniversalID("demo", "ou=am-config")}
	m.docs.put(realm.KindSettings, "session", `{"stateless":{"openam-session-stateless-enable-session-blacklisting":false}}`)
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
	if _, reply, err := m.upgrade(t, &old); err != nil || reply.Token == "" || len(m.sessions.gone()) != 0 {
		t.Errorf("without a denylist: %+v %v, ended %v", reply, err, m.sessions.gone())
	}
}

// What cannot be a session is a failed login, and stays one: the old session is
// left alone.
func TestRefusedSession(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"quota": {session.ErrQuota, "You have reached your session limit."},
		"size":  {&session.SizeError{Size: 5000, Limit: session.MaxToken, Largest: []string{"groups"}}, "The session is too large."},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMember(t, time.Now)
			m.set(`{"postauthprocess":{"loginFailureUrl":["/failed"]}}`)
			old := session.Session{ID: session.ID{7}}
			old.Principal = session.Principal{Realm: realm.Root, Username: "demo", UniversalID: realm.Root.UniversalID("demo", "ou=am-config")}
			m.sessions.refuse.Store(&tt.err)
			request, reply, err := m.upgrade(t, &old)
			if err != nil || reply.Done == nil || reply.Done.Success || reply.Done.Message != tt.want || reply.Token != "" || reply.Done.URL != "/failed" {
				t.Fatalf("%+v %v", reply, err)
			}
			m.sessions.refuse.Store(nil)
			again, err := m.Resume(t.Context(), request)
			if err != nil || again.Done.Message != tt.want {
				t.Errorf("asked again, when there is room: %+v %v", again, err)
			}
			if len(m.sessions.gone()) != 0 || m.sessions.calls.Load() != 0 {
				t.Error("a session was made or ended")
			}
		})
	}
}
