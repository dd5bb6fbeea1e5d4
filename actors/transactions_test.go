package actors

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/actors/transaction"
	"sojourn/cts/session"
)

// publishPay stores a tree that asks whether to pay, for transactions alone.
func (m *testMember) publishPay(name string) {
	m.docs.put(realm.KindNode, msgID, `{"_type":{"_id":"MessageNode"}}`)
	m.docs.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"transactionalOnly":true,"nodes":{
		%q:{"nodeType":"MessageNode","connections":{"true":%q,"false":%q}}}}`, msgID, msgID, ok, bad))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

// payments is a cluster in which payments are authorised, and a session there.
type payments struct {
	*testCluster
	t     *testing.T
	all   *Transactions
	store *memoryTokens
	demo  session.Session
}

func newPayments(t *testing.T) *payments {
	t.Helper()
	p := &payments{t: t, store: newTokens(time.Now)}
	p.all = NewTransactions(p.store, rand.Reader, time.Now)
	p.testCluster = newClusterWith(t, 3, func(own *Config) { own.Transactions = p.all })
	p.members[0].publishPay("Pay")
	done, err := p.members[0].answer(t, p.members[0].start(t, "Login").Ref, "demo", "secret")
	if err != nil {
		t.Fatal(err)
	}
	p.demo = done.Done.Session
	return p
}

func (p *payments) initiate(q transaction.Request) transaction.ID {
	p.t.Helper()
	q.Tree = "Pay"
	id, err := p.all.Initiate(p.t.Context(), realm.Root, q)
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// begin starts the journey of a transaction at a member.
func (p *payments) begin(at int, id transaction.ID, x *session.Session) (journey.Reply, error) {
	p.t.Helper()
	tree, j, err := p.all.Begin(p.t.Context(), realm.Root, id, x)
	if err != nil {
		return journey.Reply{}, err
	}
	return p.members[at].Start(p.t.Context(), journey.StartRequest{Realm: realm.Root, Tree: tree, Transaction: &j, Session: x, ForceAuth: true})
}

// press answers the question of the journey.
func (p *payments) press(at int, ref journey.Ref, button int, x *session.Session) (journey.Reply, error) {
	p.t.Helper()
	return p.members[at].Resume(p.t.Context(), journey.ResumeRequest{Ref: ref, Session: x, Answers: []callback.Answer{
		{Type: callback.TextOutput}, {Type: callback.Confirmation, Values: []any{float64(button)}},
	}})
}

func (p *payments) expect(id transaction.ID, state transaction.State, result transaction.Result) {
	p.t.Helper()
	found, err := p.all.Transaction(p.t.Context(), realm.Root, id)
	if err != nil || found.State != state || found.Result != result {
		p.t.Errorf("the transaction is %s, %s, %v; want %s, %s", found.State, found.Result, err, state, result)
	}
}

// A transaction is approved once, at any member, in its session, which stays as
// it is.
func TestTransaction(t *testing.T) {
	p := newPayments(t)
	before := p.sessions.calls.Load()
	id := p.initiate(transaction.Request{Session: p.demo.ID.Handle(), Data: json.RawMessage(`{"amount":5}`)})
	p.expect(id, transaction.Created, transaction.Unknown)
	first, err := p.begin(0, id, &p.demo)
	if err != nil || first.Ask == nil {
		t.Fatalf("begun: %+v, %v", first, err)
	}
	p.expect(id, transaction.InProgress, transaction.Unknown)
	second, err := p.begin(1, id, &p.demo)
	if err != nil {
		t.Fatal(err)
	}
	done, err := p.press(2, first.Ref, 0, &p.demo)
	if err != nil || !done.Done.Success || !done.Done.Transaction || done.Token != "" {
		t.Fatalf("approved: %+v, %v", done.Done, err)
	}
	p.expect(id, transaction.Completed, transaction.Approved)
	if again, err := p.press(1, first.Ref, 0, &p.demo); err != nil || !again.Done.Success || !again.Done.Transaction {
		t.Errorf("the same answer again: %+v, %v", again.Done, err)
	}
	if late, err := p.press(0, second.Ref, 0, &p.demo); err != nil || late.Done.Success {
		t.Errorf("a second journey approved it as well: %+v, %v", late.Done, err)
	}
	if _, err := p.begin(0, id, &p.demo); !errors.Is(err, transaction.ErrUnknown) {
		t.Errorf("begun again: %v", err)
	}
	if made := p.sessions.calls.Load() - before; made != 0 {
		t.Errorf("%d sessions were made", made)
	}
}

func TestTransactionDenied(t *testing.T) {
	p := newPayments(t)
	for _, patient := range []bool{false, true} {
		id := p.initiate(transaction.Request{Subject: "demo", Retry: patient})
		first, err := p.begin(0, id, &p.demo)
		if err != nil {
			t.Fatal(err)
		}
		if done, err := p.press(1, first.Ref, 1, &p.demo); err != nil || done.Done.Success {
			t.Fatalf("refused: %+v, %v", done.Done, err)
		}
		if !patient {
			p.expect(id, transaction.Completed, transaction.Denied)
			continue
		}
		p.expect(id, transaction.InProgress, transaction.Unknown)
		again, err := p.begin(2, id, &p.demo)
		if err != nil {
			t.Fatal(err)
		}
		if done, err := p.press(0, again.Ref, 0, &p.demo); err != nil || !done.Done.Success {
			t.Errorf("tried again: %+v, %v", done.Done, err)
		}
		p.expect(id, transaction.Completed, transaction.Approved)
	}
}

// However a journey fails, it was the one attempt that there is: also by a node
// that cannot run, or by nobody who succeeds.
func TestTransactionDeniedByAFault(t *testing.T) {
	p := newPayments(t)
	const faulty = "0f3e0000-0000-4000-8000-000000000001"
	p.members[0].docs.put(realm.KindTree, "Faulty", fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"MessageNode","connections":{"true":%q,"false":%q}},
		%q:{"nodeType":"NobodyKnowsThisNode","connections":{"true":%q}}}}`, msgID, msgID, faulty, bad, faulty, ok))
	p.members[0].catalog.Invalidate(realm.KindTree, realm.Root)
	for name, c := range map[string]struct {
		tree string
		x    *session.Session
	}{
		"a node's fault": {"Faulty", &p.demo}, "nobody": {"Pay", nil},
	} {
		id, err := p.all.Initiate(t.Context(), realm.Root, transaction.Request{Tree: c.tree})
		if err != nil {
			t.Fatal(err)
		}
		first, err := p.begin(0, id, c.x)
		if err != nil || first.Ask == nil {
			t.Fatalf("%s: %+v, %v", name, first, err)
		}
		if done, err := p.press(0, first.Ref, 0, c.x); err != nil || done.Done == nil || done.Done.Success {
			t.Errorf("%s: %+v, %v", name, done.Done, err)
		}
		p.expect(id, transaction.Completed, transaction.Denied)
	}
}

