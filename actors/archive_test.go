package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
	"sojourn/cts/session"
)

func (m *memoryDocuments) PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error) {
	was, err := m.Document(ctx, d.Kind, d.Realm, d.ID)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fault.Load(); err != nil {
		return realm.Document{}, false, *err
	}
	i := slices.IndexFunc(m.docs, func(x realm.Document) bool { return x.Kind == d.Kind && x.Realm == d.Realm && x.ID == d.ID })
	if i >= 0 && was.Rev != m.docs[i].Rev || i >= 0 && p.IfNoneMatch || p.IfMatch != "" && (i < 0 || p.IfMatch != m.docs[i].Rev) {
		return realm.Document{}, false, realm.ErrConflict
	}
	m.writes++
	d.Rev = strconv.Itoa(m.writes)
	if i >= 0 {
		m.docs[i] = d
	} else {
		m.docs = append(m.docs, d)
	}
	return d, err != nil, nil
}

func (m *memoryDocuments) DeleteDocument(_ context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (realm.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.docs, func(x realm.Document) bool { return x.Kind == kind && x.Realm == r && x.ID == id })
	switch {
	case i < 0:
		return realm.Document{}, realm.ErrNoDocument
	case p.IfMatch != "" && p.IfMatch != m.docs[i].Rev:
		return realm.Document{}, realm.ErrConflict
	}
	was := m.docs[i]
	m.docs = slices.Delete(m.docs, i, i+1)
	return was, nil
}

// versions are the stored versions of a tree.
func (m *memoryDocuments) versions(t testing.TB, name string) map[string]archived {
	t.Helper()
	found := map[string]archived{}
	all, _ := m.Documents(t.Context(), realm.KindVersion, realm.Root)
	for _, d := range all {
		a, err := decodeArchived(d)
		if err != nil {
			t.Fatal(err)
		}
		if a.Tree == name {
			found[d.ID] = a
		}
	}
	return found
}

