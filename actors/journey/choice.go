package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sojourn/actors/callback"
	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// MaxChoices bounds the trees that a client may choose from.
const MaxChoices = 32

// choicePrompt is what a client is asked when several trees would do.
const choicePrompt = "Choose how to sign in"

// choiceMark starts the name of a choice. No tree's name has a control
// character.
const choiceMark = "\x1f"

// choosing is the one vertex of a choice.
const choosing tree.NodeID = "00000000-0000-4000-8000-000000000001"

// Choice is the plan of a journey that asks which of several trees to run, and
// becomes a journey on that one: from the answer on, name, version, limits and
// flags are those of the tree. Its own name lists the trees with their versions,
// so that it needs no definition of its own. The plans are of one realm and of
// different names; there are between two and MaxChoices.
func Choice(plans []*Plan) *Plan {
	plans = slices.SortedFunc(slices.Values(plans), func(a, b *Plan) int { return strings.Compare(a.Name, b.Name) })
	v := &vertex{id: choosing, next: map[tree.Outcome]tree.NodeID{}}
	choice := &Plan{Realm: plans[0].Realm, choices: map[string]*Plan{}}
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = p.Name
		choice.choices[p.Name] = p
		choice.Name += choiceMark + p.Version.String() + p.Name
	}
	sum := sha256.Sum256([]byte(choice.Name))
	choice.Version = Version(sum[:len(Version{})])
	v.typ, v.node = &node.Type{Name: "Choice", Pure: true}, chooser{names}
	choice.main = &program{name: choice.Name, entry: choosing, vertices: map[tree.NodeID]*vertex{choosing: v}}
	choice.programs = map[string]*program{choice.Name: choice.main}
	return choice
}

// Chosen is one of the trees of a choice.
type Chosen struct {
	Name    string
	Version Version
}

// ReadChoice reads the name of a choice; ok is false for a tree's name. err says
// that it is neither.
func ReadChoice(name string) (trees []Chosen, ok bool, err error) {
	if !strings.HasPrefix(name, choiceMark) {
		return nil, false, nil
	}
	var c Chosen
	for part := range strings.SplitSeq(name[len(choiceMark):], choiceMark) {
		if len(part) <= 2*len(c.Version) || len(trees) == MaxChoices {
			return nil, true, errChoice
		}
		if _, err := hex.Decode(c.Version[:], []byte(part[:2*len(c.Version)])); err != nil {
			return nil, true, errChoice
		}
		c.Name = part[2*len(c.Version):]
		if len(trees) > 0 && trees[len(trees)-1].Name >= c.Name {
			return nil, true, errChoice
		}
		trees = append(trees, c)
	}
	if len(trees) < 2 {
		return nil, true, errChoice
	}
	return trees, true, nil
}

var errChoice = errors.New("not the name of a choice of trees")

// chooser asks which tree to run. Its outcomes are their names.
type chooser struct{ names []string }

func (n chooser) Process(c *node.Context) (node.Action, error) {
	if len(c.Answers) == 0 {
		return node.Ask{Callbacks: []callback.Callback{callback.NewChoice(choicePrompt, n.names, 0)}}, nil
	}
	i, err := c.Answers[0].Index(0, len(n.names))
	if err != nil {
		return nil, err
	}
	return node.Goto{Outcome: tree.Outcome(n.names[i])}, nil
}

// become makes the journey one on the tree that was chosen.
func (r *run) become(name string) error {
	p, ok := r.plan.choices[name]
	if !ok {
		return fmt.Errorf("tree %q was not to be chosen", name)
	}
	r.plan = p
	r.s.Tree, r.s.Version = p.Name, p.Version
	r.s.Frames = []Frame{{Tree: p.Name, Node: p.main.entry}}
	r.s.answers, r.s.partial = nil, nil
	return nil
}

// Of is the plan that a journey that began on p is on: the tree that was
// chosen, where p is a choice.
func (p *Plan) Of(s State) *Plan {
	if chosen, ok := p.choices[s.Tree]; ok && chosen.Version == s.Version {
		return chosen
	}
	return p
}
