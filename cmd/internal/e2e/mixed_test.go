package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// previous is the last commit whose members speak protocol 1 to each other: they
// keep one copy of a journey.
const previous = "9addc13"

// buildPrevious makes the binary of that commit out of the repository's own
// history, once.
var buildPrevious = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoHistory, err)
	}
	dir, binary := filepath.Join(workshop, "previous"), filepath.Join(workshop, "sojourn-previous")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	tarball := filepath.Join(workshop, "previous.tar")
	archive := exec.Command("git", "archive", "--output", tarball, previous)
	archive.Dir = strings.TrimSpace(string(root))
	if out, err := archive.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %w\n%s", errNoHistory, err, out)
	}
	if out, err := exec.Command("tar", "-xf", tarball, "-C", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w\n%s", previous, err, out)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/sojourn")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", previous, err, out)
	}
	return binary, nil
})

var errNoHistory = errors.New("the repository's history is not here")

// TestMixedVersions upgrades a cluster of the previous version under load, member
// by member, on their folders. No acknowledged session is lost and no logout
// undone; no journey has a wrong end or two sessions. Those that lived at a member
// of the previous version when it left begin again, as they did before; once all
// members are new none does. Then one member goes back.
func TestMixedVersions(t *testing.T) {
	if testing.Short() {
		t.Skip("builds another version and starts three members of it")
	}
	old, err := buildPrevious()
	if errors.Is(err, errNoHistory) {
		t.Skip(err)
	}
	must(t, err)
	_, err = build() // before anybody waits for it
	must(t, err)
	hold := time.Duration(pick(20, 1, 0)) * time.Second
	const workers = 6
	members := votersOf(t, old, 3)
	importUsers(t, members[0].client(t), "user", workers)
	members[0].importJourneys(t, "steps.json")
	lb := balance(t, members)
	for _, c := range lb.clients { // the previous version served what was before a change for a moment longer
		eventually(t, readyLimit, "the journey is known", func() bool {
			_, err := c.Start(t.Context(), client.Journey{Tree: "Steps"})
			return err == nil
		})
	}

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	books := make([]*mixedBook, workers)
	var phase atomic.Int32
	for i := range books {
		books[i] = &mixedBook{lb: lb, user: fmt.Sprint("user", i), phase: &phase, random: rand.New(rand.NewPCG(uint64(i), 1))}
		load.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				if err := books[i].round(t.Context()); err != nil {
					t.Errorf("%s, %s: %v", phases[phase.Load()], books[i].user, err)
				}
			}
		})
	}
	pause := func() {
		select {
		case <-time.After(hold):
		case <-t.Context().Done():
		}
	}
	waiting := &mixedBook{lb: lb, user: "user0", phase: &phase}
	replace := func(i int, binary string) {
		steps, begun := waiting.middles(t, 12), time.Now()
		members[i].terminate(t)
		members[i] = members[i].again(t, binary, members[(i+1)%3], members[(i+2)%3])
		if binary == "" {
			members[i].whole(t, len(members))
		}
		replaced := time.Since(begun)
		pause()
		begun = time.Now()
		waiting.finish(t, steps)
		t.Logf("%s: a member replaced in %v, %d journeys finished in %v", phases[phase.Load()],
			replaced.Round(time.Millisecond), len(steps), time.Since(begun).Round(time.Millisecond))
	}
	pause()
	phase.Store(phaseMixed)
	for i := range members {
		replace(i, "")
	}
	phase.Store(phaseNew)
	pause()
	replace(0, "")
	phase.Store(phaseBack)
	replace(1, old)
	stop()
	load.Wait()

	var sum mixedCounts
	for _, b := range append(books, waiting) {
		sum.add(b.counts)
		for i, c := range lb.clients {
			if err := b.check(t.Context(), c); err != nil {
				t.Errorf("in the end, member %d, %s: %v", i, b.user, err)
			}
		}
	}
	t.Logf("%d logins, %d refusals of a wrong password, %d logouts, %d validations; %d last steps repeated; %d requests sent again",
		sum.logins, sum.wrong, sum.logouts, sum.validations, sum.repeats, lb.refused.Load())
	for p, lost := range sum.lost {
		t.Logf("journeys that had to begin again, %s: %d", phases[p], lost)
	}
	if sum.lost[phaseNew] > 0 {
		t.Errorf("%d journeys were lost while all members were new", sum.lost[phaseNew])
	}
	if sum.logins < 100 || sum.logouts < 20 || sum.wrong == 0 || sum.repeats == 0 {
		t.Error("too little was tried")
	}
}

// The phases of an upgrade.
const (
	phaseOld = iota
	phaseMixed
	phaseNew
	phaseBack
)

var phases = [...]string{phaseOld: "all previous", phaseMixed: "mixed", phaseNew: "all new", phaseBack: "one gone back"}

type mixedCounts struct {
	logins, wrong, logouts, validations, repeats int
	lost                                         [len(phases)]int // by the phase in which the journey began
}

func (c *mixedCounts) add(d mixedCounts) {
	c.logins += d.logins
	c.wrong += d.wrong
	c.logouts += d.logouts
	c.validations += d.validations
	c.repeats += d.repeats
	for i, n := range d.lost {
		c.lost[i] += n
	}
}

// mixedBook is what the clients of one user were told.
type mixedBook struct {
	lb          *anywhere
	user        string
	phase       *atomic.Int32
	random      *rand.Rand
	alive, gone []wire.TokenID
	counts      mixedCounts
}

