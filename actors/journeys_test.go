package actors

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// testMember is a member with stores in memory.
type testMember struct {
	*Journeys
	catalog  *Catalog
	docs     *memoryDocuments
	users    *testUsers
	sessions *memorySessions
	tokens   *memoryTokens
	dead     bool // killed
}

func newMember(t testing.TB, now func() time.Time) *testMember {
	t.Helper()
	m := &testMember{
		docs:     &memoryDocuments{},
		users:    &testUsers{password: "secret"},
		sessions: &memorySessions{byJourney: map[[16]byte]session.Session{}},
		tokens:   newTokens(now),
	}
	m.open(t, now, func(*Config) {})
	m.publishLogin("Login", "User Name")
	m.publishSteps("Steps")
	return m
}

// open starts the member over its stores, with a configuration that change has
// seen.
func (m *testMember) open(t testing.TB, now func() time.Time, change func(*Config)) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	m.catalog = NewCatalog(m.docs, testTypes(), realm.DefaultDeployment(), logger, now)
	alone := placement.NewView(1, placement.Member{ID: "one", Protocol: placement.Protocol})
	c := Config{
		Self:      "one",
		View:      func() placement.View { return alone },
		Catalog:   m.catalog,
		Users:     m.users,
		Sessions:  m.sessions,
		Stored:    m.tokens,
		Keys:      testKeys(),
		DigestKey: make([]byte, 32),
		Suffix:    "ou=am-config",
		Meter:     &Meters{},
		Logger:    logger,
		Now:       now,
		Rand:      rand.Reader,
	}
	change(&c)
	j, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.Journeys = j
	t.Cleanup(j.Close)
}

const (
	pageID  = "00000000-0000-4000-8000-000000000001"
	userID  = "00000000-0000-4000-8000-000000000002"
	passID  = "00000000-0000-4000-8000-000000000003"
	checkID = "00000000-0000-4000-8000-000000000004"
	firstID = "00000000-0000-4000-8000-000000000005"
	msgID   = "00000000-0000-4000-8000-000000000006"
	ok      = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0"
	bad     = "e301438c-0bd0-429c-ab0c-66126501069a"
)

// publishLogin stores a tree of one page and a check.
func (m *testMember) publishLogin(name, header string) {
	m.docs.put(realm.KindNode, pageID, fmt.Sprintf(`{"_type":{"_id":"PageNode"},"pageHeader":{"en":%q},"nodes":[
		{"_id":%q,"nodeType":"UsernameCollectorNode"},{"_id":%q,"nodeType":"PasswordCollectorNode"}]}`, header, userID, passID))
	m.docs.put(realm.KindNode, userID, `{"_type":{"_id":"UsernameCollectorNode"}}`)
	m.docs.put(realm.KindNode, passID, `{"_type":{"_id":"PasswordCollectorNode"}}`)
	m.docs.put(realm.KindNode, checkID, `{"_type":{"_id":"DataStoreDecisionNode"}}`)
	m.docs.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"PageNode","connections":{"outcome":%q}},
		%q:{"nodeType":"DataStoreDecisionNode","connections":{"true":%q,"false":%q}}}}`, pageID, pageID, checkID, checkID, ok, bad))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

// publishSteps stores a tree that asks name, password and a message in turn.
func (m *testMember) publishSteps(name string) {
	m.docs.put(realm.KindNode, firstID, `{"_type":{"_id":"UsernameCollectorNode"}}`)
	m.docs.put(realm.KindNode, msgID, `{"_type":{"_id":"MessageNode"}}`)
	m.docs.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"UsernameCollectorNode","connections":{"outcome":%q}},
		%q:{"nodeType":"PasswordCollectorNode","connections":{"outcome":%q}},
		%q:{"nodeType":"MessageNode","connections":{"true":%q,"false":%q}},
		%q:{"nodeType":"DataStoreDecisionNode","connections":{"true":%q,"false":%q}}}}`,
		firstID, firstID, passID, passID, msgID, msgID, checkID, bad, checkID, ok, bad))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

func (m *testMember) start(t testing.TB, tree string) journey.Reply {
	t.Helper()
	reply, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: tree})
	if err != nil {
		t.Fatalf("start %s: %v", tree, err)
	}
	if reply.Ask == nil {
		t.Fatalf("start %s did not ask: %+v", tree, reply.Done)
	}
	return reply
}

func (m *testMember) answer(t testing.TB, ref journey.Ref, values ...string) (journey.Reply, error) {
	t.Helper()
	return m.Resume(t.Context(), resumeWith(ref, values...))
}

