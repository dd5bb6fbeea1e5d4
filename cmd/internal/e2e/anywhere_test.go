package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// anywhere sends each request to another member of a cluster, as a load balancer
// without stickiness does, and sends it to the next one when a member cannot be
// reached or says that it is unavailable. The members may be restarted meanwhile,
// at the addresses that they had.
type anywhere struct {
	clients []*client.Client
	turn    atomic.Uint32
	// answered counts answers, refused those that said to come again.
	answered, refused atomic.Int64
}

func balance(t *testing.T, members []*member) *anywhere {
	t.Helper()
	a := &anywhere{}
	for _, m := range members {
		a.clients = append(a.clients, m.client(t))
	}
	return a
}

// patience is how long a request is sent again.
const patience = 20 * time.Second

// ask has f ask one member after the other until one answers.
func (a *anywhere) ask(ctx context.Context, f func(ctx context.Context, c *client.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := f(ctx, a.clients[int(a.turn.Add(1))%len(a.clients)])
		var said *client.Error
		if err == nil || errors.As(err, &said) && said.Status != http.StatusServiceUnavailable {
			a.answered.Add(1)
			return err
		}
		a.refused.Add(1)
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("no answer for %v: %w", patience, err)
		}
	}
}

func (a *anywhere) start(ctx context.Context, tree string) (reply wire.Reply, err error) {
	err = a.ask(ctx, func(ctx context.Context, c *client.Client) error {
		reply, err = c.Start(ctx, client.Journey{Tree: tree})
		return err
	})
	return reply, err
}

// next answers a step with one value for all inputs of its first callback that
// has any.
func (a *anywhere) next(ctx context.Context, step wire.Step, value string) (reply wire.Reply, err error) {
	for i := range step.Callbacks {
		if len(step.Callbacks[i].Input) > 0 {
			step.Callbacks[i].Input[0].Value = value
			break
		}
	}
	err = a.ask(ctx, func(ctx context.Context, c *client.Client) error {
		reply, err = c.Next(ctx, "/", step)
		return err
	})
	return reply, err
}

// whole waits until a member sees n members alive, none of which has still to give
// journeys the replicas that they ought to have: then the next may be restarted.
// Members of the previous version do not tell.
func (m *member) whole(t *testing.T, n int) {
	t.Helper()
	c := m.client(t)
	eventually(t, readyLimit, "all members are alive and all journeys have their replicas", func() bool {
		all, err := c.Members(t.Context())
		alive := 0
		for _, o := range all {
			if o.State == "alive" && (o.Protocol < 2 || o.Outstanding != nil && *o.Outstanding == 0) {
				alive++
			}
		}
		return err == nil && alive == n
	})
}

// again starts a member that has ended, where it was, with the program given.
func (m *member) again(t *testing.T, binary string, others ...*member) *member {
	t.Helper()
	join := make([]string, len(others))
	for i, o := range others {
		join[i] = o.Cluster
	}
	p := *m.place
	p.binary = binary
	return p.start(t, "--name", m.Name, "--http", m.HTTP, "--cluster", m.Cluster, "--join", strings.Join(join, ","))
}
