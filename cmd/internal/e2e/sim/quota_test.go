package sim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// Quotas are tried with so many members, sessions and logins.
const (
	quotaMembers = 5
	quotaLimit   = 5
	quotaClass   = "org.forgerock.openam.session.service."
	atLimit      = "You have reached your session limit."
	lookPause    = 100 * time.Microsecond // between two looks at a member
	apart        = 4 * time.Second        // between two sessions that are made one after another
	touchTime    = 10 * time.Second       // until an access is stored
)

// TestQuota: hundreds of logins of one user at once, at all of five members, under
// a quota of five. No member ever has more than five of them, whenever it is
// looked; each session that the quota ended is invalid everywhere; and what is left
// in the end is what AM's action leaves.
func TestQuota(t *testing.T) {
	logins := 500
	if testing.Short() {
		logins = 60
	}
	for _, tt := range []struct {
		action string
		// alive and refused are how many sessions are left and how many logins are
		// told that the limit is reached.
		alive, refused int
	}{
		{"DestroyNextExpiringAction", quotaLimit, 0},
		{"DestroyOldestAction", quotaLimit, 0},
		{"DestroyAllAction", -1, 0}, // between one and the limit, by where it stopped
		{"DenyAccessAction", quotaLimit, logins - quotaLimit},
	} {
		t.Run(tt.action, func(t *testing.T) {
			dir := memory(t)
			synctest.Test(t, func(t *testing.T) {
				q := newQuota(t, dir, tt.action)
				defer q.close()
				q.storm(logins)
				q.judge(tt.alive, tt.refused)
				q.inTurn(tt.action)
			})
		})
	}
}

// quota is one run: a cluster, and what its clients were told.
type quota struct {
	t *testing.T
	*guesser
	cluster *cluster

	mu      sync.Mutex
	tokens  []wire.TokenID
	refused int
	looks   int
	most    int // sessions that a member had at a time
}

func newQuota(t *testing.T, dir, action string) *quota {
	t.Helper()
	network := simnet.New(1, simnet.Options{Latency: 200 * time.Microsecond, Jitter: 300 * time.Microsecond})
	c := newCluster(t, network, quotaMembers, dir)
	must(t, c.all((*member).start))
	ctx, cancel := context.WithTimeout(t.Context(), formTime)
	defer cancel()
	must(t, c.all(func(m *member) error { return m.ready(ctx) }))
	demo, err := c.members[0].running.Seed(ctx)
	must(t, err)
	q := &quota{t: t, guesser: newGuesser(t, c, demo), cluster: c}
	q.limit(action)
	return q
}

// limit sets the realm's quota.
func (q *quota) limit(action string) {
	q.t.Helper()
	must(q.t, q.clients[0].PutSettings(q.t.Context(), "/", "session", fmt.Appendf(nil,
		`{"dynamic":{"quotaLimit":%d},"general":{"latestAccessTimeUpdateFrequency":0},"quotas":{"iplanet-am-session-enable-session-constraint":"ON","behaviourWhenQuotaExhausted":%q}}`,
		quotaLimit, quotaClass+action)))
}

func (q *quota) close() {
	if err := q.cluster.all((*member).close); err != nil {
		q.t.Error(err)
	}
	time.Sleep(probeTime)
}

// login logs demo in with one request at some member, until one knows an answer.
func (q *quota) login(at int) (wire.TokenID, error) {
	ctx, cancel := context.WithTimeout(q.t.Context(), guessTime)
	defer cancel()
	reply, err := q.ask(ctx, at, func(ctx context.Context, c *client.Client) (wire.Reply, error) {
		return c.Start(ctx, client.Journey{Tree: q.demo.Journey, Username: q.demo.User, Password: wire.Password(q.demo.Password)})
	})
	if err != nil {
		return "", err
	}
	if reply.Success == nil {
		return "", errors.New("a login that asks for more")
	}
	return reply.Success.TokenID, nil
}

