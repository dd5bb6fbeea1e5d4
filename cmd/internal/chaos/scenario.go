package chaos

import (
	"fmt"
	"slices"
	"time"
)

// Act is what a step does to its members.
type Act string

// Acts. Restart, Move and Replace start members that have ended and wait until
// they are ready; Roll ends them in order and starts them again, one after the
// other. Isolate cuts members off from all others but not from each other; Mute
// and Deafen do so in one direction only, from them or to them; Part cuts one
// member off from one other. Heal undoes all of these. Stutter freezes and thaws
// members by turns, for ten seconds.
const (
	Kill      Act = "kill -9"
	Freeze    Act = "freeze"
	Thaw      Act = "thaw"
	Stutter   Act = "stutter"
	Terminate Act = "terminate"
	Restart   Act = "restart"
	Move      Act = "restart elsewhere"
	Replace   Act = "replace"
	Roll      Act = "roll"
	Add       Act = "add"
	Damage    Act = "damage"
	Revive    Act = "restart or replace"
	Fill      Act = "fill disk"
	Drain     Act = "drain disk"
	Isolate   Act = "isolate"
	Mute      Act = "mute"
	Deafen    Act = "deafen"
	Part      Act = "part"
	Heal      Act = "heal"
	PowerCut  Act = "cut power"
	Calm      Act = "calm" // nothing is done
)

// Who says which members a step is about; it is found when the step begins.
type Who string

// Minority is the leader and as many others as leave a majority. Same are the
// members of the step before. Anyone is one of all.
const (
	Nobody   Who = ""
	Leader   Who = "leader"
	Follower Who = "follower"
	Anyone   Who = "anyone"
	Minority Who = "minority"
	Everyone Who = "everyone"
	Same     Who = "same"
)

// Step is one thing that is done to a cluster under load, and what its clients
// may notice of it.
type Step struct {
	Act Act `json:"act"`
	Who Who `json:"who,omitempty"`
	// Hold is how long the load goes on after the act, before the next step.
	Hold time.Duration `json:"hold,omitempty"`
	// Gap limits the longest gap in service from the act to the next step, for
	// each kind of request; 0 sets no limit.
	Gap time.Duration `json:"gap,omitempty"`
	// Quiet demands that no request fails in that time, but for connections that
	// are cut or refused.
	Quiet bool `json:"quiet,omitempty"`
}

func (s Step) String() string {
	if s.Who == Nobody {
		return string(s.Act)
	}
	return fmt.Sprintf("%s %s", s.Act, s.Who)
}

// Scenario is a cluster and what happens to it.
type Scenario struct {
	Name    string `json:"name"`
	Members int    `json:"members"`
	// Rounds is how often the steps are taken; once when zero. Every is the least
	// time from the start of one to that of the next.
	Rounds int           `json:"rounds,omitempty"`
	Every  time.Duration `json:"every,omitempty"`
	Steps  []Step        `json:"steps"`
	// Replicas is how many members hold each journey; the default of the program
	// when zero.
	Replicas int `json:"replicas,omitempty"`
	// P99 and Worst limit the waits for steps of journeys over the whole run; 0
	// sets no limit.
	P99   time.Duration `json:"p99,omitempty"`
	Worst time.Duration `json:"worst,omitempty"`
}

// Limits of the targets: what clients notice of a lost leader, and of a member
// that only stands still or is cut off, for which all timers must run out.
const (
	killGap   = 1500 * time.Millisecond
	frozenGap = 5 * time.Second
)