// acts answers a step at this very member, whoever ranks first.
func (m *testMember) acts(t testing.TB, ref journey.Ref, values ...string) (journey.Reply, error) {
	t.Helper()
	request := resumeWith(ref, values...)
	d, err := m.digester.of(request.Answers)
	if err != nil {
		t.Fatal(err)
	}
	own := &resume{errand: m.errand(t.Context()), request: request, digest: d}
	return m.here(t.Context(), ref.Journey, own, &own.offer)
}

// resumeWith answers name, password, or both, by the number of values; a
// single value that is "yes" presses a button.
func resumeWith(ref journey.Ref, values ...string) journey.ResumeRequest {
	var answers []callback.Answer
	switch {
	case len(values) == 2:
		answers = []callback.Answer{{Type: callback.Name, Values: []any{values[0]}}, {Type: callback.Password, Values: []any{values[1]}}}
	case values[0] == "yes":
		answers = []callback.Answer{{Type: callback.TextOutput}, {Type: callback.Confirmation, Values: []any{0}}}
	case values[0] == "demo" || values[0] == "other":
		answers = []callback.Answer{{Type: callback.Name, Values: []any{values[0]}}}
	default:
		answers = []callback.Answer{{Type: callback.Password, Values: []any{values[0]}}}
	}
	return journey.ResumeRequest{Ref: ref, Answers: answers}
}

func TestUnansweredStartLeavesNoTrace(t *testing.T) { overStores(t, testUnansweredStartLeavesNoTrace) }

func testUnansweredStartLeavesNoTrace(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	for range 1000 {
		reply := m.start(t, "Login")
		if len(reply.Ref.Trace) == 0 {
			t.Fatal("the start of a pure tree carries no trace")
		}
	}
	if got := m.Metrics(); got.Waiting != 0 || got.Ended != 0 || got.Active != 0 || got.Started != 1000 {
		t.Errorf("after 1000 starts: %+v", got)
	}
}

func TestLogin(t *testing.T) { overStores(t, testLogin) }

func testLogin(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	first := m.start(t, "Login")
	reply, err := m.answer(t, first.Ref, "demo", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if reply.Done == nil || !reply.Done.Success || reply.Token == "" {
		t.Fatalf("reply %+v", reply)
	}
	id, index, err := m.config.Keys.Parse(reply.Token)
	if err != nil || id != reply.Done.Session.ID || index == 0 {
		t.Errorf("token: id %v index %d err %v, session %v", id, index, err, reply.Done.Session.ID)
	}

	again, err := m.answer(t, first.Ref, "demo", "secret")
	if err != nil || again.Token != reply.Token {
		t.Errorf("the same answer again: %v, same token %v", err, again.Token == reply.Token)
	}
	if calls, created := m.users.checks.Load(), m.sessions.calls.Load(); calls != 1 || created != 1 {
		t.Errorf("%d password checks and %d creates for one login", calls, created)
	}
	if _, err := m.answer(t, first.Ref, "demo", "other"); !errors.Is(err, journey.ErrGone) {
		t.Errorf("another answer to a finished step: %v, want ErrGone", err)
	}
}

func TestWrongPasswordEndsTheJourney(t *testing.T) { overStores(t, testWrongPasswordEndsTheJourney) }

func testWrongPasswordEndsTheJourney(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	first := m.start(t, "Login")
	reply, err := m.answer(t, first.Ref, "demo", "guess")
	if err != nil || reply.Done == nil || reply.Done.Success {
		t.Fatalf("reply %+v, %v", reply, err)
	}
	if _, err := m.answer(t, first.Ref, "demo", "secret"); !errors.Is(err, journey.ErrGone) {
		t.Errorf("a second guess on a finished journey: %v, want ErrGone", err)
	}
	if m.sessions.calls.Load() != 0 {
		t.Error("a failed login created a session")
	}
}

func TestStepsAreRetrySafe(t *testing.T) { overStores(t, testStepsAreRetrySafe) }

func testStepsAreRetrySafe(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	first := m.start(t, "Steps")
	second, err := m.answer(t, first.Ref, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if second.Ref.Store != in.store {
		t.Errorf("the reference says that the journey waits in %d", second.Ref.Store)
	}
	repeat, err := m.answer(t, first.Ref, "demo")
	if err != nil || repeat.Ref.Step != second.Ref.Step || repeat.Ask.Callbacks[0].Type != callback.Password {
		t.Fatalf("repeat of the first answer: %+v, %v", repeat, err)
	}
	if _, err := m.answer(t, first.Ref, "other"); !errors.Is(err, journey.ErrGone) {
		t.Fatalf("another answer to an old step: %v, want ErrGone", err)
	}
	third, err := m.answer(t, second.Ref, "secret")
	if err != nil {
		t.Fatalf("the journey was harmed by a repeat: %v", err)
	}
	done, err := m.answer(t, third.Ref, "yes")
	if err != nil || !done.Done.Success {
		t.Fatalf("end: %+v %v", done, err)
	}
	if got := m.Metrics(); got.Waiting != 0 || got.Active != 0 || got.Ended != int64(bit(in != inStore())) {
		t.Errorf("after the end: %+v", got)
	}
}

func TestConcurrentRepeatsRunOnce(t *testing.T) { overStores(t, testConcurrentRepeatsRunOnce) }

func testConcurrentRepeatsRunOnce(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	m.users.gate = make(chan struct{})
	first := m.start(t, "Login")
	const many = 50
	tokens := make(chan session.TokenID, many)
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			reply, err := m.answer(t, first.Ref, "demo", "secret")
			if err != nil {
				t.Errorf("repeat: %v", err)
			}
			tokens <- reply.Token
		})
	}
	m.users.gate <- struct{}{} // one check is allowed; a second would hang the test
	wg.Wait()
	close(tokens)
	one := <-tokens
	for token := range tokens {
		if token != one {
			t.Error("repeats got different tokens")
		}
	}
	if m.users.checks.Load() != 1 || m.sessions.calls.Load() != 1 {
		t.Errorf("%d checks, %d creates", m.users.checks.Load(), m.sessions.calls.Load())
	}
}

