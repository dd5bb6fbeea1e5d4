package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// Nodes of the tree Mailed: a name, a mail with a link, and after that the
// password.
const (
	mailedName  = "e2e00000-0000-4000-8000-000000000021"
	mailedMail  = "e2e00000-0000-4000-8000-000000000022"
	mailedPass  = "e2e00000-0000-4000-8000-000000000023"
	mailedCheck = "e2e00000-0000-4000-8000-000000000024"
)

func publishMailed(t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.PutEmailTemplate(t.Context(), "/", "resume", []byte(`{"enabled":true,"from":"a@example.com","mimeType":"text/plain",
		"subject":{"en":"Go on"},"message":{"en":"{{object.resumeURI}}"},"defaultLocale":"en"}`))
	must(t, err)
	for id, node := range map[string][2]string{
		mailedName:  {"UsernameCollectorNode", "{}"},
		mailedPass:  {"PasswordCollectorNode", "{}"},
		mailedCheck: {"DataStoreDecisionNode", "{}"},
		mailedMail: {
			"EmailSuspendNode",
			`{"emailTemplateName":"resume","emailAttribute":"mail","objectLookup":true,"identityAttribute":"userName","emailSuspendMessage":{"en":"Look"}}`,
		},
	} {
		_, err := c.PutNode(t.Context(), "/", node[0], id, []byte(node[1]))
		must(t, err)
	}
	_, err = c.PutTree(t.Context(), "/", "Mailed", fmt.Appendf(nil, `{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"UsernameCollectorNode","displayName":"","connections":{"outcome":%q}},
		%q:{"nodeType":"EmailSuspendNode","displayName":"","connections":{"outcome":%q}},
		%q:{"nodeType":"PasswordCollectorNode","displayName":"","connections":{"outcome":%q}},
		%q:{"nodeType":"DataStoreDecisionNode","displayName":"","connections":{"true":%q,"false":%q}}}}`,
		mailedName, mailedName, mailedMail, mailedMail, mailedPass, mailedPass, mailedCheck, mailedCheck, treeSuccess, treeFailure))
	must(t, err)
}

// suspendedID is that of the link in the next mail.
func (b *postbox) suspendedID(t *testing.T) string {
	t.Helper()
	mail := b.mail(t)
	at, err := url.Parse(regexp.MustCompile(`https?://\S+`).FindString(mail))
	must(t, err)
	if id := at.Query().Get("suspendedId"); len(id) == 27 {
		return id
	}
	t.Fatalf("no link was mailed: %s", mail)
	return ""
}

// begunInStores is what TestKillOfAll begins in one store of journeys.
type begunInStores struct {
	setting string
	id      string     // of a suspended journey
	waiting *wire.Step // in its middle, where the store outlives the members
}

// TestKillOfAll: after kill -9 of every member, suspended journeys of all stores
// go on at any member, once each, and so do journeys that waited in the store or
// with their clients.
func TestKillOfAll(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members")
	}
	post := openPostbox(t)
	p := newPlace(t)
	members := []*member{p.start(t, append([]string{"--cluster", "127.0.0.1:0"}, post.settings()...)...)}
	members = append(members, another(t, members[0], "another1"), another(t, members[0], "another2"))
	c := members[0].client(t)
	eventually(t, readyLimit, "all members vote", func() bool {
		all, err := c.Members(t.Context())
		return err == nil && len(all) == 3 && all[0].Voter && all[1].Voter && all[2].Voter
	})
	publishMailed(t, c)
	members[0].importJourneys(t, "steps.json")
	var all []begunInStores
	for _, setting := range []string{"In-Memory", "CTS", "JWT"} {
		must(t, c.PutSettings(t.Context(), "/", "authentication", fmt.Appendf(nil, `{"trees":{"authenticationSessionsStateManagement":%q}}`, setting)))
		if step := begin(t, c, "Mailed", p.seed.User); step.Callbacks[0].Type != "SuspendedTextOutputCallback" {
			t.Fatalf("not suspended: %+v", step.Callbacks)
		}
		b := begunInStores{setting: setting, id: post.suspendedID(t)}
		if setting != "In-Memory" {
			b.waiting = begin(t, c, "Steps", p.seed.User)
		}
		all = append(all, b)
	}

	for _, m := range members {
		m.kill(t)
	}
	var starts sync.WaitGroup
	for i, m := range members {
		starts.Go(func() { members[i] = m.again(t, "", members[(i+1)%3], members[(i+2)%3]) })
	}
	starts.Wait()
	lb := balance(t, members)
	for _, b := range all {
		t.Run(b.setting, func(t *testing.T) {
			reply, err := lb.resume(t, b.id)
			must(t, err)
			if reply.Step == nil || reply.Step.Callbacks[0].Type != "PasswordCallback" {
				t.Fatalf("back: %+v", reply)
			}
			for range members {
				var said *client.Error
				if _, err := lb.resume(t, b.id); !errors.As(err, &said) || said.Status != http.StatusUnauthorized ||
					!strings.Contains(said.Message, "SuspendedAuthSessionException") {
					t.Errorf("and once more: %v", err)
				}
			}
			done, err := lb.next(t.Context(), *reply.Step, p.seed.Password)
			if err != nil || done.Success == nil {
				t.Errorf("the password: %+v, %v", done, err)
			}
			if b.waiting != nil {
				if next, err := lb.next(t.Context(), *b.waiting, p.seed.Password); err != nil || next.Step == nil && next.Success == nil {
					t.Errorf("a journey in its middle: %+v, %v", next, err)
				}
			}
		})
	}
}

// begin starts a journey that asks a name first, and gives it.
func begin(t *testing.T, c *client.Client, tree, user string) *wire.Step {
	t.Helper()
	reply, err := c.Start(t.Context(), client.Journey{Tree: tree})
	must(t, err)
	reply.Step.Callbacks[0].Input[0].Value = user
	reply, err = c.Next(t.Context(), "/", *reply.Step)
	must(t, err)
	if reply.Step == nil {
		t.Fatalf("%s ended: %+v", tree, reply)
	}
	return reply.Step
}

// resume follows the link of a suspended journey.
func (a *anywhere) resume(t *testing.T, id string) (reply wire.Reply, err error) {
	t.Helper()
	err = a.ask(t.Context(), func(ctx context.Context, c *client.Client) error {
		reply, err = c.Start(ctx, client.Journey{Query: url.Values{"suspendedId": {id}}})
		return err
	})
	return reply, err
}
