package actors

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// mailNode mails where the journey can be resumed, and suspends it. Its mail is
// an event of a meter. Back again it goes on.
type mailNode struct{}

func mailType() node.Type {
	return node.Type{Name: "MailNode", Title: "Mail", Suspends: true, New: func(node.Config) (node.Node, error) { return mailNode{}, nil }}
}

func (mailNode) Process(c *node.Context) (node.Action, error) {
	if c.Resumed {
		return node.Goto{Outcome: node.Next}, nil
	}
	uri, err := c.ResumeURI()
	if err != nil {
		return nil, err
	}
	if c.Result == nil {
		return node.Do{Effect: node.Measure{Kind: node.Meter, Key: uri}}, nil
	}
	return node.Suspend{Message: "Mail sent"}, nil
}

// mails is a Meter that keeps what mailNodes have sent.
type mails struct {
	Meters
	mu   sync.Mutex
	sent []string
}

func (m *mails) Count(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, key)
}

// last is the id in the last mail.
func (m *mails) last(t *testing.T) journey.SuspendedID {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == 0 {
		t.Fatal("no mail was sent")
	}
	at, err := url.Parse(m.sent[len(m.sent)-1])
	if err != nil {
		t.Fatal(err)
	}
	return journey.SuspendedID(at.Query().Get("suspendedId"))
}

// mailing is a cluster whose tree "Mail" asks a name, sends a mail, waits, and
// asks the password of who comes back; "Link" makes a session of the link alone.
func mailing(t *testing.T, in where, members int) (*testCluster, *mails) {
	t.Helper()
	sent := &mails{}
	c := newClusterWith(t, members, func(own *Config) {
		own.LoginPage, own.Meter = "https://login.example.com/am/XUI/", sent
	})
	in.choose(c.members[0])
	c.members[0].publishTree(testTree{"Mail", []testNode{
		{"maA", "UsernameCollectorNode", "", "outcome>maB"},
		{"maB", "MailNode", "", "outcome>maC"},
		{"maC", "PasswordCollectorNode", "", "outcome>maD"},
		{"maD", "DataStoreDecisionNode", "", "true>ok false>bad"},
	}})
	c.members[0].publishTree(testTree{"Link", []testNode{
		{"liA", "UsernameCollectorNode", "", "outcome>liB"},
		{"liB", "MailNode", "", "outcome>ok"},
	}})
	c.members[0].publishTree(testTree{"Twice", []testNode{
		{"twA", "UsernameCollectorNode", "", "outcome>twB"},
		{"twB", "MailNode", "", "outcome>twC"},
		{"twC", "MailNode", "", "outcome>ok"},
	}})
	return c, sent
}

func (m *testMember) back(t *testing.T, id journey.SuspendedID) (journey.Reply, error) {
	t.Helper()
	return m.ResumeSuspended(t.Context(), journey.ResumeSuspendedRequest{Realm: realm.Root, ID: id})
}

func wantNotSuspended(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, journey.ErrSuspended) {
		t.Errorf("got %v, want ErrSuspended", err)
	}
}

// TestSuspend: a journey that was suspended goes on at another member, once, and
// its old reference with nothing.
func TestSuspend(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c, sent := mailing(t, in, 3)
		defer c.close()
		first := c.members[0].start(t, "Mail")
		waiting, err := c.members[0].answer(t, first.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		asked := waiting.Ask.Callbacks
		if len(asked) != 1 || asked[0].Type != callback.SuspendedText || asked[0].Out("message") != "Mail sent" || len(waiting.Ask.Cookies) != 0 {
			t.Errorf("the client is shown %+v", waiting.Ask)
		}
		id := sent.last(t)
		if want := "https://login.example.com/am/XUI/?realm=%2F&suspendedId=" + string(id) + "&authIndexType=service&authIndexValue=Mail"; sent.sent[0] != want {
			t.Errorf("mailed %s\nwant   %s", sent.sent[0], want)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(string(id)); err != nil || len(id) != 27 || len(raw) != 20 {
			t.Errorf("an id of %d characters: %v", len(id), err)
		}
		again, err := c.members[1].answer(t, first.Ref, "demo")
		if err != nil || again.Ref.Step != waiting.Ref.Step || len(sent.sent) != 1 {
			t.Errorf("the same answers: %+v, %v, %d mails", again.Ref, err, len(sent.sent))
		}
		_, err = c.members[2].answer(t, first.Ref, "other")
		wantGone(t, err)
		_, err = c.members[1].Resume(t.Context(), journey.ResumeRequest{Ref: waiting.Ref, Answers: []callback.Answer{say(callback.SuspendedText)}})
		wantGone(t, err)

		asksPassword, err := c.members[2].back(t, id)
		if err != nil || asksPassword.Ask == nil || asksPassword.Ask.Callbacks[0].Type != callback.Password || asksPassword.Ref.Store != realm.CTS {
			t.Fatalf("back: %+v, %v", asksPassword, err)
		}
		for _, m := range c.members {
			_, err := m.back(t, id)
			wantNotSuspended(t, err)
		}
		_, err = c.members[1].Resume(t.Context(), journey.ResumeRequest{Ref: waiting.Ref, Answers: []callback.Answer{say(callback.SuspendedText)}})
		wantGone(t, err)
		done, err := c.members[0].answer(t, asksPassword.Ref, "secret")
		if err != nil || !done.Done.Success || done.Done.Session.Principal.Username != "demo" {
			t.Errorf("the end: %+v, %v", done.Done, err)
		}
		synctest.Wait()
		if kept := c.tokens.at(tokenKey{token.Suspended, tokenOf(id)}, c.tokens.index); len(kept.Body) != 0 {
			t.Errorf("%d bytes of what was suspended are still stored", len(kept.Body))
		}
	})
}