// Only whom it is for can approve a transaction, and a tree for transactions
// runs for nothing else.
func TestTransactionOfOthers(t *testing.T) {
	p := newPayments(t)
	other := p.demo
	other.ID, other.Principal.Username, other.Principal.UniversalID = session.ID{9}, "other", "id=other,ou=user,ou=am-config"
	tied := p.initiate(transaction.Request{Session: p.demo.ID.Handle()})
	for name, x := range map[string]*session.Session{"another session": &other, "no session": nil} {
		if _, err := p.begin(0, tied, x); !errors.Is(err, transaction.ErrSession) {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, err := p.begin(0, tied, &p.demo)
	if err != nil {
		t.Fatal(err)
	}
	second := p.demo
	second.ID = session.ID{8}
	for name, x := range map[string]*session.Session{"another session": &other, "no session": nil, "another session of the user": &second} {
		again, err := p.begin(0, tied, &p.demo)
		if err != nil {
			t.Fatal(err)
		}
		if done, err := p.press(0, again.Ref, 0, x); !errors.Is(err, journey.ErrOtherUser) && (err != nil || done.Done.Success) {
			t.Errorf("approved with %s: %+v, %v", name, done.Done, err)
		}
	}
	p.expect(tied, transaction.InProgress, transaction.Unknown)
	if done, err := p.press(0, first.Ref, 0, &p.demo); err != nil || !done.Done.Success {
		t.Errorf("approved: %+v, %v", done.Done, err)
	}

	named := p.initiate(transaction.Request{Subject: "demo"})
	anybody, err := p.begin(0, named, nil)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := p.press(0, anybody.Ref, 0, nil); err != nil || done.Done.Success {
		t.Errorf("approved by nobody: %+v, %v", done.Done, err)
	}
	if _, err := p.all.Transaction(t.Context(), "/alpha", tied); !errors.Is(err, transaction.ErrUnknown) {
		t.Errorf("seen from another realm: %v", err)
	}
	if _, err := p.members[0].Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Pay"}); !errors.Is(err, journey.ErrNoTree) {
		t.Errorf("the tree by itself: %v", err)
	}
}

// Of many journeys that approve and deny a transaction at the same time one
// decides.
func TestTransactionIsDecidedOnce(t *testing.T) {
	p := newPayments(t)
	id := p.initiate(transaction.Request{Subject: "demo"})
	const journeys = 9
	refs := make([]journey.Ref, journeys)
	for i := range refs {
		first, err := p.begin(i%3, id, &p.demo)
		if err != nil {
			t.Fatal(err)
		}
		refs[i] = first.Ref
	}
	approved := make([]bool, journeys)
	var all sync.WaitGroup
	for i := range refs {
		all.Go(func() {
			done, err := p.press((i+1)%3, refs[i], i%2, &p.demo)
			approved[i] = err == nil && done.Done.Success
		})
	}
	all.Wait()
	var n uint32
	for _, ok := range approved {
		n += bit(ok)
	}
	found, err := p.all.Transaction(t.Context(), realm.Root, id)
	if err != nil || found.State != transaction.Completed || n != bit(found.Result == transaction.Approved) {
		t.Errorf("%d journeys approved what is %s, %s, %v", n, found.State, found.Result, err)
	}
}

// A store that is away leaves the journey where it was, and what is asked again
// after an answer was lost has the same outcome.
func TestTransactionAndTheStore(t *testing.T) {
	p := newPayments(t)
	id := p.initiate(transaction.Request{Subject: "demo"})
	first, err := p.begin(0, id, &p.demo)
	if err != nil {
		t.Fatal(err)
	}
	var away *session.UnavailableError
	p.store.inject(func() storeFault { return storeFault{before: true} })
	if _, err := p.press(0, first.Ref, 0, &p.demo); !errors.As(err, &away) {
		t.Errorf("the store is away: %v", err)
	}
	n := 0
	p.store.inject(func() storeFault { n++; return storeFault{after: n == 2} }) // reads, then writes
	if _, err := p.press(1, first.Ref, 0, &p.demo); !errors.As(err, &away) {
		t.Errorf("the answer of the store is lost: %v", err)
	}
	p.store.inject(nil)
	p.expect(id, transaction.Completed, transaction.Approved)
	if done, err := p.press(2, first.Ref, 0, &p.demo); err != nil || !done.Done.Success {
		t.Errorf("asked again: %+v, %v", done.Done, err)
	}
	p.store.inject(func() storeFault { return storeFault{behind: 1} })
	p.expect(id, transaction.Completed, transaction.Approved) // also where it is not known yet
}
