package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan makes scenarios in which journeys of several steps are under way while
// faults come again and again.
type Plan struct {
	// Members is how many form the cluster; at least 1.
	Members int
	// For is how long faults go on in each scenario, Every the time from one to
	// the next, which is longer where a fault takes longer.
	For, Every time.Duration
	// Replicas is how many members hold each journey; 0: what the scenario
	// needs.
	Replicas int
}

// Waits of clients for a step that a fault may cost: of those that a kill costs,
// and of all others, for which timers must run out.
const (
	killP99    = 300 * time.Millisecond
	killWorst  = 2 * time.Second
	faultWorst = 5 * time.Second
)

// planned is a scenario before it is known how often its steps are taken.
type planned struct {
	name, what string
	steps      []Step
	least      int // members
	most       int // rounds; 0: no limit
	replicas   int
	worst, p99 time.Duration
}

func (p Plan) all() []planned {
	const (
		frozen = 30 * time.Second
		cut    = 20 * time.Second // long enough for each side to take the other for dead
		rest   = 3 * time.Second
	)
	down := min(5*time.Second, p.Every/4)
	apart := func(name, what string, act Act, who Who) planned {
		return planned{name: name, what: what, least: 3, worst: faultWorst, steps: []Step{{Act: act, Who: who, Hold: cut}, {Act: Heal, Hold: rest}}}
	}
	// With three copies of a journey two of them may be out of reach or gone at
	// once when two of five members are; five bear it.
	minority := apart("minority", "the leader and others, less than half, are cut off, with five replicas (root)", Isolate, Minority)
	minority.replicas = 5
	return []planned{
		{
			name: "kill", what: "kill -9 of one member, which comes back", least: 3, worst: killWorst, p99: killP99,
			steps: []Step{{Act: Kill, Who: Anyone, Hold: down}, {Act: Restart, Who: Same, Hold: rest}},
		},
		{
			name: "kill-two", what: "kill -9 of the leader and an owner of journeys together, with five replicas", least: 5, replicas: 5, worst: faultWorst,
			steps: []Step{{Act: Kill, Who: Minority, Hold: down}, {Act: Restart, Who: Same, Hold: rest}},
		},
		{
			name: "leave", what: "one member leaves in order and comes back", least: 3, worst: faultWorst,
			steps: []Step{{Act: Terminate, Who: Anyone, Hold: down}, {Act: Restart, Who: Same, Hold: rest}},
		},
		{name: "join", what: "two members join", least: 1, most: 2, worst: faultWorst, steps: []Step{{Act: Add, Hold: down}}},
		{name: "roll", what: "all members are restarted, one after the other", least: 3, worst: faultWorst, steps: []Step{{Act: Roll, Who: Everyone, Hold: rest}}},
		{
			name: "freeze", what: "SIGSTOP of one member for 30 s", least: 3, worst: faultWorst,
			steps: []Step{{Act: Freeze, Who: Anyone, Hold: frozen}, {Act: Thaw, Who: Same, Hold: rest}},
		},
		{
			name: "stutter", what: "SIGSTOP of one member in bursts", least: 3, worst: faultWorst,
			steps: []Step{{Act: Stutter, Who: Anyone}, {Act: Calm, Hold: rest}},
		},
		apart("isolate", "one member is cut off from all others (root)", Isolate, Anyone),
		apart("mute", "one member is not heard by the others (root)", Mute, Anyone),
		apart("deafen", "one member does not hear the others (root)", Deafen, Anyone),
		minority,
	}
}

// Described lists the scenarios of any plan with what happens in them.
func Described() [][2]string {
	var all [][2]string
	for _, p := range (Plan{}).all() {
		all = append(all, [2]string{p.name, p.what})
	}
	return all
}

// Scenarios are those with these names: "kills" stands for all in which members
// are killed, "all" for all.
func (p Plan) Scenarios(names ...string) ([]Scenario, error) {
	all := p.all()
	var out []Scenario
	for _, one := range all {
		named := slices.Contains(names, one.name) || slices.Contains(names, "all") ||
			slices.Contains(names, "kills") && strings.HasPrefix(one.name, "kill")
		if !named {
			continue
		}
		if p.Members < one.least {
			return nil, fmt.Errorf("chaos: %q needs %d members", one.name, one.least)
		}
		out = append(out, p.scenario(one))
	}
	for _, name := range names {
		if name != "all" && name != "kills" && !slices.ContainsFunc(all, func(one planned) bool { return one.name == name }) {
			return nil, fmt.Errorf("chaos: there is no scenario %q", name)
		}
	}
	return out, nil
}

func (p Plan) scenario(one planned) Scenario {
	s := Scenario{
		Name: one.name, Members: p.Members, Every: p.Every, Steps: one.steps, Replicas: one.replicas, Worst: one.worst, P99: one.p99,
	}
	if p.Replicas > 0 {
		s.Replicas = p.Replicas
	}
	round := p.Every
	for _, step := range one.steps {
		round = max(round, step.Hold)
	}
	s.Rounds = max(1, int(p.For/max(round, 1)))
	if one.most > 0 {
		s.Rounds = min(s.Rounds, one.most)
	}
	return s
}
