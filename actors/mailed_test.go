package actors

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"testing"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

const suspendID = "00000000-0000-4000-8000-00000000000a"

// publishMagicLink stores a tree that asks for a name, mails a link to whoever
// has it, and lets in who opens the link.
func (m *testMember) publishMagicLink(name string) {
	m.docs.put(realm.KindNode, firstID, `{"_type":{"_id":"UsernameCollectorNode"}}`)
	m.docs.put(realm.KindNode, suspendID, `{"_type":{"_id":"EmailSuspendNode"},"objectLookup":true,"emailTemplateName":"link","emailAttribute":"userName"}`)
	m.docs.put(realm.KindEmailTemplate, "link", `{"subject":{"en":"Your link"},"message":{"en":"<a href=\"{{object.resumeURI}}\">in</a>"}}`)
	m.docs.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"UsernameCollectorNode","connections":{"outcome":%q}},
		%q:{"nodeType":"EmailSuspendNode","connections":{"outcome":%q}}}}`, firstID, firstID, suspendID, suspendID, ok))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

// A mailed link lets its reader in, at any member, once; an address that is none
// looks the same to who asked.
func TestMagicLink(t *testing.T) {
	box := &outbox{}
	c := newClusterWith(t, 3, func(own *Config) {
		own.Mail, own.LoginPage = box, "https://login.example/am/XUI/?x=1"
	})
	c.members[0].publishMagicLink("Link")
	ask := func(user string) *journey.Ask {
		t.Helper()
		first := c.members[0].start(t, "Link")
		reply, err := c.members[1].Resume(t.Context(), journey.ResumeRequest{
			Ref: first.Ref, Answers: []callback.Answer{{Type: callback.Name, Values: []any{user}}},
		})
		if err != nil || reply.Ask == nil {
			t.Fatalf("%s: %+v, %v", user, reply.Done, err)
		}
		return reply.Ask
	}
	known, unknown := ask("ann@example.com"), ask("nobody")
	if a, b := fmt.Sprintf("%+v", known), fmt.Sprintf("%+v", unknown); a != b || known.Callbacks[0].Type != callback.SuspendedText {
		t.Errorf("with a mail %s, without %s", a, b)
	}
	if len(box.mails) != 1 || box.mails[0].To != "ann@example.com" {
		t.Fatalf("%d mails were sent", len(box.mails))
	}
	link := regexp.MustCompile(`href="([^"]+)"`).FindStringSubmatch(box.mails[0].Body)
	if link == nil {
		t.Fatal("the mail has no link")
	}
	at, err := url.Parse(html.UnescapeString(link[1]))
	if err != nil {
		t.Fatal(err)
	}
	id := journey.SuspendedID(at.Query().Get("suspendedId"))
	open := func(at int) (journey.Reply, error) {
		return c.members[at].ResumeSuspended(t.Context(), journey.ResumeSuspendedRequest{Realm: realm.Root, ID: id})
	}
	if done, err := open(2); err != nil || done.Done == nil || !done.Done.Success || done.Done.Session.Principal.Username != "ann@example.com" {
		t.Fatalf("the link: %+v, %v", done, err)
	}
	if again, err := open(0); !errors.Is(err, journey.ErrSuspended) {
		t.Errorf("the link again: %+v, %v", again, err)
	}
}
