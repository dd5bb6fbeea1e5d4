package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
	"sojourn/cmd/internal/daemon"
	"sojourn/http/client"
	"sojourn/http/wire"
)

const (
	guessLimit = 5                // failures that lock an account
	guessTime  = 20 * time.Second // that a client keeps asking for; less than identity.CheckTime
	askTime    = 4 * time.Second  // that it waits for one member
	guessCut   = 2 * time.Second  // that a member is cut off for
	lockedOut  = "User Locked Out."
	another    = "another step"
)

// TestGuesses: a thousand journeys give a wrong password at all members at the
// same time, one of which is cut off meanwhile. Wrong passwords are checked no
// more often than the limit says, at any member, for any reason; and a thousand
// right ones before them have all passed.
func TestGuesses(t *testing.T) {
	count := *seeds
	if testing.Short() {
		count = min(count, 1)
	}
	for i := range count {
		seed := *first + uint64(i) //nolint:gosec // a count
		guesses := 1000
		if i > 0 || testing.Short() {
			guesses = 150 // other moments for the cut
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := memory(t)
			synctest.Test(t, func(t *testing.T) { guess(t, seed, dir, guesses) })
		})
	}
}

// guess is one run.
func guess(t *testing.T, seed uint64, dir string, count int) {
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
	must(t, g.clients[0].PutSettings(ctx, "/", "authentication", []byte(fmt.Sprintf(
		`{"accountlockout":{"loginFailureLockoutMode":true,"loginFailureCount":%d,"loginFailureDuration":300}}`, guessLimit))))

	right := g.all(count, func(int) string { return demo.Password }, nil)
	if right[""] != count {
		t.Errorf("seed %d: of %d right passwords passed %v", seed, count, right)
	}
	checked := g.checked()
	begun := make(chan struct{})
	hit := c.members[draw.IntN(3)]
	when := time.Duration(draw.Int64N(int64(6 * time.Millisecond)))
	crashes := seed%3 == 0
	ended := make(chan error, 1)
	go func() {
		<-begun
		time.Sleep(when)
		ended <- c.without(hit, crashes)
	}()
	from := time.Now()
	wrong := g.all(count, func(i int) string { return fmt.Sprintf("guess %d", i) }, begun)
	took := time.Since(from)
	must(t, <-ended)
	checks := g.checked() - checked
	t.Logf("seed %d: without %s after %v (crash: %t); %d checks of wrong passwords in %v, answers %v",
		seed, hit.name, when, crashes, checks, took, wrong)
	if checks > guessLimit || wrong[""] > 0 {
		t.Errorf("seed %d: %d wrong passwords were checked under a limit of %d; answers %v", seed, checks, guessLimit, wrong)
	}
	if wrong[lockedOut] == 0 && !crashes { // who crashed may have had the last permits
		t.Errorf("seed %d: nobody was told that the account is locked: %v", seed, wrong)
	}
}

// without is a while without a member: it is cut off from the others, or crashes
// and comes back.
func (c *cluster) without(m *member, crashes bool) error {
	if crashes {
		m.crash()
		time.Sleep(guessCut)
		return m.restart()
	}
	for _, other := range c.members {
		if other != m {
			c.network.Cut(m.name, other.name)
		}
	}
	time.Sleep(guessCut)
	c.network.Heal()
	return nil
}

// guesser logs demo in at any member.
type guesser struct {
	clients []*client.Client
	members []*daemon.Daemon // that were there at the beginning
	demo    daemon.Demo
	tree    string // the seeded one when empty
}

func newGuesser(t *testing.T, c *cluster, demo daemon.Demo) *guesser {
	t.Helper()
	outside := c.network.Host("clients")
	g := &guesser{demo: demo}
	for _, m := range c.members {
		g.members = append(g.members, m.running)
	}
	for _, base := range c.bases() {
		to, err := client.New(client.Config{
			Base: base, Operator: client.OperatorToken(c.secret.OperatorToken().Reveal()),
			Transport: &http.Transport{
				DisableCompression: true, MaxIdleConnsPerHost: 64,
				DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return outside.Dial(ctx, addr) },
			},
		})
		must(t, err)
		t.Cleanup(to.Close)
		g.clients = append(g.clients, to)
	}
	return g
}

func (g *guesser) checked() (n uint64) {
	for _, m := range g.members {
		n += m.Passwords().Checked
	}
	return n
}

// all runs so many logins at once, each step at another member, and counts what
// they were told in the end; a success is told nothing. begun, if any, is closed
// when the first password has been given.
func (g *guesser) all(count int, password func(i int) string, begun chan struct{}) map[string]int {
	var mu sync.Mutex
	var begin sync.Once
	told := map[string]int{}
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() {
			answer := g.login(i, password(i), func() {
				if begun != nil {
					begin.Do(func() { close(begun) })
				}
			})
			mu.Lock()
			defer mu.Unlock()
			told[answer]++
		})
	}
	group.Wait()
	return told
}

// login is one journey. What it is told in the end is a failure's message.
func (g *guesser) login(i int, password string, given func()) string {
	ctx, cancel := context.WithTimeout(context.Background(), guessTime)
	defer cancel()
	reply, err := g.ask(ctx, i, func(ctx context.Context, c *client.Client) (wire.Reply, error) {
		return c.Start(ctx, client.Journey{Tree: cmp.Or(g.tree, g.demo.Journey)})
	})
	if err != nil || reply.Step == nil {
		return fmt.Sprintf("start: %v", err)
	}
	if err := client.Credentials(g.demo.User, wire.Password(password))(reply.Step); err != nil {
		return err.Error()
	}
	given()
	step := *reply.Step
	reply, err = g.ask(ctx, i+1, func(ctx context.Context, c *client.Client) (wire.Reply, error) { return c.Next(ctx, "/", step) })
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case err != nil:
		return "no answer"
	case reply.Success == nil:
		return another
	}
	return ""
}

// ask sends one request to one member after the other until one knows an answer.
func (g *guesser) ask(ctx context.Context, at int, send func(context.Context, *client.Client) (wire.Reply, error)) (reply wire.Reply, err error) {
	for ; ; at++ {
		once, cancel := context.WithTimeout(ctx, askTime)
		reply, err = send(once, g.clients[at%len(g.clients)])
		cancel()
		var refused *client.Error
		if err == nil || errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			return reply, err
		}
		if !wait(ctx, 20*time.Millisecond) {
			return reply, err
		}
	}
}
