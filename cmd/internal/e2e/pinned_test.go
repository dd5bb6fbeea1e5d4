package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// The two versions of the tree Pinned. Both ask on a page that says which it is,
// then for the password. The first then checks it; with the second every
// journey fails. A publication is one write.
const (
	pinnedPageOne = "e2e00000-0000-4000-8000-000000000011"
	pinnedPageTwo = "e2e00000-0000-4000-8000-000000000012"
	pinnedName    = "e2e00000-0000-4000-8000-000000000013"
	pinnedPass    = "e2e00000-0000-4000-8000-000000000014"
	pinnedCheck   = "e2e00000-0000-4000-8000-000000000015"
	treeSuccess   = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0"
	treeFailure   = "e301438c-0bd0-429c-ab0c-66126501069a"
)

func pinnedTree(version string) []byte {
	page, after := pinnedPageOne, pinnedCheck
	if version == "two" {
		page, after = pinnedPageTwo, treeFailure
	}
	return fmt.Appendf(nil, `{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"PageNode","displayName":"","connections":{"outcome":%q}},
		%q:{"nodeType":"PasswordCollectorNode","displayName":"","connections":{"outcome":%q}},
		%q:{"nodeType":"DataStoreDecisionNode","displayName":"","connections":{"true":%q,"false":%q}}}}`,
		page, page, pinnedPass, pinnedPass, after, pinnedCheck, treeSuccess, treeFailure)
}

func publishPinned(t *testing.T, c *client.Client) {
	t.Helper()
	page := func(id, header string) {
		_, err := c.PutNode(t.Context(), "/", "PageNode", id, fmt.Appendf(nil, `{"pageHeader":{"en":%q},"pageDescription":{},"nodes":[
			{"_id":%q,"nodeType":"UsernameCollectorNode","displayName":""}]}`, header, pinnedName))
		must(t, err)
	}
	for id, kind := range map[string]string{
		pinnedName: "UsernameCollectorNode", pinnedPass: "PasswordCollectorNode", pinnedCheck: "DataStoreDecisionNode",
	} {
		_, err := c.PutNode(t.Context(), "/", kind, id, []byte(`{}`))
		must(t, err)
	}
	page(pinnedPageOne, "one")
	page(pinnedPageTwo, "two")
	_, err := c.PutTree(t.Context(), "/", "Pinned", pinnedTree("one"))
	must(t, err)
}

// verdict says how a journey on a version must end.
func verdict(version string, reply wire.Reply, err error) error {
	var said *client.Error
	switch {
	case version == "one" && err == nil && reply.Success != nil:
		return nil
	case version == "two" && errors.As(err, &said) && said.Status == http.StatusUnauthorized && said.Message == "Login failure":
		return nil
	}
	return fmt.Errorf("a journey on version %s ended with %+v, %w", version, reply.Success, err)
}

// TestPinned: trees are published and rolled back while journeys run, and all
// members are restarted one by one, so that in the end nobody is left who saw the
// version that a journey began on. Each ends as its version wants.
func TestPinned(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members")
	}
	members := votersOf(t, "", 3)
	importUsers(t, members[0].client(t), "user", 1)
	publishPinned(t, members[0].client(t))
	lb := balance(t, members)

	var begun, middle []wire.Step
	for i := range 60 {
		reply, err := lb.start(t.Context(), "Pinned")
		must(t, err)
		if i%2 == 0 {
			begun = append(begun, *reply.Step)
			continue
		}
		reply, err = lb.next(t.Context(), *reply.Step, "user0")
		must(t, err)
		middle = append(middle, *reply.Step)
	}

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var ended [2]atomic.Int64
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				version, err := lb.pinned(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				ended[map[string]int{"one": 0, "two": 1}[version]].Add(1)
			}
		})
	}
	publish := func(version string) {
		must(t, lb.ask(t.Context(), func(ctx context.Context, c *client.Client) error {
			_, err := c.PutTree(ctx, "/", "Pinned", pinnedTree(version))
			return err
		}))
	}
	publish("two")
	for i, m := range members {
		m.terminate(t)
		members[i] = m.again(t, "", members[(i+1)%3], members[(i+2)%3])
		members[i].whole(t, len(members))
		publish([]string{"one", "two", "two"}[i])
	}
	stop()
	load.Wait()

	var finished errgroup.Group
	finished.SetLimit(8)
	for i, step := range append(middle, begun...) {
		finished.Go(func() error {
			reply, err := wire.Reply{Step: &step}, error(nil)
			if i >= len(middle) {
				reply, err = lb.next(t.Context(), step, "user0")
			}
			if err == nil {
				reply, err = lb.next(t.Context(), *reply.Step, cheapPassword)
			}
			if err := verdict("one", reply, err); err != nil {
				return fmt.Errorf("journey %d of %d, of which %d were in their middle: %w", i, len(middle)+len(begun), len(middle), err)
			}
			return nil
		})
	}
	if err := finished.Wait(); err != nil {
		t.Error(err)
	}
	late, err := lb.start(t.Context(), "Pinned")
	must(t, err)
	publish("one")
	reply, err := lb.next(t.Context(), *late.Step, "user0")
	must(t, err)
	reply, err = lb.next(t.Context(), *reply.Step, cheapPassword)
	must(t, verdict("two", reply, err))
	if version, err := lb.pinned(t.Context()); version != "one" {
		t.Errorf("after the roll-back a journey is on version %q, %v", version, err)
	}
	t.Logf("under load %d journeys ended on the first version and %d on the second; %d answers, %d requests were sent again",
		ended[0].Load(), ended[1].Load(), lb.answered.Load(), lb.refused.Load())
	if ended[0].Load() == 0 || ended[1].Load() == 0 {
		t.Error("one of the versions was not under load")
	}
}

// pinned runs a journey of the tree Pinned and tells on which version.
func (a *anywhere) pinned(ctx context.Context) (version string, err error) {
	reply, err := a.start(ctx, "Pinned")
	if err != nil {
		return "", fmt.Errorf("start: %w", err)
	}
	version = reply.Step.Header
	if reply, err = a.next(ctx, *reply.Step, "user0"); err != nil {
		return version, fmt.Errorf("name, on version %s: %w", version, err)
	}
	if reply.Step == nil {
		return version, fmt.Errorf("a journey on version %s ended early", version)
	}
	reply, err = a.next(ctx, *reply.Step, cheapPassword)
	return version, verdict(version, reply, err)
}

// votersOf is a cluster of n members that all vote, of the program given.
func votersOf(t *testing.T, binary string, n int) []*member {
	t.Helper()
	p := newPlaceOf(t, t.TempDir(), binary)
	members := []*member{p.start(t, "--cluster", "127.0.0.1:0")}
	for i := range n - 1 {
		members = append(members, another(t, members[0], fmt.Sprint("another", i+1)))
	}
	c := members[0].client(t)
	eventually(t, readyLimit, "all members vote", func() bool {
		all, err := c.Members(t.Context())
		voters := 0
		for _, m := range all {
			if m.Voter {
				voters++
			}
		}
		return err == nil && voters == n
	})
	return members
}