// Scenarios are the faults that a cluster must survive. long gives frozen and
// cut off members the time that an operator would need; without it they have
// what it takes for all timers to run out.
func Scenarios(long bool) []Scenario {
	freeze, apart := 6*time.Second, 6*time.Second
	if long {
		freeze, apart = 30*time.Second, 20*time.Second
	}
	const (
		after = 4 * time.Second // a kill: an election and what follows
		rest  = 2 * time.Second // between a recovery and the next fault
	)
	partition := func(name string, members int, act Act, who Who) Scenario {
		return Scenario{Name: name, Members: members, Steps: []Step{
			{Act: act, Who: who, Hold: apart, Gap: frozenGap},
			{Act: Heal, Hold: after, Gap: frozenGap},
		}}
	}
	return []Scenario{
		{Name: "calm 3", Members: 3, Steps: []Step{{Act: Calm, Hold: rest, Gap: time.Second, Quiet: true}}},
		{Name: "calm 5", Members: 5, Steps: []Step{{Act: Calm, Hold: rest, Gap: time.Second, Quiet: true}}},
		KillLeader(1),
		{Name: "kill follower", Members: 3, Steps: []Step{
			{Act: Kill, Who: Follower, Hold: after, Gap: killGap, Quiet: true},
			{Act: Restart, Who: Same, Hold: rest},
		}},
		{Name: "kill minority", Members: 5, Steps: []Step{
			{Act: Kill, Who: Minority, Hold: after, Gap: 2 * killGap},
			{Act: Restart, Who: Same, Hold: rest},
		}},
		{Name: "freeze leader", Members: 3, Steps: []Step{
			{Act: Freeze, Who: Leader, Hold: freeze, Gap: frozenGap},
			{Act: Thaw, Who: Same, Hold: after, Gap: frozenGap},
		}},
		{Name: "freeze follower", Members: 3, Steps: []Step{
			{Act: Freeze, Who: Follower, Hold: freeze, Gap: frozenGap},
			{Act: Thaw, Who: Same, Hold: after, Gap: frozenGap},
		}},
		{Name: "rolling restart", Members: 3, Steps: []Step{{Act: Roll, Who: Everyone, Hold: rest, Gap: killGap}}},
		{Name: "new addresses", Members: 3, Steps: []Step{
			{Act: Kill, Who: Follower, Hold: rest},
			{Act: Move, Who: Same, Hold: after, Gap: killGap},
			{Act: Kill, Who: Leader, Hold: rest},
			{Act: Move, Who: Same, Hold: after, Gap: killGap},
		}},
		{Name: "replaced disk", Members: 3, Steps: []Step{
			{Act: Kill, Who: Leader, Hold: after, Gap: killGap},
			{Act: Replace, Who: Same, Hold: after, Gap: killGap},
		}},
		{Name: "grow", Members: 1, Steps: []Step{
			{Act: Add, Hold: rest},
			{Act: Add, Hold: rest},
			{Act: Kill, Who: Leader, Hold: after, Gap: killGap},
			{Act: Restart, Who: Same, Hold: rest},
		}},
		{Name: "all killed", Members: 3, Steps: []Step{
			{Act: Kill, Who: Everyone, Hold: time.Second},
			{Act: Restart, Who: Same, Hold: rest},
		}},
		{Name: "power cut", Members: 3, Steps: []Step{
			{Act: PowerCut, Hold: time.Second},
			{Act: Restart, Who: Same, Hold: rest},
		}},
		{Name: "disk full", Members: 3, Rounds: 2, Steps: []Step{
			{Act: Fill, Who: Leader, Hold: time.Second},
			// What the member gave up to go on a little is taken as well.
			{Act: Fill, Who: Same, Hold: 2 * after, Gap: frozenGap},
			{Act: Drain, Who: Same, Hold: after, Gap: frozenGap},
		}},
		{Name: "damaged files", Members: 3, Rounds: 3, Steps: []Step{
			{Act: Kill, Who: Follower, Hold: rest},
			{Act: Damage, Who: Same},
			{Act: Revive, Who: Same, Hold: rest, Gap: killGap},
		}},
		partition("isolated leader", 3, Isolate, Leader),
		partition("isolated follower", 3, Isolate, Follower),
		partition("isolated minority", 5, Isolate, Minority),
		partition("mute leader", 3, Mute, Leader),
		partition("deaf leader", 3, Deafen, Leader),
		partition("mute follower", 3, Mute, Follower),
		partition("deaf follower", 3, Deafen, Follower),
		partition("parted leader", 3, Part, Leader),
	}
}

// KillLeader kills the leader so many times.
func KillLeader(rounds int) Scenario {
	return Scenario{Name: "kill leader", Members: 3, Rounds: rounds, Steps: []Step{
		{Act: Kill, Who: Leader, Hold: 3 * time.Second, Gap: killGap},
		{Act: Restart, Who: Same, Hold: 1500 * time.Millisecond},
	}}
}

// needs are what a scenario asks of the machine.
func (s Scenario) needs() (namespaces, disks, images bool) {
	for _, step := range s.Steps {
		switch step.Act {
		case Isolate, Mute, Deafen, Part:
			namespaces = true
		case Fill:
			disks = true
		case PowerCut:
			images = true
		default:
		}
	}
	return namespaces, disks, images
}

// alone reports whether a scenario has one member from start to end: one that
// needs no port for others.
func (s Scenario) alone() bool {
	return s.Members == 1 && !slices.ContainsFunc(s.Steps, func(step Step) bool { return step.Act == Add })
}

// Root reports whether a scenario needs root: for network namespaces, or for
// file systems of its own.
func (s Scenario) Root() bool {
	namespaces, disks, images := s.needs()
	return namespaces || disks || images
}
