package actors

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/clientside"
)

// testCookies are the keys of a cluster.
func testCookies(t testing.TB, fill byte) *clientside.Codec {
	t.Helper()
	var all []clientside.Key
	for _, p := range []clientside.Purpose{clientside.Session, clientside.PersistentCookie} {
		for _, a := range []clientside.Algorithm{clientside.HS256, clientside.Direct} {
			secret := bytes.Repeat([]byte{fill + byte(p)}, a.SecretSize())
			all = append(all, clientside.Key{Purpose: p, Algorithm: a, Generation: 1, Active: true, Secret: secret})
		}
	}
	keys, err := clientside.NewKeys(all)
	if err != nil {
		t.Fatal(err)
	}
	return clientside.New(func() *clientside.Keys { return keys }, rand.Reader)
}

const (
	rememberID = "00000000-0000-4000-8000-000000000008"
	decideID   = "00000000-0000-4000-8000-000000000009"
)

// publishRemember stores a tree that lets in whom a persistent cookie names, and
// leaves one with whoever signs in.
func (m *testMember) publishRemember(name string) {
	m.docs.put(realm.KindNode, decideID, `{"_type":{"_id":"PersistentCookieDecisionNode"},"idleTimeout":1}`)
	m.docs.put(realm.KindNode, rememberID, `{"_type":{"_id":"SetPersistentCookieNode"},"idleTimeout":1,"maxLife":2}`)
	m.docs.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"PersistentCookieDecisionNode","connections":{"true":%q,"false":%q}},
		%q:{"nodeType":"PageNode","connections":{"outcome":%q}},
		%q:{"nodeType":"DataStoreDecisionNode","connections":{"true":%q,"false":%q}},
		%q:{"nodeType":"SetPersistentCookieNode","connections":{"outcome":%q}}}}`,
		decideID, decideID, ok, pageID, pageID, checkID, checkID, rememberID, bad, rememberID, ok))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

// with starts the tree with a cookie in the request.
func (m *testMember) with(t *testing.T, cookie string) journey.Reply {
	t.Helper()
	r := journey.StartRequest{Realm: realm.Root, Tree: "Remember"}
	r.Request.Headers = map[string][]string{"Cookie": {"other=x; session-jwt=" + cookie}}
	reply, err := m.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// A successful journey leaves a cookie that lets its user in; each use renews it
// up to its longest life. Nothing else lets anybody in.
func TestPersistentCookie(t *testing.T) {
	var passed atomic.Int64
	pass := func(d time.Duration) { passed.Add(int64(d)) }
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c := newClusterWith(t, 3, func(own *Config) {
		own.Cookies, own.Now = testCookies(t, 1), func() time.Time { return start.Add(time.Duration(passed.Load())) }
	})
	c.members[0].publishRemember("Remember")
	first := c.members[0].with(t, "")
	if first.Ask == nil {
		t.Fatalf("let in without a cookie: %+v", first.Done)
	}
	failed, err := c.members[1].answer(t, first.Ref, "demo", "wrong")
	if err != nil || failed.Done.Success || len(failed.Done.Cookies) > 0 {
		t.Fatalf("a failed login: %+v, %v", failed.Done, err)
	}
	first = c.members[0].with(t, "")
	done, err := c.members[1].answer(t, first.Ref, "demo", "secret")
	if err != nil || !done.Done.Success || len(done.Done.Cookies) != 1 {
		t.Fatalf("the login: %+v, %v", done.Done, err)
	}
	made := done.Done.Cookies[0]
	if made.Name != "session-jwt" || made.MaxAge != time.Hour || !made.Secure || !made.HTTPOnly || made.Check() != nil {
		t.Errorf("the cookie is %+v, %v", made, made.Check())
	}
	again, err := c.members[2].answer(t, first.Ref, "demo", "secret")
	if err != nil || !reflect.DeepEqual(again.Done.Cookies, done.Done.Cookies) {
		t.Errorf("the reply again: %+v, %v", again.Done, err)
	}

	pass(50 * time.Minute)
	used := c.members[2].with(t, made.Value)
	if used.Done == nil || !used.Done.Success || used.Done.Session.Principal.Username != "demo" {
		t.Fatalf("the cookie lets nobody in: %+v", used)
	}
	renewed := used.Done.Cookies[0]
	if renewed.Value == made.Value || renewed.MaxAge != time.Hour {
		t.Errorf("renewed as %+v", renewed)
	}
	pass(50 * time.Minute)
	if reply := c.members[0].with(t, made.Value); reply.Done != nil {
		t.Error("the first cookie is good beyond its idle time")
	}
	last := c.members[0].with(t, renewed.Value)
	if last.Done == nil || last.Done.Cookies[0].MaxAge != 20*time.Minute {
		t.Fatalf("renewed again: %+v", last)
	}
	pass(21 * time.Minute)
	for name, text := range map[string]string{
		"beyond its longest life": last.Done.Cookies[0].Value,
		"nothing":                 "",
		"another text":            "a.b.c",
	} {
		if reply := c.members[0].with(t, text); reply.Done != nil {
			t.Errorf("%s lets in: %+v", name, reply.Done)
		}
	}
}

// What other keys made, for another purpose, another realm or another tree's
// key, lets nobody in, and neither does a cookie that was changed.
func TestForgedCookies(t *testing.T) {
	m := newMember(t, time.Now)
	m.effects.cookies = testCookies(t, 1)
	m.publishRemember("Remember")
	now := time.Now()
	content := func(edit func(*clientside.Content)) clientside.Content {
		c := clientside.Content{
			ID: [16]byte{1}, Subject: "demo", Realm: "/", Issued: now, Expires: now.Add(time.Hour),
			Body: fmt.Appendf(nil, `{"v":1,"ends":%d}`, now.Add(time.Hour).Unix()),
		}
		edit(&c)
		return c
	}
	seal := func(k *clientside.Codec, p clientside.Purpose, edit func(*clientside.Content)) string {
		t.Helper()
		text, err := k.Seal(p, cookiesSealedWith(), content(edit))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ours, asIs := testCookies(t, 1), func(*clientside.Content) {}
	good := seal(ours, clientside.PersistentCookie, asIs)
	if reply := m.with(t, good); reply.Done == nil || !reply.Done.Success {
		t.Fatalf("the cookie that the others differ from: %+v", reply)
	}
	for name, text := range map[string]string{
		"other keys":     seal(testCookies(t, 9), clientside.PersistentCookie, asIs),
		"a session":      seal(ours, clientside.Session, func(c *clientside.Content) { c.Body = nil }),
		"another realm":  seal(ours, clientside.PersistentCookie, func(c *clientside.Content) { c.Realm = "/alpha" }),
		"no user":        seal(ours, clientside.PersistentCookie, func(c *clientside.Content) { c.Subject = "" }),
		"another key":    seal(ours, clientside.PersistentCookie, func(c *clientside.Content) { c.Body = []byte(`{"v":1,"ends":9999999999,"key":"label x"}`) }),
		"another format": seal(ours, clientside.PersistentCookie, func(c *clientside.Content) { c.Body = []byte(`{"v":2,"ends":9999999999}`) }),
		"no body":        seal(ours, clientside.PersistentCookie, func(c *clientside.Content) { c.Body = nil }),
		"changed":        good[:len(good)-2] + strings.Map(func(r rune) rune { return 'A' + (r-'A'+1)%26 }, good[len(good)-2:]),
		"cut":            good[:len(good)-1],
		"longer":         good + "A",
	} {
		if reply := m.with(t, text); reply.Done != nil {
			t.Errorf("%s lets in: %+v", name, reply.Done)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", node.OpenCookie{Text: node.SealedText(good)}, node.CookieSealed{Text: node.SealedText(good)}, node.SealedText(good)); strings.Contains(text, good) {
		t.Error("the text of a cookie is printed")
	}
}