// TestConcurrentGuessesOnOneStep: while one answer to a step is being checked,
// another one is refused; it must not share the reply of the first either.
func TestConcurrentGuessesOnOneStep(t *testing.T) {
	m := newMember(t, time.Now)
	m.users.gate, m.users.entered = make(chan struct{}), make(chan struct{})
	first := m.start(t, "Login")
	result := make(chan error, 1)
	go func() {
		reply, err := m.Resume(t.Context(), resumeWith(first.Ref, "demo", "secret"))
		if err == nil && !reply.Done.Success {
			err = errors.New("the right password was refused")
		}
		result <- err
	}()
	<-m.users.entered
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := m.answer(t, first.Ref, "demo", fmt.Sprintf("guess %d", i)); !errors.Is(err, journey.ErrGone) {
				t.Errorf("guess while another runs: %v, want ErrGone", err)
			}
		})
	}
	wg.Wait()
	m.users.gate <- struct{}{}
	if err := <-result; err != nil {
		t.Error(err)
	}
	if n := m.users.checks.Load(); n != 1 {
		t.Errorf("%d password checks for one step", n)
	}
}

func TestPinnedTree(t *testing.T) { overStores(t, testPinnedTree) }

func testPinnedTree(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	traceless, kept := m.start(t, "Login"), m.start(t, "Steps")
	second, err := m.answer(t, kept.Ref, "demo")
	if err != nil {
		t.Fatal(err)
	}
	m.docs.put(realm.KindNode, checkID, `{"_type":{"_id":"NoSuchNode"}}`)
	m.docs.put(realm.KindTree, "Steps", fmt.Sprintf(`{"entryNodeId":%q,"nodes":{%q:{"nodeType":"UsernameCollectorNode","connections":{"outcome":%q}}}}`, firstID, firstID, bad))
	m.publishLogin("Login", "Changed")
	m.catalog.Invalidate(realm.KindTree, realm.Root)

	if done, err := m.answer(t, traceless.Ref, "demo", "secret"); err != nil || !done.Done.Success {
		t.Errorf("a started journey was disturbed by publishing: %+v %v", done.Done, err)
	}
	third, err := m.answer(t, second.Ref, "secret")
	if err != nil {
		t.Fatalf("a waiting journey was disturbed by publishing: %v", err)
	}
	if done, err := m.answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
		t.Errorf("a waiting journey was disturbed by publishing: %+v %v", done.Done, err)
	}
	if got := m.start(t, "Login").Ask.Header; got != "Changed" {
		t.Errorf("a new journey shows %q", got)
	}
}

func TestZeroPage(t *testing.T) { overStores(t, testZeroPage) }