// errBegin says that the journey has to begin again.
var errBegin = errors.New("begin again")

// journey runs the journey Steps and returns its session, empty for a verdict
// against it.
func (b *mixedBook) journey(ctx context.Context, password string) (wire.TokenID, error) {
	reply, err := b.lb.start(ctx, "Steps")
	if err != nil {
		return "", fmt.Errorf("start: %w", err)
	}
	for _, value := range []string{b.user, password} {
		if reply.Step == nil {
			return "", fmt.Errorf("no step: %+v", reply)
		}
		last := *reply.Step
		if reply, err = b.lb.next(ctx, last, value); err != nil {
			return "", mixedVerdict(err)
		}
		if reply.Success == nil || b.random.IntN(4) > 0 {
			continue
		}
		b.counts.repeats++ // each time at another member
		again, err := b.lb.next(ctx, last, value)
		switch verdict := mixedVerdict(err); {
		case err == nil && again.Success != nil && again.Success.TokenID == reply.Success.TokenID:
		case err != nil && errors.Is(verdict, errBegin): // it is known to be over
		default:
			return "", fmt.Errorf("the last step, repeated, gives something else: %+v, %w", again, err)
		}
	}
	if reply.Success == nil {
		return "", fmt.Errorf("no end: %+v", reply)
	}
	return reply.Success.TokenID, nil
}

// mixedVerdict tells the refusals of a journey apart: nil is a verdict against it.
func mixedVerdict(err error) error {
	var said *client.Error
	switch {
	case !errors.As(err, &said) || said.Status != http.StatusUnauthorized:
		return err
	case said.Message == "Login failure":
		return nil
	case said.Message == "Session has timed out":
		return errBegin
	}
	return err
}

// middles begins journeys and answers their first step.
func (b *mixedBook) middles(t *testing.T, n int) []wire.Step {
	t.Helper()
	var steps []wire.Step
	for len(steps) < n {
		reply, err := b.lb.start(t.Context(), "Steps")
		must(t, err)
		if reply, err = b.lb.next(t.Context(), *reply.Step, b.user); errors.Is(mixedVerdict(err), errBegin) {
			b.counts.lost[b.phase.Load()]++
			continue
		}
		must(t, err)
		steps = append(steps, *reply.Step)
	}
	return steps
}

// finish answers the last step of journeys: each ends in a session or has to
// begin again.
func (b *mixedBook) finish(t *testing.T, steps []wire.Step) {
	t.Helper()
	for _, step := range steps {
		reply, err := b.lb.next(t.Context(), step, cheapPassword)
		switch {
		case err == nil && reply.Success != nil:
			b.counts.logins++
			b.alive = append(b.alive, reply.Success.TokenID)
		case errors.Is(mixedVerdict(err), errBegin):
			b.counts.lost[b.phase.Load()]++
		default:
			t.Errorf("%s: a journey with a right password ended with %+v, %v", phases[b.phase.Load()], reply, err)
		}
	}
}

// round is a login, sometimes one with a wrong password, a logout for most of
// them, and validations of what should be valid and of what should not.
func (b *mixedBook) round(ctx context.Context) error {
	phase := b.phase.Load()
	wrong := b.random.IntN(8) == 0
	password := cheapPassword
	if wrong {
		password = "a wrong password"
	}
	token, err := b.journey(ctx, password)
	switch {
	case errors.Is(err, errBegin):
		b.counts.lost[phase]++
		return nil
	case err != nil:
		return err
	case wrong != (token == ""):
		return fmt.Errorf("the wrong password was %t, and there is a session: %t", wrong, token != "")
	case wrong:
		b.counts.wrong++
		return nil
	}
	b.counts.logins++
	b.alive = append(b.alive, token)
	if err := b.validate(ctx, b.alive[b.random.IntN(len(b.alive))], true); err != nil {
		return err
	}
	if b.random.IntN(3) > 0 {
		i := b.random.IntN(len(b.alive))
		ended := b.alive[i]
		err := b.lb.ask(ctx, func(ctx context.Context, c *client.Client) error {
			_, err := c.Logout(ctx, ended)
			return err
		})
		if err != nil {
			return fmt.Errorf("logout: %w", err)
		}
		b.alive = slices.Delete(b.alive, i, i+1)
		b.gone = append(b.gone, ended)
		b.counts.logouts++
	}
	if len(b.gone) == 0 {
		return nil
	}
	return b.validate(ctx, b.gone[b.random.IntN(len(b.gone))], false)
}

func (b *mixedBook) validate(ctx context.Context, token wire.TokenID, want bool) error {
	b.counts.validations++
	var v wire.Validation
	err := b.lb.ask(ctx, func(ctx context.Context, c *client.Client) (err error) {
		v, err = c.Validate(ctx, token)
		return err
	})
	if err == nil && v.Valid != want {
		err = fmt.Errorf("a session is called valid: %t, want %t", v.Valid, want)
	}
	return err
}

// check wants of one member that it knows every session.
func (b *mixedBook) check(ctx context.Context, c *client.Client) error {
	one := &anywhere{clients: []*client.Client{c}}
	for want, tokens := range map[bool][]wire.TokenID{true: b.alive, false: b.gone} {
		for _, token := range tokens {
			if err := (&mixedBook{lb: one}).validate(ctx, token, want); err != nil {
				return err
			}
		}
	}
	return nil
}
