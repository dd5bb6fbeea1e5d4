package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
	"sojourn/http/client"
)

// Names of nodes and ends, as their ids say them.
const (
	treeSuccess = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0"
	treeFailure = "e301438c-0bd0-429c-ab0c-66126501069a"
	retryLimit  = 7
)

func nodeID(n int) string { return fmt.Sprintf("c0047000-0000-4000-8000-%012d", n) }

// sketch is a node of a tree for a test: its type, its attributes, and where its
// outcomes lead.
type sketch struct {
	kind   string
	config map[string]any
	next   map[string]string
}

// publish stores a tree that begins at the node first, under its number.
func publish(ctx context.Context, t *testing.T, c *client.Client, name string, first int, nodes map[int]sketch) {
	t.Helper()
	vertices := map[string]any{}
	for n, node := range nodes {
		body, err := json.Marshal(node.config)
		must(t, err)
		_, err = c.PutNode(ctx, "/", node.kind, nodeID(n), body)
		must(t, err)
		vertices[nodeID(n)] = map[string]any{"nodeType": node.kind, "displayName": node.kind, "connections": node.next}
	}
	body, err := json.Marshal(map[string]any{"_id": name, "enabled": true, "entryNodeId": nodeID(first), "nodes": vertices})
	must(t, err)
	_, err = c.PutTree(ctx, "/", name, body)
	must(t, err)
}

// TestCounts: journeys at all members count a login and pass a retry limit on
// their user at the same time, asked again wherever an answer was lost, while a
// member is cut off or crashes. Each counts once, and exactly as many pass as the
// limit allows.
func TestCounts(t *testing.T) {
	count := *seeds
	if testing.Short() {
		count = min(count, 1)
	}
	for i := range count {
		seed := *first + uint64(i) //nolint:gosec // a count
		journeys := 1000
		if i > 0 || testing.Short() {
			journeys = 200
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := memory(t)
			synctest.Test(t, func(t *testing.T) { counts(t, seed, dir, journeys) })
		})
	}
}

func counts(t *testing.T, seed uint64, dir string, journeys int) {
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // faults, not secrets
	network := simnet.New(seed, simnet.Options{Latency: 200 * time.Microsecond, Jitter: 300 * time.Microsecond})
	c := newCluster(t, network, 3, dir)
	defer func() {
		if err := c.all((*member).close); err != nil {
			t.Error(err)
		}
		time.Sleep(probeTime)
	}()
	must(t, c.all((*member).start))
	ctx, cancel := context.WithTimeout(t.Context(), formTime)
	defer cancel()
	must(t, c.all(func(m *member) error { return m.ready(ctx) }))
	demo, err := c.members[0].running.Seed(ctx)
	must(t, err)
	g := newGuesser(t, c, demo)
	publish(ctx, t, g.clients[0], "Tries", 1, map[int]sketch{
		1: {"UsernameCollectorNode", map[string]any{}, map[string]string{"outcome": nodeID(2)}},
		2: {"IncrementLoginCountNode", map[string]any{"identityAttribute": "userName"}, map[string]string{"outcome": nodeID(3)}},
		3: {
			"RetryLimitDecisionNode",
			map[string]any{"retryLimit": retryLimit, "incrementUserAttributeOnFailure": true},
			map[string]string{"Retry": nodeID(4), "Reject": treeFailure},
		},
		4: {"UsernameCollectorNode", map[string]any{}, map[string]string{"outcome": treeFailure}},
	})
	publish(ctx, t, g.clients[0], "Count", 5, map[int]sketch{
		5: {"UsernameCollectorNode", map[string]any{}, map[string]string{"outcome": nodeID(6)}},
		6: {
			"LoginCountDecisionNode",
			map[string]any{"interval": "AT", "amount": journeys, "identityAttribute": "userName"},
			map[string]string{"true": treeSuccess, "false": treeFailure},
		},
	})
	for _, to := range g.clients {
		for {
			if _, err := to.Start(ctx, client.Journey{Tree: "Count"}); err == nil {
				break
			}
			if !wait(ctx, 10*time.Millisecond) {
				t.Fatal("a member does not begin a tree that was stored")
			}
		}
	}

	begun, ended := make(chan struct{}), make(chan error, 1)
	hit := c.members[draw.IntN(3)]
	when := time.Duration(draw.Int64N(int64(200 * time.Millisecond)))
	crashes := seed%3 == 0
	go func() {
		<-begun
		time.Sleep(when)
		ended <- c.without(hit, crashes)
	}()
	from := time.Now()
	g.tree = "Tries"
	told := g.all(journeys, func(int) string { return "" }, begun)
	took := time.Since(from)
	must(t, <-ended)
	rejected := journeys / (retryLimit + 1)
	t.Logf("seed %d: without %s after %v (crash: %t); %d journeys in %v told %v", seed, hit.name, when, crashes, journeys, took, told)
	if told[another] != journeys-rejected || told["Login failure"] != rejected {
		t.Errorf("seed %d: want %d that pass and %d that do not", seed, journeys-rejected, rejected)
	}
	g.tree = "Count"
	if answer := g.login(0, "", func() {}); answer != "" {
		t.Errorf("seed %d: the user's logins are not counted as %d: %s", seed, journeys, answer)
	}
}