// TestSuspendSurvivesAll: nothing but the store is needed to go on.
func TestSuspendSurvivesAll(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c, sent := mailing(t, in, 3)
		defer c.close()
		first := c.members[0].start(t, "Mail")
		if _, err := c.members[1].answer(t, first.Ref, "demo"); err != nil {
			t.Fatal(err)
		}
		for _, id := range c.ids() {
			c.kill(id)
		}
		m := c.add()
		c.see(m.config.Self)
		if reply, err := m.back(t, sent.last(t)); err != nil || reply.Ask == nil {
			t.Errorf("%+v, %v", reply, err)
		}
	})
}

// TestSuspendOnce: of many who come back at the same time one goes on, whatever
// that leads to.
func TestSuspendOnce(t *testing.T) {
	for _, tree := range []string{"Mail", "Link", "Twice"} {
		t.Run(tree, func(t *testing.T) {
			overStores(t, func(t *testing.T, in where) {
				for seed := range uint64(6) {
					synctest.Test(t, func(t *testing.T) { suspendOnce(t, in, tree, seed) })
				}
			})
		})
	}
}

func suspendOnce(t *testing.T, in where, tree string, seed uint64) {
	t.Helper()
	c, sent := mailing(t, in, 3)
	defer c.close()
	first := c.members[0].start(t, tree)
	if _, err := c.members[0].answer(t, first.Ref, "demo"); err != nil {
		t.Fatal(err)
	}
	id := sent.last(t)
	c.tokens.random(seed, 0, 5*time.Millisecond)
	const many = 30
	errs := make(chan error, many)
	for i := range many {
		go func() {
			_, err := c.members[i%3].ResumeSuspended(t.Context(), journey.ResumeSuspendedRequest{Realm: realm.Root, ID: id})
			errs <- err
		}()
	}
	winners := 0
	for range many {
		switch err := <-errs; {
		case err == nil:
			winners++
		case !errors.Is(err, journey.ErrSuspended):
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if winners != 1 {
		t.Errorf("seed %d: %d of %d went on", seed, winners, many)
	}
	if n := len(c.sessions.byJourney); n > 1 || tree == "Link" && n != 1 {
		t.Errorf("seed %d: %d sessions", seed, n)
	}
}

// TestSuspendUnderFaults: with a store that loses, doubles and delays what it is
// asked, nobody goes on with a journey twice, and who is told that it is
// unavailable may try again until it was.
func TestSuspendUnderFaults(t *testing.T) {
	overStores(t, func(t *testing.T, in where) {
		for seed := range uint64(15) {
			synctest.Test(t, func(t *testing.T) {
				c, sent := mailing(t, in, 3)
				defer c.close()
				first := c.members[0].start(t, "Mail")
				c.tokens.random(seed, 0.4, 5*time.Millisecond)
				for try := 0; ; try++ {
					_, err := c.members[try%3].answer(t, first.Ref, "demo")
					if err == nil {
						break
					}
					wantUnavailable(t, err)
				}
				id := sent.last(t)
				for _, mail := range sent.sent {
					if mail != sent.sent[0] {
						t.Errorf("seed %d: two ids in mails", seed)
					}
				}
				if c.tokens.at(tokenKey{token.Suspended, tokenOf(id)}, c.tokens.index).Seq != 1 {
					t.Errorf("seed %d: who was told of a suspension cannot come back", seed)
				}
				wins, lost := 0, 0
				for try := range 30 {
					_, err := c.members[try%3].back(t, id)
					switch _, away := errors.AsType[*session.UnavailableError](err); {
					case err == nil:
						wins++
					case away && wins == 0:
						lost++
					case !away && !errors.Is(err, journey.ErrSuspended):
						t.Errorf("seed %d: %v", seed, err)
					}
				}
				if wins > 1 || wins == 0 && lost == 0 {
					t.Errorf("seed %d: %d went on, %d were told to come back", seed, wins, lost)
				}
			})
		}
	})
}

// TestSuspendIsDecided: a link that was mailed for answers which never became the
// step opens nothing.
func TestSuspendIsDecided(t *testing.T) {
	for _, in := range []where{inMemory(), withClient()} {
		t.Run(in.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, sent := mailing(t, in, 3)
				defer c.close()
				first := c.members[0].start(t, "Mail")
				c.net.inject(func(from, to placement.MemberID) fault {
					switch {
					case from == "member-0":
						return fault{kind: refused}
					case to == "member-0":
						return fault{kind: loseAnswer}
					}
					return fault{kind: refused}
				})
				_, err := c.members[1].answer(t, first.Ref, "demo")
				wantUnavailable(t, err)
				c.net.inject(nil)
				c.kill("member-0")
				id := sent.last(t)
				if _, err := c.members[1].answer(t, first.Ref, "other"); err != nil {
					t.Fatal(err)
				}
				_, err = c.members[2].back(t, id)
				wantNotSuspended(t, err)
				if _, err := c.members[2].back(t, sent.last(t)); err != nil {
					t.Errorf("the link of the step that was made: %v", err)
				}
			})
		})
	}
}

