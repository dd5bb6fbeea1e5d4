package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// find says which members a step is about.
func (r *run) find(ctx context.Context, who Who) ([]int, error) {
	var all []int
	for i := range r.fleet.Len() {
		all = append(all, i)
	}
	switch who {
	case Nobody:
		return nil, nil
	case Everyone:
		return all, nil
	case Same:
		return r.same, nil
	case Leader, Follower, Minority, Anyone:
	}
	leader, err := r.settled(ctx)
	if err != nil {
		return nil, err
	}
	if who == Anyone {
		return []int{all[r.random.IntN(len(all))]}, nil
	}
	followers := slices.DeleteFunc(all, func(i int) bool { return i == leader })
	switch who {
	case Leader:
		return []int{leader}, nil
	case Follower:
		return []int{followers[r.random.IntN(len(followers))]}, nil
	case Minority:
		return append([]int{leader}, followers[:len(followers)/2-1]...), nil
	default:
		return nil, fmt.Errorf("nobody is %q", who)
	}
}

// act does what a step says.
func (r *run) act(ctx context.Context, a Act, who []int) error {
	each := func(do func(i int) error) error {
		for _, i := range who {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	start := func(start func(context.Context, int) error) error {
		if err := each(func(i int) error { return start(ctx, i) }); err != nil {
			return err
		}
		return r.fleet.Ready(ctx, who...) //nolint:wrapcheck // it says all
	}
	switch a {
	case Calm:
		return nil
	case Kill:
		return each(r.fleet.Kill)
	case Freeze:
		return each(r.fleet.Freeze)
	case Thaw:
		return each(r.fleet.Thaw)
	case Stutter:
		return r.stutter(ctx, who)
	case Terminate:
		return each(r.fleet.Terminate)
	case Restart:
		return start(r.fleet.Restart)
	case Move:
		return start(r.fleet.Move)
	case Replace:
		return start(r.fleet.Replace)
	case Revive:
		return start(r.revive)
	case Roll:
		return each(func(i int) error { return r.roll(ctx, i) })
	case Add:
		if err := r.fleet.Add(ctx); err != nil {
			return err //nolint:wrapcheck // it says all
		}
		return r.load.Add(r.fleet.Base(r.fleet.Len() - 1))
	case Damage:
		return each(r.damage)
	case Fill:
		return each(r.fleet.Fill)
	case Drain:
		return each(r.fleet.Drain)
	case PowerCut:
		r.same = nil
		for i := range r.fleet.Len() {
			r.same = append(r.same, i)
		}
		return r.fleet.PowerCut(ctx) //nolint:wrapcheck // it says all
	case Isolate, Mute, Deafen, Part:
		if a != Part {
			r.apart = append(r.apart, apart{members: who, from: r.load.Now()})
		}
		return r.cut(ctx, a, who)
	case Heal:
		return r.heal(ctx)
	}
	return fmt.Errorf("there is no act %q", a)
}

// roll restarts a member in order and waits until all is well again, as a
// careful operator does.
func (r *run) roll(ctx context.Context, i int) error {
	if err := r.fleet.Terminate(i); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	if err := r.fleet.Restart(ctx, i); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	if err := r.fleet.Ready(ctx, i); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	_, err := r.settled(ctx)
	return err
}

func (r *run) damage(i int) error {
	file, err := r.fleet.Damage(i, r.random)
	if err == nil {
		r.cfg.Log.Info("damaged", "file", file)
	}
	return err //nolint:wrapcheck // it says all
}

// revive starts a member with the folder it has, or with an empty one if it
// refuses that: both are right for a damaged folder.
func (r *run) revive(ctx context.Context, i int) error {
	err := r.fleet.Restart(ctx, i)
	if err == nil {
		err = r.fleet.Ready(ctx, i)
	}
	if err == nil || r.fleet.Running(i) {
		return err //nolint:wrapcheck // it says all
	}
	r.cfg.Log.Info("refused its folder", "member", r.fleet.Name(i), "err", err)
	if err := r.fleet.Kill(i); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	return r.fleet.Replace(ctx, i) //nolint:wrapcheck // it says all
}

// A member that stutters stands for some time between these, runs for as long,
// and so on for stutterTime.
const (
	stutterLeast = 100 * time.Millisecond
	stutterMost  = 700 * time.Millisecond
	stutterTime  = 10 * time.Second
)

func (r *run) stutter(ctx context.Context, who []int) error {
	for end := r.load.Now() + stutterTime; r.load.Now() < end; {
		for _, do := range []func(int) error{r.fleet.Freeze, r.fleet.Thaw} {
			for _, i := range who {
				if err := do(i); err != nil {
					return err
				}
			}
			if err := hold(ctx, stutterLeast+time.Duration(r.random.Int64N(int64(stutterMost-stutterLeast)))); err != nil {
				return err
			}
		}
	}
	return nil
}

// heal undoes all cuts.
func (r *run) heal(ctx context.Context) error {
	for i := range r.apart {
		if r.apart[i].to == 0 {
			r.apart[i].to = r.load.Now()
		}
	}
	return r.fleet.Heal(ctx) //nolint:wrapcheck // it says all
}

// cut cuts members off from those that are not among them.
func (r *run) cut(ctx context.Context, a Act, who []int) error {
	for _, i := range who {
		for other := range r.fleet.Len() {
			if slices.Contains(who, other) {
				continue
			}
			var err error
			if a != Deafen {
				err = r.fleet.Cut(ctx, i, other)
			}
			if a != Mute {
				err = errors.Join(err, r.fleet.Cut(ctx, other, i))
			}
			if err != nil {
				return err
			}
			if a == Part {
				break
			}
		}
	}
	return nil
}

// look is how often the cluster is asked how it is, and lookLimit bounds one
// answer.
const (
	look      = 50 * time.Millisecond
	lookLimit = 2 * time.Second
)

// settled waits until the cluster is whole, and returns its leader: all members
// run, each is ready, and each says that the same one leads, that all are alive
// and vote, and that nobody else does.
func (r *run) settled(ctx context.Context) (leader int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Patience)
	defer cancel()
	var clients []*client.Client
	for i := range r.fleet.Len() {
		c, err := client.New(client.Config{Base: r.fleet.Base(i), Operator: r.cfg.Operator, Timeout: lookLimit})
		if err != nil {
			return 0, err //nolint:wrapcheck // it says all
		}
		defer c.Close()
		clients = append(clients, c)
	}
	for {
		leader, err = r.agreed(ctx, clients)
		if err == nil {
			return leader, nil
		}
		pause(ctx, look)
		if ctx.Err() != nil {
			return 0, fmt.Errorf("the cluster is not whole within %v: %w", r.cfg.Patience, err)
		}
	}
}

func (r *run) agreed(ctx context.Context, clients []*client.Client) (leader int, err error) {
	leader = -1
	for i, c := range clients {
		name := r.fleet.Name(i)
		if !r.fleet.Running(i) {
			return 0, fmt.Errorf("%s has ended", name)
		}
		if err := c.Ready(ctx); err != nil {
			return 0, fmt.Errorf("%s is not ready: %w", name, err)
		}
		if r.scenario.alone() {
			return i, nil
		}
		members, err := c.Members(ctx)
		if err != nil {
			return 0, fmt.Errorf("%s does not list the members: %w", name, err)
		}
		led, err := whole(members, len(clients))
		if err != nil {
			return 0, fmt.Errorf("%s says that %w", name, err)
		}
		at := r.index(led)
		if at < 0 || leader >= 0 && leader != at {
			return 0, fmt.Errorf("%s says that %s leads", name, led)
		}
		leader = at
	}
	return leader, nil
}

// index is that of the member with a name, -1 for none.
func (r *run) index(name string) int {
	for i := range r.fleet.Len() {
		if r.fleet.Name(i) == name {
			return i
		}
	}
	return -1
}

// maxVoters is how many members of a cluster vote; the others only follow.
const maxVoters = 5

// whole returns the name of the leader of a cluster of which nothing is missing.
func whole(members []wire.ClusterMember, want int) (leader string, err error) {
	voters, alive := 0, 0
	for _, m := range members {
		if m.Leader {
			leader = m.Name
		}
		if m.State == "alive" {
			alive++
		}
		if !m.Voter {
			continue
		}
		voters++
		if m.State != "alive" {
			return "", fmt.Errorf("%s has a vote and is %s", m.Name, m.State)
		}
	}
	switch {
	case leader == "":
		return "", errors.New("nobody leads")
	case voters != min(want, maxVoters):
		return "", fmt.Errorf("%d members have a vote", voters)
	case alive != want:
		return "", fmt.Errorf("%d members are alive", alive)
	}
	return leader, nil
}