// publishMessage stores a tree that shows a message and ends.
func (m *memoryDocuments) publishMessage(name, message string) {
	m.put(realm.KindNode, msgID, fmt.Sprintf(`{"_type":{"_id":"MessageNode"},"message":{"en":%q}}`, message))
	m.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{%q:{"nodeType":"MessageNode","connections":{"true":%q,"false":%q}}}}`,
		msgID, msgID, ok, bad))
}

func (c *testCluster) invalidate() {
	for _, m := range c.members {
		m.catalog.Invalidate(realm.KindTree, realm.Root)
	}
}

// A journey goes on with its version at a member that was started after the
// version was replaced, and every member of the time before is gone.
func TestVersionsOutliveMembers(t *testing.T) {
	c := newCluster(t, 3)
	before := c.members[0].start(t, "Login")
	c.members[0].publishLogin("Login", "Changed")
	c.docs.put(realm.KindNode, checkID, `{"_type":{"_id":"NoSuchNode"}}`)
	c.invalidate()
	if got := c.members[1].start(t, "Login").Ask.Header; got != "Changed" {
		t.Fatalf("a new journey shows %q", got)
	}
	fresh := c.add()
	c.see(c.ids()...)
	done, err := fresh.acts(t, before.Ref, "demo", "secret")
	if err != nil || done.Done == nil || !done.Done.Success {
		t.Fatalf("at a member that never saw the version: %+v, %v", done.Done, err)
	}
	if n := c.net.total(); n != 0 {
		t.Errorf("%d members were asked", n)
	}
}

// What running journeys see of changes: nothing.
func TestVersionsAreUndisturbed(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *testMember)
	}{
		{"tree deleted", func(m *testMember) { m.docs.remove(realm.KindTree, "Login") }},
		{"tree disabled", func(m *testMember) { m.docs.put(realm.KindTree, "Login", `{"enabled":false,"entryNodeId":"`+ok+`"}`) }},
		{"tree unreadable", func(m *testMember) { m.docs.put(realm.KindTree, "Login", `[]`) }},
		{"node deleted", func(m *testMember) { m.docs.remove(realm.KindNode, checkID) }},
		{"page deleted", func(m *testMember) { m.docs.remove(realm.KindNode, pageID) }},
		{"child deleted", func(m *testMember) { m.docs.remove(realm.KindNode, passID) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			before := c.members[0].start(t, "Login")
			tt.change(c.members[0])
			fresh := c.add()
			c.see(c.ids()...)
			if done, err := fresh.acts(t, before.Ref, "demo", "secret"); err != nil || done.Done == nil || !done.Done.Success {
				t.Errorf("got %+v, %v", done.Done, err)
			}
		})
	}
	t.Run("inner tree changed", func(t *testing.T) {
		c := newCluster(t, 1)
		const callID = "00000000-0000-4000-8000-000000000009"
		c.docs.put(realm.KindNode, callID, `{"_type":{"_id":"InnerTreeEvaluatorNode"},"tree":"Login"}`)
		c.docs.put(realm.KindTree, "Outer", fmt.Sprintf(`{"entryNodeId":%q,"nodes":{%q:{"nodeType":"InnerTreeEvaluatorNode","connections":{"true":%q,"false":%q}}}}`,
			callID, callID, ok, bad))
		c.invalidate()
		before := c.members[0].start(t, "Outer")
		c.docs.remove(realm.KindTree, "Login")
		fresh := c.add()
		c.see(c.ids()...)
		if done, err := fresh.acts(t, before.Ref, "demo", "secret"); err != nil || done.Done == nil || !done.Done.Success {
			t.Errorf("got %+v, %v", done.Done, err)
		}
	})
	t.Run("realm deleted", func(t *testing.T) { // its journeys end with it
		c := newCluster(t, 1)
		c.docs.put(realm.KindRealm, "/gone", `{}`)
		for _, d := range slices.Clone(c.docs.docs) {
			if d.Realm = "/gone"; d.Kind != realm.KindRealm {
				c.docs.docs = append(c.docs.docs, d)
			}
		}
		reply, err := c.members[0].Start(t.Context(), journey.StartRequest{Realm: "/gone", Tree: "Login"})
		if err != nil {
			t.Fatal(err)
		}
		c.docs.remove(realm.KindRealm, "/gone")
		c.members[0].catalog.Invalidate(realm.KindRealm, realm.Root)
		if _, err := c.members[0].answer(t, reply.Ref, "demo", "secret"); !errors.Is(err, journey.ErrNoRealm) {
			t.Errorf("got %v", err)
		}
	})
}

func (m *memoryDocuments) remove(kind realm.DocumentKind, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.docs = slices.DeleteFunc(m.docs, func(d realm.Document) bool { return d.Kind == kind && d.ID == id })
}

// Publishing and rolling back while journeys begin and go on anywhere: each sees
// one version from its first page to its end.
func TestPublishingUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		publish := func(header string) {
			c.docs.put(realm.KindNode, msgID, fmt.Sprintf(`{"_type":{"_id":"MessageNode"},"message":{"en":%q}}`, header))
			c.docs.put(realm.KindNode, pageID, fmt.Sprintf(`{"_type":{"_id":"PageNode"},"pageHeader":{"en":%q},"nodes":[{"_id":%q,"nodeType":"UsernameCollectorNode"}]}`, header, userID))
			for i := range c.members { // they hear of it one after the other
				c.members[(i+len(header))%3].catalog.Invalidate(realm.KindNode, realm.Root)
			}
		}
		c.docs.put(realm.KindTree, "Twice", fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
			%q:{"nodeType":"PageNode","connections":{"outcome":%q}},
			%q:{"nodeType":"MessageNode","connections":{"true":%q,"false":%q}}}}`, pageID, pageID, msgID, msgID, ok, bad))
		publish("a")

		var work sync.WaitGroup
		stop := make(chan struct{})
		for seed := range uint64(2) { // two who publish at once
			random := rand.New(rand.NewPCG(1, seed))
			work.Go(func() {
				for range 100 {
					publish(string(rune('a' + random.IntN(5))))
					time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
				}
			})
		}
		var publishers sync.WaitGroup
		publishers.Go(func() { work.Wait(); close(stop) })
		var clients sync.WaitGroup
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(2, seed))
			clients.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := c.twice(t, random); err != nil {
						t.Errorf("journey %d: %v", n, err)
						return
					}
				}
			})
		}
		publishers.Wait()
		clients.Wait()
		if n := len(c.docs.versions(t, "Twice")); n < 5 {
			t.Errorf("only %d versions were kept", n)
		}
		c.close()
		synctest.Wait()
	})
}

// twice runs a journey of the tree Twice and checks that its page and its message
// are of one version, whichever: the two nodes are not written in one instant.
func (c *testCluster) twice(t *testing.T, random *rand.Rand) error {
	at := func() *testMember { return c.members[random.IntN(len(c.members))] }
	first, err := at().Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Twice"})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	version, err := decodeTrace(first.Ref.Trace, nil)
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
	second, err := at().Resume(t.Context(), resumeWith(first.Ref, "demo"))
	if err != nil {
		return fmt.Errorf("first answer: %w", err)
	}
	kept, found := c.docs.versions(t, "Twice")[version.version.String()]
	if !found {
		return fmt.Errorf("version %s is not kept", version.version)
	}
	message := ""
	for _, cb := range second.Ask.Callbacks {
		if cb.Type == callback.TextOutput {
			message = fmt.Sprint(cb.Output[0].Value)
		}
	}
	if node := string(kept.Nodes[msgID]); message == "" || !strings.Contains(node, `"en":"`+message+`"`) {
		return fmt.Errorf("the message %q is not that of the version: %s", message, node)
	}
	time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
	done, err := at().Resume(t.Context(), resumeWith(second.Ref, "yes"))
	if err != nil || done.Done == nil {
		return fmt.Errorf("second answer: %w", err)
	}
	return nil
}