// TestResumeAgain: who could not be let on because something was away comes back
// with the same link.
func TestResumeAgain(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c, sent := mailing(t, in, 2)
		defer c.close()
		first := c.members[0].start(t, "Link")
		if _, err := c.members[0].answer(t, first.Ref, "demo"); err != nil {
			t.Fatal(err)
		}
		id := sent.last(t)
		c.tokens.inject(func() storeFault { return storeFault{before: true} })
		_, err := c.members[0].back(t, id)
		wantUnavailable(t, err)
		c.tokens.inject(nil)
		c.users.err.Store(&identity.ErrUnavailable)
		if _, err := c.members[0].back(t, id); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("without the users: %v", err)
		}
		c.users.err.Store(nil)
		if done, err := c.members[1].back(t, id); err != nil || !done.Done.Success {
			t.Errorf("with all: %+v, %v", done.Done, err)
		}
		_, err = c.members[0].back(t, id)
		wantNotSuspended(t, err)
	})
}

// TestSuspendedTime: an id is good until the realm's time is over, or the
// journey's if that is sooner.
func TestSuspendedTime(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c, sent := mailing(t, in, 2)
		defer c.close()
		settings := func(duration, most string) {
			c.members[0].docs.put(realm.KindSettings, realm.DocumentAuthentication, `{"trees":{
				"authenticationSessionsStateManagement":"`+in.setting+`","suspendedAuthenticationTimeout":`+duration+`,"authenticationSessionsMaxDuration":`+most+`}}`)
			for _, m := range c.members {
				m.catalog.Invalidate(realm.KindSettings, realm.Root)
			}
		}
		for _, tc := range []struct {
			duration, most string
			wait           time.Duration
			good           bool
		}{
			{"2", "5", 2*time.Minute - time.Second, true},
			{"2", "5", 2 * time.Minute, false},
			{"5", "3", 3*time.Minute - time.Second, true},
			{"5", "3", 3 * time.Minute, false},
			{"2", "5", time.Hour, false},
		} {
			settings(tc.duration, tc.most)
			first := c.members[0].start(t, "Mail")
			if _, err := c.members[0].answer(t, first.Ref, "demo"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(tc.wait)
			reply, err := c.members[1].back(t, sent.last(t))
			switch {
			case tc.good && (err != nil || reply.Ask == nil):
				t.Errorf("%+v: %v", tc, err)
			case !tc.good:
				wantNotSuspended(t, err)
			}
		}
		time.Sleep(time.Hour)
		if n := c.tokens.live(token.Suspended) + c.tokens.live(token.Journey); n != 0 {
			t.Errorf("%d tokens are still there", n)
		}
		for _, m := range c.members {
			if got := m.Metrics(); got.Waiting+got.Ended+got.Stored != 0 {
				t.Errorf("%+v", got)
			}
		}
	})
}