func testZeroPage(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	name, password := "demo", identity.Secret("secret")
	for _, tree := range []string{"Login"} {
		reply, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: tree, Username: &name, Password: &password})
		if err != nil || reply.Done == nil || !reply.Done.Success {
			t.Fatalf("%s: %+v %v", tree, reply, err)
		}
	}
	reply, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Steps", Username: &name, Password: &password})
	if err != nil || reply.Ask == nil || reply.Ask.Callbacks[0].Type != callback.TextOutput {
		t.Fatalf("name and password on two steps, then a message: %+v %v", reply, err)
	}
	reply, err = m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login", Username: &name})
	if err != nil || reply.Ask == nil || len(reply.Ref.Trace) == 0 {
		t.Fatalf("a name alone fills no page: %+v %v", reply, err)
	}
}

func TestExistingSession(t *testing.T) { overStores(t, testExistingSession) }

func testExistingSession(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	login := func(session *session.Session, force bool) (journey.Reply, error) {
		reply, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login", Session: session, ForceAuth: force})
		if err != nil || reply.Done != nil {
			return reply, err
		}
		r := resumeWith(reply.Ref, "demo", "secret")
		r.Session = session
		return m.Resume(t.Context(), r)
	}
	first, err := login(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	short, err := login(&first.Done.Session, false)
	if err != nil || !short.Existing || short.Done.Session.ID != first.Done.Session.ID {
		t.Errorf("short-cut: %+v %v", short, err)
	}
	upgraded, err := login(&first.Done.Session, true)
	if err != nil || upgraded.Existing || upgraded.Done.Session.ID == first.Done.Session.ID {
		t.Errorf("ForceAuth: %+v %v", upgraded, err)
	}
	if last := m.sessions.replaced.Load(); last == nil || *last != first.Done.Session.ID {
		t.Error("the upgrade did not replace the old session")
	}
	stranger := first.Done.Session
	stranger.Principal.UniversalID = "id=else,ou=user,ou=am-config"
	if _, err := login(&stranger, true); !errors.Is(err, journey.ErrOtherUser) {
		t.Errorf("upgrade as another user: %v", err)
	}
}

func TestMalformedAnswersKeepTheStep(t *testing.T) { overStores(t, testMalformedAnswersKeepTheStep) }

func testMalformedAnswersKeepTheStep(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	first := m.start(t, "Login")
	if _, err := m.answer(t, first.Ref, "demo"); !errors.Is(err, callback.ErrCount) {
		t.Fatalf("one answer for two: %v", err)
	}
	if reply, err := m.answer(t, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
		t.Fatalf("the right answer afterwards: %+v %v", reply, err)
	}
}

func TestUnknown(t *testing.T) {
	m := newMember(t, time.Now)
	if _, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Nothing"}); !errors.Is(err, journey.ErrNoTree) {
		t.Errorf("unknown tree: %v", err)
	}
	if _, err := m.Start(t.Context(), journey.StartRequest{Realm: "/nowhere"}); !errors.Is(err, journey.ErrNoRealm) {
		t.Errorf("unknown realm: %v", err)
	}
	ref := journey.Ref{Realm: realm.Root, Step: 1, Expires: time.Now().Add(time.Minute)}
	if _, err := m.answer(t, ref, "demo"); !errors.Is(err, journey.ErrGone) {
		t.Errorf("unknown journey: %v", err)
	}
}

func TestLimitOnWaitingJourneys(t *testing.T) {
	m := newMember(t, time.Now)
	m.slots.maxWaiting = 1
	a, b := m.start(t, "Steps"), m.start(t, "Steps")
	waiting, err := m.answer(t, a.Ref, "demo")
	if err != nil {
		t.Fatal(err)
	}
	var away *session.UnavailableError
	if _, err := m.answer(t, b.Ref, "demo"); !errors.As(err, &away) {
		t.Errorf("beyond the limit: %v, want unavailable", err)
	}
	if _, err := m.answer(t, waiting.Ref, "secret"); err != nil {
		t.Errorf("a journey already begun: %v", err)
	}
}

func TestCloseAnswersThoseWhoWait(t *testing.T) { overStores(t, testCloseAnswersThoseWhoWait) }

func testCloseAnswersThoseWhoWait(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	m.users.gate, m.users.entered = make(chan struct{}), make(chan struct{})
	first := m.start(t, "Login")
	result := make(chan error, 1)
	go func() {
		_, err := m.Resume(t.Context(), resumeWith(first.Ref, "demo", "secret"))
		result <- err
	}()
	<-m.users.entered
	m.Close()
	var away *session.UnavailableError
	if err := <-result; !errors.As(err, &away) {
		t.Errorf("a request during Close: %v", err)
	}
}