// No journey begins on a version that cannot be kept.
func TestVersionNotKept(t *testing.T) {
	m := newMember(t, time.Now)
	away := error(&session.UnavailableError{Reason: "no leader"})
	m.docs.fault.Store(&away)
	_, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login"})
	if _, ok := errors.AsType[*session.UnavailableError](err); !ok {
		t.Fatalf("got %v", err)
	}
	m.docs.fault.Store(nil)
	m.start(t, "Login")
	m.docs.fault.Store(&away)
	m.start(t, "Login") // it is there
}

// A version that another member is storing at the same moment may not be seen
// yet, although it is there: the write says so.
func TestVersionStoredMeanwhile(t *testing.T) {
	m := newMember(t, time.Now)
	conflict := realm.ErrConflict
	m.docs.fault.Store(&conflict)
	m.start(t, "Login")
}

// A version is written once, and only by those who begin journeys.
func TestVersionsCostOneWrite(t *testing.T) {
	c := newCluster(t, 3)
	for range 20 {
		for _, m := range c.members {
			m.start(t, "Login")
		}
	}
	c.invalidate()
	c.members[2].start(t, "Login")
	if c.docs.writes != 1 {
		t.Errorf("%d writes", c.docs.writes)
	}
}

func TestVersionDamaged(t *testing.T) {
	tests := []struct{ name, body string }{
		{"not JSON", `{`},
		{"a later format", `{"format":2}`},
		{"another tree", `{"format":1,"tree":"Other"}`},
		{"nothing in it", `{"format":1,"tree":"Login"}`},
		{"other definitions", `{"format":1,"tree":"Login","trees":{"Login":{"entryNodeId":"` + ok + `"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log safeBuffer
			docs := &memoryDocuments{}
			catalog := NewCatalog(docs, node.Builtin(), realm.DefaultDeployment(), slog.New(slog.NewTextHandler(&log, nil)), time.Now)
			version := journey.Version{1}
			docs.docs = append(docs.docs, realm.Document{Kind: realm.KindVersion, Realm: realm.Root, ID: version.String(), Body: []byte(tt.body)})
			if _, err := catalog.planOf(t.Context(), realm.Root, "Login", version); !errors.Is(err, journey.ErrGone) {
				t.Errorf("got %v", err)
			}
			if !strings.Contains(log.String(), "cannot be run") {
				t.Errorf("the operator is told %q", log.String())
			}
		})
	}
}

// Every journey of the corpus makes the same plan again from what is kept of it.
func TestCorpusIsKept(t *testing.T) {
	files, err := filepath.Glob(filepath.FromSlash("../../shared/corpus/frodo/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the journey corpus must lie beside the clone: %v", err)
	}
	plans := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		export, err := tree.DecodeExport(raw)
		if err != nil {
			continue
		}
		set := (&tree.Set{Realm: realm.Root}).With(export)
		for name := range set.Trees {
			plan, err := journey.Compile(set, name, node.Builtin())
			if err != nil {
				continue
			}
			a, err := archive(set, name, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			again, err := a.compile(realm.Root, plan.Version.String(), node.Builtin())
			if err != nil || again.Version != plan.Version {
				t.Errorf("%s: tree %q: %v", filepath.Base(file), name, err)
			}
			plans++
		}
	}
	if plans < 50 {
		t.Errorf("only %d plans", plans)
	}
}

// Whatever stands in a document of a version, a plan comes of it only when it
// makes that version.
func FuzzArchived(f *testing.F) {
	f.Add([]byte(`{"format":1,"tree":"Login","trees":{"Login":{"entryNodeId":"` + ok + `"}},"nodes":{}}`))
	f.Add([]byte(`{"format":1,"tree":"Login","since":"2026-11-22T04:00:00Z","until":"x"}`))
	f.Add([]byte(`{"format":1,"trees":{"\u0000":{}},"nodes":{"a":{"_type":null}}}`))
	types := node.Builtin()
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := decodeArchived(realm.Document{ID: "x", Body: body})
		if err != nil {
			return
		}
		if _, err := a.compile(realm.Root, journey.Version{1}.String(), types); err == nil {
			t.Fatal("a plan of a version that it is not")
		}
	})
}