// TestSuspendedElsewhere: where the realm says so, a journey is resumed only in
// the browser that was there when it was suspended.
func TestSuspendedElsewhere(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c, sent := mailing(t, in, 2)
		defer c.close()
		c.members[0].docs.put(realm.KindSettings, realm.DocumentSojourn, `{"journeys":{"resumeElsewhere":false}}`)
		c.members[0].docs.put(realm.KindGlobal, realm.DocumentServerSecurity, `{"amconfig.header.cookie":{"com.iplanet.am.cookie.secure":true}}`)
		for _, m := range c.members {
			m.catalog.Invalidate(realm.KindSettings, realm.Root)
		}
		first := c.members[0].start(t, "Mail")
		waiting, err := c.members[0].answer(t, first.Ref, "demo")
		if err != nil || len(waiting.Ask.Cookies) != 1 {
			t.Fatalf("%+v, %v", waiting.Ask, err)
		}
		cookie := waiting.Ask.Cookies[0]
		if !cookie.Secure || !cookie.HTTPOnly || cookie.SameSite != "lax" || cookie.MaxAge != 5*time.Minute || cookie.Check() != nil {
			t.Errorf("the cookie: %+v", cookie)
		}
		again, err := c.members[0].answer(t, first.Ref, "demo")
		if err != nil || len(again.Ask.Cookies) != 1 || again.Ask.Cookies[0] != cookie {
			t.Errorf("the same answers: %+v, %v", again.Ask, err)
		}
		id := sent.last(t)
		for name, header := range map[string]string{
			"none": "", "another": cookie.Name + "=x", "the id": cookie.Name + "=" + string(id), "another name": "x=" + cookie.Value,
		} {
			_, err := c.members[1].ResumeSuspended(t.Context(), journey.ResumeSuspendedRequest{
				Realm: realm.Root, ID: id, Request: node.Request{Headers: map[string][]string{"Cookie": {header}}},
			})
			if !errors.Is(err, journey.ErrSuspended) {
				t.Errorf("cookie %s: %v", name, err)
			}
		}
		reply, err := c.members[1].ResumeSuspended(t.Context(), journey.ResumeSuspendedRequest{
			Realm: realm.Root, ID: id,
			Request: node.Request{Headers: map[string][]string{"Cookie": {cookie.Name + "=" + cookie.Value}}},
		})
		if err != nil || reply.Ask == nil {
			t.Errorf("with the cookie: %+v, %v", reply, err)
		}
	})
}

// TestNotSuspended: what is no id of a suspended journey is refused, and opens
// nothing in another realm.
func TestNotSuspended(t *testing.T) {
	c, sent := mailing(t, inMemory(), 1)
	first := c.members[0].start(t, "Mail")
	if _, err := c.members[0].answer(t, first.Ref, "demo"); err != nil {
		t.Fatal(err)
	}
	id := sent.last(t)
	for _, other := range []journey.SuspendedID{
		"", "x", id[1:], id + "A", id[:26] + "!", journey.SuspendedID(strings.Repeat("A", 27)), journey.SuspendedID(strings.Repeat("A", 1<<20)),
	} {
		_, err := c.members[0].back(t, other)
		wantNotSuspended(t, err)
	}
	_, err := c.members[0].ResumeSuspended(t.Context(), journey.ResumeSuspendedRequest{Realm: "/alpha", ID: id})
	wantNotSuspended(t, err)
	for _, all := range c.tokens.history {
		for _, stored := range all {
			if bytes.Contains(stored.Body, []byte("demo")) || bytes.Contains(stored.Body, []byte(id)) {
				t.Error("a token holds what it should hide")
			}
			if _, err := c.members[0].sealer.open(stored); stored.Kind == token.Suspended && err == nil {
				t.Error("what is suspended opens without its id")
			}
		}
	}
	if got := c.members[0].Metrics(); got.Suspended != 1 || got.Resumed != 0 || got.NotResumed != 8 {
		t.Errorf("%+v", got)
	}
	c.members[0].config.Stored = nil
	_, err = c.members[0].back(t, id)
	wantUnavailable(t, err)
	next := c.members[0].start(t, "Mail")
	_, err = c.members[0].answer(t, next.Ref, "demo")
	wantUnavailable(t, err)
}