// storm runs so many logins at once, while all members are asked all the time how
// many sessions there are.
func (q *quota) storm(logins int) {
	q.t.Helper()
	over, stop := context.WithCancel(q.t.Context())
	var looking, group sync.WaitGroup
	for i := range q.clients {
		looking.Go(func() {
			for wait(over, lookPause) {
				q.look(over, i)
			}
		})
	}
	for i := range logins {
		group.Go(func() {
			token, err := q.login(i)
			q.mu.Lock()
			defer q.mu.Unlock()
			var said *client.Error
			switch {
			case err == nil:
				q.tokens = append(q.tokens, token)
			case errors.As(err, &said) && said.Status == http.StatusUnauthorized && said.Message == atLimit:
				q.refused++
			default:
				q.t.Errorf("a login: %v", err)
			}
		})
	}
	group.Wait()
	stop()
	looking.Wait()
}

// look asks one member for the user's sessions.
func (q *quota) look(ctx context.Context, at int) {
	all, err := q.clients[at].SessionsOf(ctx, "/", q.demo.User)
	if err != nil {
		return // it is unavailable, or the test is over
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.looks++
	q.most = max(q.most, len(all))
}

// judge looks at what is left, by the tokens that clients were given.
func (q *quota) judge(alive, refused int) {
	q.t.Helper()
	left := q.valid(q.tokens)
	q.t.Logf("%d sessions made, %d logins refused; at most %d sessions in %d looks, %d left", len(q.tokens), q.refused, q.most, q.looks, len(left))
	if q.most > quotaLimit || len(left) > quotaLimit {
		q.t.Errorf("there were %d sessions at a time, and %d are left, under a quota of %d", q.most, len(left), quotaLimit)
	}
	if q.looks < quotaMembers {
		q.t.Errorf("only %d looks", q.looks)
	}
	if alive >= 0 && len(left) != alive || len(left) == 0 {
		q.t.Errorf("%d sessions are left, want %d", len(left), alive)
	}
	if q.refused != refused {
		q.t.Errorf("%d logins were refused, want %d", q.refused, refused)
	}
}

// valid returns the tokens that open a session, and demands that all members agree
// on that.
func (q *quota) valid(tokens []wire.TokenID) (valid []wire.TokenID) {
	q.t.Helper()
	for i, token := range tokens {
		says := 0
		for _, c := range q.clients {
			v, err := c.Peek(q.t.Context(), token)
			if err != nil {
				q.t.Fatal(err)
			}
			if v.Valid {
				says++
			}
		}
		if says != 0 && says != len(q.clients) {
			q.t.Errorf("%d of %d members call session %d valid", says, len(q.clients), i)
		}
		if says > 0 {
			valid = append(valid, token)
		}
	}
	return valid
}

// inTurn fills the quota with sessions that differ in age and in their latest
// access, logs in once more, and looks which of them are left.
func (q *quota) inTurn(action string) {
	q.t.Helper()
	must(q.t, q.clients[0].LogoutByUser(q.t.Context(), "/", q.demo.User))
	var made []wire.TokenID
	for i := range quotaLimit {
		token, err := q.login(i)
		must(q.t, err)
		made = append(made, token)
		time.Sleep(apart)
	}
	// The oldest is used now, so that the second would expire first: by its idle
	// time, which is shorter than what is left of any life.
	if _, err := q.clients[1].Validate(q.t.Context(), made[0]); err != nil {
		q.t.Fatal(err)
	}
	time.Sleep(touchTime)
	newest, err := q.login(1)
	want := map[string][]wire.TokenID{
		"DestroyNextExpiringAction": {made[0], made[2], made[3], made[4], newest},
		"DestroyOldestAction":       {made[1], made[2], made[3], made[4], newest},
		"DestroyAllAction":          {newest},
		"DenyAccessAction":          made,
	}[action]
	if denied := action == "DenyAccessAction"; denied != (err != nil) {
		q.t.Errorf("one session more: %v", err)
	}
	if err == nil {
		made = append(made, newest)
	}
	if got := q.valid(made); !slices.Equal(got, want) {
		q.t.Errorf("after one session more these are left: %v; want %v", places(got, made), places(want, made))
	}
}

// places names tokens by the order in which they were made.
func places(tokens, made []wire.TokenID) (at []int) {
	for _, token := range tokens {
		at = append(at, slices.Index(made, token))
	}
	return at
}
